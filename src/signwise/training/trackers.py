"""Three thin adapters, to Weights & Biases, TensorBoard and MLflow."""

import io
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from signwise.files import Json, real_path, write_json
from signwise.opening import read_record
from signwise.report.confusion_chart import draw_confusion_matrix
from signwise.results import Epoch
from signwise.training.tracking import Adapter, Outcome

PROJECT = "signwise"
IDENTITY = "tracking.json"
"""In the run's folder: the tracker's name of the run, so that resuming goes on in it."""
WANDB_INIT_SECONDS = 20


class WandbAdapter:
    """A run of Weights & Biases; its offline files lie in the run's folder."""

    def __init__(self, out: Path, settings: dict[str, Json]) -> None:
        import wandb

        offline = os.environ.get("WANDB_MODE", "online") in ("offline", "dryrun", "disabled")
        # Without an account wandb would ask for one in the terminal, and wait.
        if not (offline or wandb.login(prompt=False)):
            raise RuntimeError("no account: run wandb login, or set WANDB_MODE=offline")
        self._wandb = wandb
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=os.environ.get("WANDB_NAME", real_path(out).name),
            id=_identity(out, "wandb"),
            resume="allow",
            dir=out,
            config=settings,
            settings=wandb.Settings(silent=True, console="off", init_timeout=WANDB_INIT_SECONDS),
        )
        _remember(out, "wandb", self._run.id)

    def epoch(self, row: Epoch) -> None:
        """One step of the history."""
        self._run.log(row.to_json(), step=row.epoch)

    def finish(self, outcome: Outcome) -> None:
        """Chart, table and figures; if asked, pictures of mistakes and, an artifact, the model."""
        wandb, run = self._wandb, self._run
        chart = Image.open(io.BytesIO(_chart(outcome)))
        table = wandb.Table(
            columns=["true", *outcome.classes],
            data=[
                [name, *counts]
                for name, counts in zip(outcome.classes, outcome.confusion.tolist(), strict=True)
            ],
        )
        shown = {"confusion_matrix": wandb.Image(chart), "confusion_counts": table}
        mistakes = [wandb.Image(pixels, caption=caption) for pixels, caption in outcome.mistakes]
        run.log(shown | ({"mistakes": mistakes} if mistakes else {}))
        run.summary.update(dict(outcome.figures))
        if outcome.model is not None:
            artifact = wandb.Artifact(f"model-{run.id}", type="model")
            artifact.add_file(str(outcome.model), name="model.onnx")
            run.log_artifact(artifact)
        run.finish()


class TensorboardAdapter:
    """Event files in the folder `tensorboard` of the run; if asked, with model.onnx beside them."""

    def __init__(self, out: Path, settings: dict[str, Json]) -> None:
        self._folder = out / "tensorboard"
        self._settings = settings
        self._epoch = 0
        self._is_first = True
        self._begun = any(self._folder.glob("events.*"))
        self._writer = self._open(purge_step=None)

    def _open(self, purge_step: int | None) -> Any:
        from torch.utils.tensorboard.writer import SummaryWriter

        return SummaryWriter(str(self._folder), purge_step=purge_step)

    def _text(self, tag: str, content: Any) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        self._writer.add_text(tag, f"```json\n{text}\n```", self._epoch)

    def epoch(self, row: Epoch) -> None:
        """One point on each curve; what a killed run wrote from this epoch on is taken back."""
        self._epoch = row.epoch
        if self._is_first:
            self._is_first = False
            if self._begun:
                self._writer.close()
                self._writer = self._open(purge_step=row.epoch)
            self._text("settings", self._settings)
        for name, value in row.to_json().items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(name, value, self._epoch)
        self._writer.flush()

    def finish(self, outcome: Outcome) -> None:
        """Chart, figures and the hyper-parameters beside them; if asked, mistakes and model."""
        chart = np.asarray(Image.open(io.BytesIO(_chart(outcome))).convert("RGB"))
        self._writer.add_image("confusion_matrix", chart, self._epoch, dataformats="HWC")
        for number, (pixels, caption) in enumerate(outcome.mistakes, 1):
            tag = f"mistakes/{number} {caption}"
            self._writer.add_image(tag, pixels, self._epoch, dataformats="HWC")
        self._text("figures", dict(outcome.figures))
        shown = {
            name: value if isinstance(value, (bool, int, float, str)) else str(value)
            for name, value in self._settings.items()
        }
        self._writer.add_hparams(shown, dict(outcome.figures), run_name=".")
        self._writer.close()
        if outcome.model is not None:
            shutil.copyfile(outcome.model, self._folder / outcome.model.name)


class MlflowAdapter:
    """A run in the experiment `signwise` of the store that MLFLOW_TRACKING_URI names."""

    def __init__(self, out: Path, settings: dict[str, Json]) -> None:
        import mlflow

        self._mlflow = mlflow
        self._client = mlflow.MlflowClient()
        known = _identity(out, "mlflow")
        if known is None:
            self._run = self._create(real_path(out).name, settings)
        else:
            self._run = known
            self._client.update_run(known, status="RUNNING")
        _remember(out, "mlflow", self._run)

    def _create(self, run_name: str, settings: Mapping[str, Json]) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self._client.get_experiment_by_name(name)
        experiment = self._client.create_experiment(name) if found is None else found.experiment_id
        run = self._client.create_run(experiment, run_name=run_name).info.run_id
        for key, value in settings.items():
            self._client.log_param(run, key, value)
        return str(run)

    def epoch(self, row: Epoch) -> None:
        """One point of each metric."""
        for name, value in row.to_json().items():
            if value is None:
                continue
            self._client.log_metric(self._run, name, value, step=row.epoch)

    def finish(self, outcome: Outcome) -> None:
        """Figures as metrics, chart and table as artifacts; if asked, mistakes and model too."""
        client, run = self._client, self._run
        for name, value in outcome.figures.items():
            client.log_metric(run, name, value)
        client.log_image(run, Image.open(io.BytesIO(_chart(outcome))), "confusion_matrix.png")
        counts = {"classes": list(outcome.classes), "counts": outcome.confusion.tolist()}
        client.log_dict(run, counts, "confusion_matrix.json")
        for number, (pixels, _) in enumerate(outcome.mistakes, 1):
            client.log_image(run, pixels, f"mistakes/{number:02d}.png")
        if outcome.mistakes:
            texts = [text for _, text in outcome.mistakes]
            client.log_dict(run, {"mistakes": texts}, "mistakes.json")
        if outcome.model is not None:
            client.log_artifact(run, str(outcome.model))
        client.set_terminated(run)


ADAPTERS: dict[str, Callable[[Path, dict[str, Json]], Adapter]] = {
    "wandb": WandbAdapter,
    "tensorboard": TensorboardAdapter,
    "mlflow": MlflowAdapter,
}


def _chart(outcome: Outcome) -> bytes:
    return draw_confusion_matrix(outcome.classes, outcome.confusion)


@dataclass(frozen=True)
class _Identity:
    tracker: str
    id: str


def _identity(out: Path, tracker: str) -> str | None:
    file = out / IDENTITY
    if not file.is_file():
        return None
    found = read_record(file, _Identity)
    return found.id if found.tracker == tracker else None


def _remember(out: Path, tracker: str, identity: str) -> None:
    write_json(out / IDENTITY, {"tracker": tracker, "id": identity})
