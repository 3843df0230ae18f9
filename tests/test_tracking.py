"""Trackers, against the real libraries, reading back what they wrote; and trackers that fail."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signwise.config import TrainConfig, dotted
from signwise.errors import SignwiseError
from signwise.model_file.record import MeasuredSet, ModelFigures
from signwise.results import Epoch
from signwise.training import trackers, tracking
from signwise.training.tracking import Outcome, make_outcome, open_tracker
from wandb_file import wandb_records

CLASSES = ("priority", "straße mit ü")
HISTORY = [
    Epoch(
        epoch=epoch,
        learning_rate=0.05 / epoch if epoch else None,
        train_loss=1 / (epoch + 1),
        train_accuracy=1 - 0.1 / (epoch + 1),
        val_loss=2 / (epoch + 1),
        val_accuracy=1 - 0.2 / (epoch + 1),
        seconds=1.5,
    )
    for epoch in range(4)
]
"""Stage one, which has no learning rate, and three epochs."""
ROWS = [row.to_json() for row in HISTORY]
NESTED = TrainConfig(epochs=3, freeze=True).to_json()
SETTINGS = dotted(NESTED)
FIGURES = ModelFigures(
    validation=MeasuredSet(n=3, correct=2, accuracy=2 / 3, accuracy_ci95=(0.2, 0.9), refused=0),
    notes=("a",),
)
FLAT = {
    "validation/n": 3,
    "validation/correct": 2,
    "validation/accuracy": 2 / 3,
    "validation/accuracy_ci95_low": 0.2,
    "validation/accuracy_ci95_high": 0.9,
    "validation/refused": 0,
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"the model" * 1000)
    return folder


@pytest.fixture
def outcome(run: Path) -> Outcome:
    logits = np.array([[5.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    labels = np.array([0, 1, 1])
    return make_outcome(FIGURES, CLASSES, labels, logits, pixels, run / "model.onnx")


def points_of(name: str) -> list[tuple[float | None, float]]:
    """What a tracker has of a column: stage one has no learning rate."""
    found = [(row["epoch"], row[name]) for row in ROWS]
    return [(step, value) for step, value in found if value is not None]


def record(name: str, run: Path, outcome: Outcome, rows: Sequence[Epoch] = HISTORY) -> None:
    tracker = open_tracker(name, run, NESTED)
    for row in rows:
        tracker.epoch(row)
    assert tracker.finish(lambda: outcome) == []


def test_outcome_has_the_figures_and_the_mistakes(outcome: Outcome) -> None:
    assert outcome.figures == FLAT
    assert outcome.confusion.tolist() == [[1, 0], [1, 1]]
    assert [text for _, text in outcome.mistakes] == ["straße mit ü taken for priority"]


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_tensorboard(run: Path, outcome: Outcome) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    record("tensorboard", run, outcome)
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    for name in ROWS[0].keys() - {"epoch"}:
        points = [(point.step, point.value) for point in events.Scalars(name)]
        assert points == [(step, pytest.approx(value)) for step, value in points_of(name)]
    for name, value in FLAT.items():
        assert events.Scalars(name)[0].value == pytest.approx(value)
    text = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert json.loads(text.removeprefix("```json").removesuffix("```")) == SETTINGS
    data = plugin_data_pb2.HParamsPluginData.FromString(
        events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    assert set(data.session_start_info.hparams) == set(SETTINGS)
    assert data.session_start_info.hparams["epochs"].number_value == 3
    assert events.Images("confusion_matrix")[0].width > 300
    assert [tag for tag in events.Tags()["images"] if tag.startswith("mistakes/")]
    assert (run / "tensorboard" / "model.onnx").read_bytes() == outcome.model.read_bytes()


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("first", [0, 1, 2])
def test_tensorboard_after_a_kill_has_each_epoch_once(
    run: Path, outcome: Outcome, first: int
) -> None:
    """Where the run goes on with this epoch, which it had logged and not kept."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    killed = trackers.TensorboardAdapter(run, SETTINGS)
    for row in HISTORY[: first + 1]:
        killed.epoch(row)
    record("tensorboard", run, outcome, HISTORY[first:])
    points = EventAccumulator(str(run / "tensorboard")).Reload().Scalars("val_loss")
    assert [point.step for point in points] == [0, 1, 2, 3]
    killed._writer.close()


@pytest.fixture
def mlflow_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("mlflow_store")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mlflow(run: Path, outcome: Outcome) -> None:
    from mlflow import MlflowClient

    record("mlflow", run, outcome, HISTORY[:2])
    record("mlflow", run, outcome, HISTORY[2:])  # resumed: the same run goes on
    client = MlflowClient()
    experiment = client.get_experiment_by_name("signwise")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "my run"
    assert found.info.status == "FINISHED"
    assert found.data.params == {name: str(value) for name, value in SETTINGS.items()}
    for name in ROWS[0]:
        points = client.get_metric_history(found.info.run_id, name)
        assert [(p.step, p.value) for p in points] == points_of(name)
    for name, value in FLAT.items():
        assert found.data.metrics[name] == value
    files = {file.path for file in client.list_artifacts(found.info.run_id)}
    wanted = {"model.onnx", "confusion_matrix.png", "confusion_matrix.json", "mistakes"}
    assert files == wanted | {"mistakes.json"}
    local = client.download_artifacts(found.info.run_id, "model.onnx", str(run.parent))
    assert Path(local).read_bytes() == outcome.model.read_bytes()


@pytest.fixture
def wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


@pytest.mark.usefixtures("wandb_offline")
def test_wandb_offline(run: Path, outcome: Outcome) -> None:
    record("wandb", run, outcome)
    (file,) = (run / "wandb").glob("offline-run-*/run-*.wandb")
    settings: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    artifacts = []
    for found in wandb_records(file):
        kind = found.WhichOneof("record_type")
        if kind == "run":
            assert found.run.project == "signwise"
            items = found.run.config.update
            settings |= {item.key: json.loads(item.value_json) for item in items}
        elif kind == "history":
            items = found.history.item
            keys = {"/".join(item.nested_key) or item.key: item.value_json for item in items}
            history.append({key: json.loads(value) for key, value in keys.items()})
        elif kind == "summary":
            items = found.summary.update
            keys = {".".join(item.nested_key) or item.key: item.value_json for item in items}
            summary |= {key: json.loads(value) for key, value in keys.items()}
        elif kind == "artifact":
            artifacts.append(found.artifact)
    assert settings.items() >= SETTINGS.items()
    rows = [{key: row[key] for key in ROWS[0]} for row in history]
    assert rows == ROWS
    assert {"confusion_matrix", "confusion_counts", "mistakes"} <= {
        key.split("/")[0] for key in history[-1]
    }
    assert summary.items() >= FLAT.items()
    (model,) = [artifact for artifact in artifacts if artifact.type == "model"]
    (entry,) = model.manifest.contents
    assert entry.path == "model.onnx"
    assert entry.size == outcome.model.stat().st_size


@pytest.mark.usefixtures("wandb_offline")
def test_wandb_without_an_account_is_one_warning(
    run: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(run))
    monkeypatch.setenv("NETRC", str(run / "netrc"))
    tracker = open_tracker("wandb", run, NESTED)
    tracker.epoch(HISTORY[0])
    (warning,) = tracker.finish(lambda: outcome)
    assert warning.startswith("`track` wandb failed: ")
    assert "WANDB_MODE=offline" in warning


class Failing:
    """An adapter that does what a test tells it to."""

    def __init__(self, where: str, what: Callable[[], None]) -> None:
        self.where, self.what = where, what
        self.at("start")

    def at(self, where: str) -> None:
        if where == self.where:
            self.what()

    def epoch(self, row: Epoch) -> None:
        self.at(f"epoch {row.epoch}")

    def finish(self, outcome: Outcome) -> None:
        assert outcome
        self.at("finish")


def fail() -> None:
    raise ConnectionError("the network\nis down")


@pytest.mark.parametrize("where", ["start", "epoch 1", "epoch 2", "finish"])
def test_failure_is_one_warning(where: str, outcome: Outcome) -> None:
    tracker = tracking.Tracker("wandb", lambda: Failing(where, fail))
    for row in HISTORY:
        tracker.epoch(row)
    wanted = ["`track` wandb failed: ConnectionError: the network is down"]
    assert tracker.finish(lambda: outcome) == wanted


@pytest.mark.parametrize("where", ["start", "epoch 1", "epoch 2", "finish"])
def test_waiting_for_a_network_does_not_slow_the_run(
    where: str, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends while the tracker still waits; with time for the last call, or with none."""
    answer = threading.Event()
    last = where == "finish"
    monkeypatch.setattr(tracking, "FINISH_SECONDS", 0.2 if last else 1e6)
    monkeypatch.setattr(tracking, "STUCK_SECONDS", 1e6 if last else 0.05)
    tracker = tracking.Tracker("wandb", lambda: Failing(where, lambda: assert_waits(answer)))
    for row in HISTORY:
        tracker.epoch(row)
    assert tracker.finish(lambda: outcome) == ["`track` wandb failed: it did not answer in time"]
    answer.set()


def assert_waits(answer: threading.Event) -> None:
    assert answer.wait(60), "the run waited for the tracker"


def test_the_last_call_may_take_longer_than_the_others(
    outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of the test's own, and a run that has looked at it once since it jumped."""
    clock = [0.0]
    looked = threading.Event()
    join = threading.Thread.join

    def note(thread: threading.Thread, timeout: float | None = None) -> None:
        if clock[0] > 0:
            looked.set()
        join(thread, timeout)

    def take_long() -> None:
        clock[0] = tracking.STUCK_SECONDS + 1
        assert_waits(looked)

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(threading.Thread, "join", note)
    tracker = tracking.Tracker("wandb", lambda: Failing("finish", take_long))
    assert tracker.finish(lambda: outcome) == []


def test_an_interrupt_of_a_tracker_is_a_failure_too(outcome: Outcome) -> None:
    def leave() -> None:
        raise SystemExit(3)

    tracker = tracking.Tracker("mlflow", lambda: Failing("epoch 0", leave))
    tracker.epoch(HISTORY[0])
    assert tracker.finish(lambda: outcome) == ["`track` mlflow failed: SystemExit: 3"]


def test_none_does_nothing(run: Path) -> None:
    tracker = open_tracker("none", run, NESTED)
    tracker.epoch(HISTORY[0])
    assert tracker.finish(pytest.fail) == []


@pytest.mark.parametrize("name", tracking.EXTRAS)
def test_what_is_not_installed_is_said_before_training(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(SignwiseError, match=rf"pip install 'signwise\[{name}\]'"):
        tracking.require_tracker(name)


def test_nothing_is_imported_unless_asked_for() -> None:
    code = "import sys, signwise.training.train; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"wandb", "mlflow", "tensorboard"} & set(done.stdout.split())
