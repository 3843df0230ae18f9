"""The service's own API: `POST /v1/predict` and `GET /v1/models`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from signwise.files import Json
from signwise.inference.predictor import Prediction
from signwise.service.bodies import FIELD, Sent, read_pictures
from signwise.service.limits import Gate
from signwise.service.models import ServedModel, Workers

SHOWN_REASONS = 3


class Row(BaseModel):
    """What the model says of one picture; with an `error`, nothing else but the path is filled."""

    path: str | None = Field(description="The file name that was sent; null where none was.")
    label: str | None = Field(description="The class of the largest probability, or `unknown`.")
    confidence: float | None = Field(description="The largest probability, whatever the label.")
    known: float | None = Field(
        description="0 to 1, higher the surer it is that the picture is of one of the classes."
    )
    probabilities: dict[str, float] = Field(
        description="By class, given that the picture is of one of them."
    )
    error: str | None = Field(description="Why the picture could not be used.")
    heat_map: str | None = Field(
        default=None,
        description="With `explain=1` only. A PNG as a data URL: the picture in grey, red where it"
        " speaks for the answer, blue where it speaks against it.",
    )


class Answer(BaseModel):
    """The pictures' rows, in the order in which they were sent."""

    model: str
    predictions: list[Row]


class Model(BaseModel):
    """One model that is served."""

    name: str
    classes: list[str]
    image_size: int = Field(description="Side of the pictures that the network sees, in pixels.")
    threshold: float = Field(description="Below this `known` the label is `unknown`.")
    figures: dict[str, Any] = Field(description="What was measured of it, as its file says.")


class Models(BaseModel):
    """The models that are served; the first answers where none is named."""

    models: list[Model]


class Refusal(BaseModel):
    """Why there is no answer."""

    detail: str


class Unreadable(Refusal):
    """None of the pictures could be read, or the request makes no sense."""

    model: str | None = None
    predictions: list[Row] | None = None


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "The API key is missing or wrong"},
    404: {"model": Refusal, "description": "No such model"},
    408: {"model": Refusal, "description": "The body came too slowly"},
    413: {"model": Refusal, "description": "The body is too large, or holds too many pictures"},
    415: {"model": Refusal, "description": "The content type holds no picture"},
    503: {"model": Refusal, "description": "Too much work at once: try again after Retry-After"},
}


def predict_api(models: Mapping[str, ServedModel], gate: Gate, workers: Workers) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["signwise"])
    responses = REFUSALS | {200: {"model": Answer}, 422: {"model": Unreadable}}

    @router.post("/predict", responses=responses, openapi_extra=_BODY, response_class=Response)
    async def predict(
        request: Request,
        model: Annotated[
            str | None, Query(description="A name of `/v1/models`; the first unless given.")
        ] = None,
        explain: Annotated[bool, Query(description="Add heat maps; each takes a while.")] = False,
    ) -> Response:
        """Say what each picture shows.

        Send pictures as parts named `files` of a multipart form, or one picture as the body. A
        picture that can't be read among others is a row with an `error`.
        """
        served = find_model(models, model)
        gate.check()
        with gate.body() as body:
            sent = await read_pictures(request, gate.limits, body)
            contents = [one.content for one in sent]
            heat_maps = None
            with gate.work(len(sent)):
                predictions = await served.predict(contents, workers)
            request.state.noted = {"model": served.name, "pictures": len(sent)}
            if all(one.error for one in predictions):
                return _unreadable(served.name, sent, predictions)
            if explain:
                with gate.maps(len(sent)):
                    heat_maps = await served.heat_maps(
                        contents, predictions, workers, request.is_disconnected
                    )
        return as_json(_rows(served.name, sent, predictions, heat_maps))

    @router.get("/models", responses={401: REFUSALS[401]})
    async def list_models() -> Models:
        """List the models that are served."""
        return Models(
            models=[
                Model(
                    name=one.name,
                    classes=list(one.predictor.classes),
                    image_size=one.predictor.image_size,
                    threshold=one.predictor.threshold,
                    figures=one.predictor.record.figures.to_json(),
                )
                for one in models.values()
            ]
        )

    return router


def find_model(models: Mapping[str, ServedModel], name: str | None) -> ServedModel:
    """The model of this name, or the first. Raises HTTPException 404, which lists them."""
    if name is None:
        return next(iter(models.values()))
    if name not in models:
        raise HTTPException(404, f"no such model: there is {', '.join(models)}")
    return models[name]


def as_json(content: Json, status: int = 200) -> Response:
    """A response that holds JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _rows(
    model: str,
    sent: Sequence[Sent],
    predictions: Sequence[Prediction],
    heat_maps: Sequence[str | None] | None = None,
) -> dict[str, Json]:
    rows: list[Json] = []
    for number, (one, prediction) in enumerate(zip(sent, predictions, strict=True)):
        row: dict[str, Json] = {
            "path": one.name,
            "label": prediction.label,
            "confidence": prediction.confidence,
            "known": prediction.known,
            "probabilities": dict[str, Json](prediction.probabilities),
            "error": prediction.error,
        }
        if heat_maps is not None:
            row["heat_map"] = heat_maps[number]
        rows.append(row)
    return {"model": model, "predictions": rows}


def _unreadable(model: str, sent: Sequence[Sent], predictions: Sequence[Prediction]) -> Response:
    reasons = [
        f"{one.name}: {prediction.error}" if one.name else str(prediction.error)
        for one, prediction in zip(sent, predictions, strict=True)
    ]
    text = "; ".join(reasons[:SHOWN_REASONS])
    if len(reasons) > SHOWN_REASONS:
        text += f"; and {len(reasons) - SHOWN_REASONS} more"
    detail = f"no picture could be read: {text}"
    return as_json({"detail": detail, **_rows(model, sent, predictions)}, 422)
