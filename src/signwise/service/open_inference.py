"""The Open Inference Protocol, version 2, that the clients of KServe and Triton speak.

Tensors come as JSON or, by the extension `binary_tensor_data`, as bytes behind a JSON header whose
length stands in `Inference-Header-Content-Length`. Source: KServe, "Open Inference Protocol
Specification"; NVIDIA, "Binary Tensor Data Extension".
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import msgspec
import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from signwise.files import Json
from signwise.service.batches import Scores
from signwise.service.bodies import read_body
from signwise.service.limits import Gate, Limits, too_many
from signwise.service.models import ServedModel
from signwise.service.predict_api import as_json, find_model

PREFIX = "/v2"
HEADER_LENGTH = "Inference-Header-Content-Length"
INPUT, DATATYPE = "images", "UINT8"
OUTPUTS = ("probabilities", "known")


class Tensor(msgspec.Struct):
    """An input as it is sent."""

    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: dict[str, Any] = {}


class Wanted(msgspec.Struct):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct):
    """What a client asks."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[Wanted] | None = None
    parameters: dict[str, Any] = {}


class Refusal(BaseModel):
    """Why there is no answer."""

    error: str


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "The request is not of the protocol"},
    401: {"model": Refusal, "description": "The API key is missing or wrong"},
    404: {"model": Refusal, "description": "No such model"},
    408: {"model": Refusal, "description": "The body came too slowly"},
    413: {"model": Refusal, "description": "The body is too large, or holds too many pictures"},
    415: {"model": Refusal, "description": "The body is compressed"},
    422: {"model": Refusal, "description": "The model's answer is not a number"},
    503: {"model": Refusal, "description": "Too much work at once, or the service stops"},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "inputs": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 1,
                            "items": {
                                "type": "object",
                                "required": ["name", "shape", "datatype", "data"],
                                "properties": {
                                    "name": {"const": INPUT},
                                    "datatype": {"const": DATATYPE},
                                    "shape": {
                                        "type": "array",
                                        "items": {"type": "integer", "minimum": 1},
                                        "minItems": 4,
                                        "maxItems": 4,
                                    },
                                    "data": {"type": "array"},
                                },
                            },
                        },
                        "outputs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"name": {"enum": list(OUTPUTS)}},
                            },
                        },
                    },
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def health_api(stopping: Callable[[], bool]) -> APIRouter:
    """Whether the service lives and takes requests."""
    router = APIRouter(prefix=f"{PREFIX}/health", tags=["Open Inference Protocol"])

    @router.get("/live")
    async def live() -> dict[str, bool]:
        """Say that the service lives."""
        return {"live": True}

    @router.get("/ready", responses={503: _REFUSALS[503]})
    async def ready() -> dict[str, bool]:
        """Say whether the service takes requests: not once it stops."""
        if stopping():
            raise HTTPException(503, "the service stops")
        return {"ready": True}

    return router


def open_inference_api(models: Mapping[str, ServedModel], gate: Gate) -> APIRouter:
    """The routes of server and models."""
    router = APIRouter(prefix=PREFIX, tags=["Open Inference Protocol"])
    refusals: dict[int | str, dict[str, Any]] = {status: _REFUSALS[status] for status in (401, 404)}

    @router.get("", responses={401: _REFUSALS[401]})
    async def server() -> dict[str, Any]:
        """Say what the server is."""
        extensions = ["binary_tensor_data"]
        return {"name": "signwise", "version": version("signwise"), "extensions": extensions}

    @router.get("/models/{name}", responses=refusals)
    async def metadata(name: str) -> dict[str, Any]:
        """Say what goes into a model and what comes out."""
        predictor = find_model(models, name).predictor
        side, classes = predictor.image_size, len(predictor.classes)
        return {
            "name": name,
            "versions": [],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": INPUT, "datatype": DATATYPE, "shape": [-1, side, side, 3]}],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, classes]},
                {"name": "known", "datatype": "FP32", "shape": [-1]},
            ],
        }

    @router.get("/models/{name}/ready", responses=refusals)
    async def model_ready(name: str) -> dict[str, Any]:
        """Say that a model takes requests."""
        find_model(models, name)
        return {"name": name, "ready": True}

    @router.post(
        "/models/{name}/infer",
        responses=_REFUSALS,
        openapi_extra=_BODY,
        response_class=Response,
    )
    async def infer(request: Request, name: str) -> Response:
        """Give `probabilities` and `known` of pictures that are pixels: uint8 RGB (N, S, S, 3)."""
        served = find_model(models, name)
        gate.check()
        with gate.body() as body:
            content = await read_body(request, gate.limits, body)
            asked, tensor = _parse(content, request.headers.get(HEADER_LENGTH))
            pixels = _pixels(asked, tensor, served.predictor.image_size, gate.limits)
            outputs = _wanted(asked)
            with gate.work(len(pixels)):
                scores = await served.scores(pixels)
        request.state.noted = {"model": name, "pictures": len(pixels)}
        return _answer(name, asked, outputs, scores)

    return router


def _malformed(reason: str) -> HTTPException:
    return HTTPException(400, reason)


def _parse(content: bytes, header_length: str | None) -> tuple[InferRequest, bytes]:
    """The request, and the bytes behind its JSON."""
    length = len(content)
    if header_length is not None:
        long = len(header_length) > len(str(length))  # Python refuses to read very long numbers
        if not header_length.isdecimal() or long or int(header_length) > length:
            raise _malformed(f"{HEADER_LENGTH} is not a length of a part of the body")
        length = int(header_length)
    try:
        return msgspec.json.decode(content[:length], type=InferRequest), content[length:]
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise _malformed(f"not a request of the protocol ({error})") from None


def _pixels(asked: InferRequest, tensor: bytes, side: int, limits: Limits) -> np.ndarray:
    """The input as uint8 (N, side, side, 3)."""
    if len(asked.inputs) != 1 or asked.inputs[0].name != INPUT:
        raise _malformed(f"give one input, {INPUT!r}")
    one = asked.inputs[0]
    if one.datatype != DATATYPE:
        raise _malformed(f"{INPUT} is {DATATYPE}, not {one.datatype}")
    if len(one.shape) != 4 or one.shape[1:] != [side, side, 3] or one.shape[0] < 1:
        raise _malformed(f"{INPUT} is of the shape [N, {side}, {side}, 3], not {one.shape}")
    if one.shape[0] > limits.pictures:
        raise too_many(limits)
    count = one.shape[0] * side * side * 3
    size = one.parameters.get("binary_data_size")
    if size is not None:
        if size != count or len(tensor) != count or one.data is not None:
            raise _malformed(f"{count} bytes were announced by the shape: send as many")
        return np.frombuffer(tensor, np.uint8).reshape(one.shape)
    if tensor:
        raise _malformed("there are bytes behind the JSON that no input announces")
    return _numbers(one.data, count).reshape(one.shape)


def _numbers(data: object, count: int) -> np.ndarray:
    """Numbers of a JSON list, flat or nested, as uint8 (count,)."""
    reason = f"the data of {INPUT} must be {count} whole numbers from 0 to 255"
    if not _holds_numbers(data, count):
        raise _malformed(reason)
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError):  # ragged lists, enormous numbers
        raise _malformed(reason) from None
    if values.size != count or values.dtype.kind not in "iu":
        raise _malformed(reason)
    if values.min() < 0 or values.max() > 255:
        raise _malformed(reason)
    return values.astype(np.uint8).ravel()


def _holds_numbers(data: object, most: int) -> bool:
    """Whether a JSON list, flat or nested, holds whole numbers alone, and at most so many.

    Asked before NumPy sees it, to which one long text says how much each entry takes.
    """
    left, seen = [data], 0
    while left:
        part = left.pop()
        if not isinstance(part, list):
            return False
        kinds = set(map(type, part))
        if kinds == {list}:
            left.extend(part)
        elif kinds <= {int}:
            seen += len(part)
        else:
            return False
        if seen > most or len(left) > most:
            return False
    return True


def _wanted(asked: InferRequest) -> dict[str, bool]:
    """The outputs to give, and whether each goes as bytes."""
    binary = asked.parameters.get("binary_data_output") is True
    wanted = asked.outputs or [Wanted(name) for name in OUTPUTS]
    for one in wanted:
        if one.name not in OUTPUTS:
            raise _malformed(f"there is no output of this name: give {' or '.join(OUTPUTS)}")
    return {one.name: one.parameters.get("binary_data", binary) is True for one in wanted}


def _answer(name: str, asked: InferRequest, wanted: dict[str, bool], scores: Scores) -> Response:
    if not (np.isfinite(scores.probabilities).all() and np.isfinite(scores.known).all()):
        raise HTTPException(422, "the model's answer is not a number")
    outputs: list[Json] = []
    tail: list[bytes] = []
    for output, binary in wanted.items():
        values: np.ndarray = getattr(scores, output)
        found: dict[str, Json] = {
            "name": output,
            "datatype": "FP32",
            "shape": list(values.shape),
        }
        if binary:
            tail.append(values.astype("<f4").tobytes())
            found["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            found["data"] = values.ravel().tolist()
        outputs.append(found)
    answer: dict[str, Json] = {"model_name": name, "outputs": outputs}
    if asked.id is not None:
        answer["id"] = asked.id
    if not tail:
        return as_json(answer)
    head = msgspec.json.encode(answer)
    return Response(
        b"".join([head, *tail]),
        media_type="application/octet-stream",
        headers={HEADER_LENGTH: str(len(head))},
    )
