"""The Open Inference Protocol: by its public client, and by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serving import running
from signwise import Predictor
from signwise.service.serve import Service
from toy import toy_model, toy_picture

SIDE = 32


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "toy"
    return toy_model(folder / "model.onnx", known="colour").parent


@pytest.fixture(scope="module")
def service(model: Path) -> Iterator[Service]:
    with running(model) as opened:
        yield opened


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([toy_picture(index, rng, SIDE) for index in (0, 1, None)])


def infer(service: Service, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"{service.url}/v2/models/toy/infer"
    return httpx.post(url, content=content, headers=headers, trust_env=False)


def asked(pixels: np.ndarray, **changes: Any) -> dict[str, Any]:
    """A request whose data are JSON."""
    tensor = {
        "name": "images",
        "shape": list(pixels.shape),
        "datatype": "UINT8",
        "data": pixels.ravel().tolist(),
    }
    return {"inputs": [tensor | changes]}


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("outputs", [None, ["known"], ["known", "probabilities"]])
def test_tritonclient(
    service: Service, model: Path, pixels: np.ndarray, binary: bool, outputs: list[str] | None
) -> None:
    from tritonclient import http

    with http.InferenceServerClient(service.url.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("toy")
        assert not client.is_model_ready("none")
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        metadata = client.get_model_metadata("toy")
        (described,) = metadata["inputs"]
        assert described == {"name": "images", "datatype": "UINT8", "shape": [-1, SIDE, SIDE, 3]}
        images = http.InferInput("images", list(pixels.shape), described["datatype"])
        images.set_data_from_numpy(pixels, binary_data=binary)
        wanted = outputs and [
            http.InferRequestedOutput(name, binary_data=binary) for name in outputs
        ]
        result = client.infer("toy", [images], outputs=wanted, request_id="7")
        assert result.get_response()["id"] == "7"
        probabilities, known = Predictor(model).scores(pixels)
        expected = {"probabilities": probabilities, "known": known}
        for name in ("probabilities", "known"):
            found = result.as_numpy(name)
            if outputs is not None and name not in outputs:
                assert found is None
                continue
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected[name], atol=1e-5)
        with pytest.raises(Exception, match="no such model: there is toy"):
            client.infer("none", [images])


def test_nested_and_flat_data(service: Service, pixels: np.ndarray) -> None:
    flat = infer(service, asked(pixels)).json()
    nested = infer(service, asked(pixels, data=pixels.tolist())).json()
    assert flat == nested
    assert flat["model_name"] == "toy"
    assert [one["name"] for one in flat["outputs"]] == ["probabilities", "known"]
    assert flat["outputs"][0]["shape"] == [3, 2]
    assert sum(flat["outputs"][0]["data"]) == pytest.approx(3, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "pictures"}, "give one input"),
        ({"datatype": "FP32"}, "images is UINT8, not FP32"),
        ({"shape": [3, SIDE, SIDE]}, "of the shape"),
        ({"shape": [-1, SIDE, SIDE, 3]}, "of the shape"),
        ({"shape": [0, SIDE, SIDE, 3], "data": []}, "of the shape"),
        ({"shape": [3, 16, 16, 3]}, "of the shape"),
        ({"shape": ["3", SIDE, SIDE, 3]}, "not a request of the protocol"),
        ({"shape": [2, SIDE, SIDE, 3]}, "whole numbers from 0 to 255"),
        ({"data": None}, "whole numbers from 0 to 255"),
        ({"data": "abc"}, "whole numbers from 0 to 255"),
        ({"data": {"a": 1}}, "whole numbers from 0 to 255"),
        ({"data": [[1, 2], [3]]}, "whole numbers from 0 to 255"),
        ({"data": [256] * (3 * SIDE * SIDE * 3)}, "whole numbers from 0 to 255"),
        ({"data": [-1] * (3 * SIDE * SIDE * 3)}, "whole numbers from 0 to 255"),
        ({"data": [10**30] * (3 * SIDE * SIDE * 3)}, "whole numbers from 0 to 255"),
        ({"data": [0.5] * (3 * SIDE * SIDE * 3)}, "whole numbers from 0 to 255"),
        ({"data": [True] * (3 * SIDE * SIDE * 3)}, "whole numbers from 0 to 255"),
        ({"data": ["1"] * (3 * SIDE * SIDE * 3)}, "whole numbers from 0 to 255"),
        # As an array of texts of one width it would be a terabyte.
        ({"data": ["a" * 3_000_000] + [1] * 100_000}, "whole numbers from 0 to 255"),
        ({"data": [[[]]] * 100_000}, "whole numbers from 0 to 255"),
        ({"parameters": {"binary_data_size": 5}}, "bytes were announced"),
        ({"parameters": 5}, "not a request of the protocol"),
    ],
)
def test_what_is_not_of_the_protocol(
    service: Service, pixels: np.ndarray, changes: dict[str, Any], reason: str
) -> None:
    answer = infer(service, asked(pixels, **changes))
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"inputs": []}', b"\xff\xfe", b"[" * 100_000, b'{"a":1}']
)
def test_what_is_no_request(service: Service, body: bytes) -> None:
    answer = infer(service, body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def test_deep_data_is_refused(service: Service, pixels: np.ndarray) -> None:
    head, tail = json.dumps(asked(pixels, data=0)).split('"data": 0')
    for depth in (70, 500, 20_000):
        data = "[" * depth + "1" + "]" * depth
        answer = infer(service, f'{head}"data": {data}{tail}'.encode())
        assert answer.status_code == 400


def test_binary_data_of_a_wrong_length(service: Service, pixels: np.ndarray) -> None:
    count = pixels.size
    body = asked(pixels)
    del body["inputs"][0]["data"]
    body["inputs"][0]["parameters"] = {"binary_data_size": count}
    head = json.dumps(body).encode()
    name = "Inference-Header-Content-Length"
    whole = head + pixels.tobytes()
    assert infer(service, whole, **{name: str(len(head))}).status_code == 200
    for content, length in (
        (whole[:-1], len(head)),
        (whole + b"1", len(head)),
        (whole, len(whole) + 1),
        (whole, -1),
        (whole, "many"),
        (head, len(head)),
    ):
        assert infer(service, content, **{name: str(length)}).status_code == 400


def test_an_output_that_there_is_not(service: Service, pixels: np.ndarray) -> None:
    answer = infer(service, asked(pixels) | {"outputs": [{"name": "logits"}]})
    assert answer.status_code == 400
    assert "give probabilities or known" in answer.json()["error"]


def test_too_many_pictures(service: Service, pixels: np.ndarray) -> None:
    answer = infer(service, asked(np.repeat(pixels, 22, axis=0)))
    assert answer.status_code == 413
    assert answer.json() == {"error": "more than 64 pictures in one request"}


def test_an_answer_that_is_no_number(
    model: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Predictor, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nothing = np.full(len(pixels), np.nan, np.float32)
        return np.stack([nothing, nothing], axis=1), nothing

    with running(model) as opened:
        monkeypatch.setattr(Predictor, "scores", broken)
        answer = infer(opened, asked(pixels))
    assert answer.status_code == 422
    assert answer.json() == {"error": "the model's answer is not a number"}
