"""The service's own API, asked over a real connection."""

import base64
import csv
import io
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

import signwise
from serving import form, png, predict, running
from signwise.service.serve import Service
from toy import CLASSES, toy_model

THRESHOLD = 0.5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "toy"
    return toy_model(folder / "model.onnx", threshold=THRESHOLD, known="colour").parent


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "other"
    return toy_model(folder / "model.onnx", ("a", "b", "c"), 16).parent


@pytest.fixture(scope="module")
def service(model: Path, other: Path) -> Iterator[Service]:
    with running([model, other]) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as opened:
        yield opened


def test_answers_are_those_of_predict(service: Service, model: Path) -> None:
    pictures = [(f"{n}.png", png((0, 1, None)[n % 3], seed=n)) for n in range(30)]
    pictures += [("cut.png", pictures[0][1][:60]), ("text.png", b"hello")]
    answer = predict(service, *pictures)
    assert answer.status_code == 200
    found = answer.json()
    assert found["model"] == "toy"
    rows = signwise.predict(model, [content for _, content in pictures]).rows
    assert len(found["predictions"]) == len(rows)
    for got, wanted, (name, _) in zip(found["predictions"], rows, pictures, strict=True):
        assert set(got) == {"path", "label", "confidence", "known", "probabilities", "error"}
        assert (got["path"], got["label"], got["error"]) == (name, wanted["label"], wanted["error"])
        if wanted["error"] is None:
            assert got["known"] == pytest.approx(wanted["known"], abs=1e-5)
            for each in CLASSES:
                assert got["probabilities"][each] == pytest.approx(wanted[f"p_{each}"], abs=1e-5)
        else:
            assert got["probabilities"] == {}
    assert {row["label"] for row in rows} == {*CLASSES, "unknown", None}


def test_a_run_answers_as_predict_on_all_its_validation_pictures(
    trained_run: Path, prepared: Path
) -> None:
    with (prepared / "manifest.csv").open(encoding="utf-8") as file:
        validation = [row["path"] for row in csv.DictReader(file) if row["split"] == "val"]
    root = Path(json.loads((prepared / "data.json").read_text())["root"])
    paths = [root / path for path in validation]
    assert len(paths) >= 8
    rows = signwise.predict(trained_run, paths).rows
    with running(trained_run) as service, ThreadPoolExecutor(8) as several:
        alone = [row for answer in several.map(
            lambda path: predict(service, (path.name, path.read_bytes())), paths
        ) for row in answer.json()["predictions"]]  # fmt: skip
        together = predict(service, *((path.name, path.read_bytes()) for path in paths)).json()
    for found in (alone, together["predictions"]):
        assert [row["label"] for row in found] == [row["label"] for row in rows]
        assert [row["known"] for row in found] == pytest.approx(
            [row["known"] for row in rows], abs=1e-5
        )


def test_a_body_may_be_one_picture(client: httpx.Client) -> None:
    for kind in ("image/png", "application/octet-stream", "text/plain", None):
        headers = {} if kind is None else {"Content-Type": kind}
        answer = client.post("/v1/predict", content=png(1), headers=headers)
        assert answer.status_code == 200, kind
        (row,) = answer.json()["predictions"]
        assert (row["path"], row["label"]) == (None, "stop")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x",
             "application/problem+json", "Application/JSON; charset=utf-8"],
)  # fmt: skip
def test_other_content_types_are_refused(client: httpx.Client, kind: str) -> None:
    answer = client.post("/v1/predict", content=png(), headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert kind.split(";")[0].lower() in answer.json()["detail"]


def test_a_compressed_body_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/predict", content=png(), headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


def test_names_come_back_as_they_were_sent(service: Service) -> None:
    names = ["标志.png", "a b/c.png", "=1+1.png", "a.png", "a.png", "x" * 200 + ".png"]
    rows = predict(service, *((name, png()) for name in names)).json()["predictions"]
    assert [row["path"] for row in rows] == names


def test_no_readable_picture_is_422_with_the_reasons(service: Service) -> None:
    answer = predict(service, ("cut.png", png()[:60]), ("text.png", b"hello"))
    assert answer.status_code == 422
    found = answer.json()
    assert found["detail"] == (
        "no picture could be read: cut.png: truncated; text.png: not an image"
    )
    assert [row["error"] for row in found["predictions"]] == ["truncated", "not an image"]


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("multipart/form-data", b"", "names no boundary"),
        ("multipart/form-data; boundary=x", b"", "cut off"),
        ("multipart/form-data; boundary=x", b"hello", "damaged"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nhello\r\n--x--\r\n", "damaged"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nhel',
            "cut off",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n1\r\n--x--\r\n',
            "no part named 'files'",
        ),
        ("image/png", b"", "empty file"),
    ],
)
def test_damaged_bodies(client: httpx.Client, kind: str, content: bytes, reason: str) -> None:
    answer = client.post("/v1/predict", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]


def test_a_part_without_a_file_name_is_a_picture_too(client: httpx.Client) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n' + png(1) + b"\r\n--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    (row,) = client.post("/v1/predict", content=body, headers=headers).json()["predictions"]
    assert (row["path"], row["label"]) == (None, "stop")


def test_another_model_by_name(service: Service, client: httpx.Client) -> None:
    answer = predict(service, ("a.png", png(2)), model="other").json()
    assert answer["model"] == "other"
    assert set(answer["predictions"][0]["probabilities"]) == {"a", "b", "c"}
    refused = predict(service, ("a.png", png()), model="../toy")
    assert refused.status_code == 404
    assert refused.json() == {"detail": "no such model: there is toy, other"}
    listed = client.get("/v1/models").json()["models"]
    assert [one["name"] for one in listed] == ["toy", "other"]
    assert listed[0]["classes"] == list(CLASSES)
    assert (listed[0]["image_size"], listed[0]["threshold"]) == (32, THRESHOLD)


def test_heat_maps(service: Service) -> None:
    pictures = [("a.png", png(1)), ("b.png", b"no"), ("c.png", png(None))]
    plain = predict(service, *pictures).json()["predictions"]
    explained = predict(service, *pictures, explain=1).json()["predictions"]
    maps = [row.pop("heat_map") for row in explained]
    assert explained == plain
    assert maps[1] is None
    for one in (maps[0], maps[2]):
        head, _, content = one.partition(",")
        assert head == "data:image/png;base64"
        image = Image.open(io.BytesIO(base64.b64decode(content)))
        assert (image.format, image.size) == ("PNG", (40, 40))
    refused = predict(service, *pictures, explain="perhaps")
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("query.explain: ")


def test_heat_maps_of_large_pictures_are_small(service: Service) -> None:
    (row,) = predict(service, ("a.png", png(0, size=900)), explain=1).json()["predictions"]
    assert len(row["heat_map"]) < 400_000


def test_concurrent_requests_share_batches_and_keep_their_answers(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    scores = signwise.Predictor.scores

    def noting(self: signwise.Predictor, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes.append(len(pixels))
        time.sleep(0.02)  # as a network that takes its time
        return scores(self, pixels)

    with running(model) as service, ThreadPoolExecutor(16) as several:
        monkeypatch.setattr(signwise.Predictor, "scores", noting)
        answers = list(several.map(
            lambda n: predict(service, (f"{n}", png(n % 2, seed=n)), ("bad", b"no")), range(48)
        ))  # fmt: skip
    assert sum(sizes) == 48
    assert max(sizes) > 1
    for n, answer in enumerate(answers):
        assert answer.status_code == 200
        rows = answer.json()["predictions"]
        assert [row["path"] for row in rows] == [f"{n}", "bad"]
        assert [row["label"] for row in rows] == [CLASSES[n % 2], None]


def test_a_model_that_fails_is_an_error_without_a_path(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: signwise.Predictor, _: np.ndarray) -> None:
        raise signwise.SignwiseError(f"{self.path} fails")

    with running(model) as service:
        with monkeypatch.context() as patch:
            patch.setattr(signwise.Predictor, "scores", failing)
            answer = predict(service, ("a", png()))
        assert answer.status_code == 500
        assert answer.json() == {"detail": "the model failed on these pictures"}
        assert predict(service, ("a", png())).status_code == 200, "the next batch may do"


def test_metrics_count_what_was_answered(model: Path) -> None:
    with running(model) as service:
        predict(service, ("a", png(0)), ("b", png(1)), ("c", png(None)), ("d", b"no"))
        predict(service, ("d", b"no"))
        text = httpx.get(f"{service.url}/metrics", trust_env=False).text
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert all(name[0].startswith("signwise_") for name in found)
    assert found["signwise_requests_total", "ok", "/v1/predict"] == 1
    assert found["signwise_requests_total", "unreadable", "/v1/predict"] == 1
    for label, count in (("priority", 1), ("stop", 1), ("unknown", 1), ("error", 2)):
        assert found["signwise_answers_total", label, "toy"] == count
    assert found["signwise_known_count", "toy"] == 3
    assert found["signwise_batch_pictures_count",] == 1
    assert found["signwise_batch_pictures_sum",] == 3
    assert found["signwise_queue_seconds_count",] == 1
    assert found["signwise_request_duration_seconds_count", "/v1/predict"] == 2
    for line in text.splitlines():
        assert line.startswith(("#", "signwise_"))


def test_docs_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    for address in loaded:
        assert address.startswith("/")
        assert client.get(address).status_code == 200
    document = client.get("/openapi.json").json()
    assert {"/v1/predict", "/v1/models", "/v2/models/{name}/infer"} <= set(document["paths"])


def test_no_answer_waits_for_its_heads_receipt(service: Service, client: httpx.Client) -> None:
    assert client.get("/v1/models").status_code == 200
    connections = list(service.server.server_state.connections)
    assert connections
    for one in connections:
        assert one.transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY
        )


def test_unknown_routes_and_methods(client: httpx.Client) -> None:
    assert client.get("/etc/passwd").status_code == 404
    assert client.get("/static/../serve.py").status_code == 404
    assert client.get("/static/%2e%2e/serve.py").status_code == 404
    assert client.get("/v1/predict").status_code == 405
    assert client.get("/v2/nothing").json() == {"error": "Not Found"}


def test_no_other_page_may_ask_unless_it_is_named(model: Path, client: httpx.Client) -> None:
    asking = {"Origin": "https://example.org"}
    answer = client.get("/v1/models", headers=asking)
    assert "access-control-allow-origin" not in answer.headers
    with running(model, cors=["https://example.org"]) as service:
        url = f"{service.url}/v1/models"
        allowed = httpx.get(url, headers=asking, trust_env=False)
        assert allowed.headers["access-control-allow-origin"] == "https://example.org"
        other = httpx.get(url, headers={"Origin": "https://example.com"}, trust_env=False)
        assert "access-control-allow-origin" not in other.headers


def test_keys(model: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first-key-of-two-keys\nsecond-key-of-two-keys\n")
    with (
        running(model, api_key_file=keys) as service,
        httpx.Client(base_url=service.url, trust_env=False) as client,
    ):
        for path in ("/v1/models", "/v2", "/v2/models/toy", "/metrics"):
            for sent in (None, "wrong", "first-key-of-two-keys2", "é"):
                headers = {} if sent is None else {b"Authorization": f"Bearer {sent}".encode()}
                answer = client.get(path, headers=headers)
                assert answer.status_code == 401, path
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            for key in keys.read_text().split():
                answer = client.get(path, headers={"Authorization": f"Bearer {key}"})
                assert answer.status_code == 200
        assert client.post("/v1/predict", files=form(("a", png()))).status_code == 401
        for path in ("/", "/docs", "/openapi.json", "/v2/health/ready", "/v2/health/live"):
            assert client.get(path).status_code == 200


def test_behind_a_proxy(model: Path) -> None:
    with running(model, root_path="/signs/") as service:
        assert service.url.endswith("/signs")
        host = service.url.removesuffix("/signs")
        # Some proxies take their own path away, and some leave it.
        for prefix in ("", "/signs"):
            assert httpx.get(f"{host}{prefix}/v1/models", trust_env=False).status_code == 200
            page = httpx.get(f"{host}{prefix}/", trust_env=False).text
            assert '<base href="/signs/">' in page
            docs = httpx.get(f"{host}{prefix}/docs", trust_env=False).text
            assert "'/signs/openapi.json'" in docs
            missing = httpx.get(f"{host}{prefix}/v2/models/none", trust_env=False)
            assert missing.json() == {"error": "no such model: there is toy"}
