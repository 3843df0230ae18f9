"""How good a model is: metrics.json, predictions.csv, plots and a report, from the very file."""

import warnings
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from signwise.cluster import spread
from signwise.config import dotted
from signwise.data.manifest import read_manifest, read_table
from signwise.data.unknown import LISTING, iter_unknown
from signwise.data.walk import Folder
from signwise.errors import SignwiseError
from signwise.evaluation.examples import pick_accepted, pick_mistakes, review_labels
from signwise.evaluation.label_errors import find_label_errors
from signwise.evaluation.measure import measure
from signwise.evaluation.outputs import (
    CONFUSION,
    METRICS,
    RELIABILITY,
    REPORT,
    keep_earlier,
    predictions_table,
    unknown_table,
    write_results,
)
from signwise.evaluation.pictures import (
    Answers,
    Pictures,
    PixelRows,
    UnknownAnswers,
    name_of,
    read_pictures,
)
from signwise.evaluation.robustness import measure_corruptions
from signwise.files import Json, printable_path, sha256_file, write_bytes, write_text
from signwise.folders import output_place, place_in
from signwise.inference.portable import build_scorer, portable_predictor
from signwise.inference.predictor import Predictor
from signwise.inference.session import Device
from signwise.metrics.detection import unknown_figures
from signwise.metrics.selective import risk_coverage
from signwise.metrics.thresholds import threshold_choices
from signwise.model_file.read import run_of
from signwise.opening import read_record
from signwise.parallel import on_cluster, working_on
from signwise.places import is_folder, located
from signwise.progress import track
from signwise.report.charts import reliability
from signwise.report.confusion_chart import draw_confusion_matrix
from signwise.report.evaluation_page import EvaluationPage, Origin, evaluation_page
from signwise.report.words import cautions
from signwise.results import (
    KNOWN_GROUPINGS,
    Epoch,
    Evaluation,
    Problem,
    RunConfig,
    read_history,
    to_json,
)

CHUNK = 4096
"""Pictures of 32 pixels that are scored at a time; of larger ones, as many as fill their memory."""
Split = Literal["train", "val", "test", "all"]


@dataclass(frozen=True, kw_only=True)
class EvaluateResult:
    """What a model was measured to be worth."""

    out: str | Path
    """Where it lies; in a store, as text."""
    counts: dict[str, int]
    """images, correct, wrong, refused (by the threshold), unreadable, skipped (files that are no
    pictures), unknown (of no class),
    flagged (labels)."""
    problems: list[Problem]
    """Pictures that could not be used."""
    evaluation: Evaluation

    @property
    def metrics(self) -> dict[str, Json]:
        """The content of metrics.json."""
        return self.evaluation.to_json()

    def to_json(self) -> dict[str, Json]:
        """The result as `--json` prints it."""
        fields = {k: to_json(value) for k, value in vars(self).items() if k != "evaluation"}
        return fields | {"metrics": self.metrics}


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    split: Split = "test",
    unknown: str | Path | None = None,
    corruptions: bool = False,
    device: Device = "cpu",
    cluster: str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
) -> EvaluateResult:
    """Measure a model on what `prepare` wrote, or on a folder with one sub-folder a class.

    What is measured is model.onnx itself. Writes metrics.json, predictions.csv,
    confusion_matrix.png, reliability.png and report.html into `out`, by default
    RUN/evaluation/<split or folder name>; flagged.csv, which `prepare --exclude` reads: of the
    pictures that the run was not trained on those whose label is likely wrong; and, given a folder
    of pictures of no class, `unknown`, predictions_unknown.csv. An evaluation of another model or
    of other pictures that `out` holds is kept below it, in `earlier`. `data`, `unknown` and `out`
    may lie in a store, as `s3://bucket/folder`. `device`: cpu or cuda. `cluster`: auto, or the
    address of a Ray cluster, whose workers read and score the labelled pictures. `seed`: of the
    bootstrap and the corruptions. Raises SignwiseError for a model or data that can't be used, for
    a class that the model does not know, and without `out` where the model is no run.
    """
    if split not in get_args(Split):
        raise SignwiseError(f"`split` must be train, val, test or all, not {split}")
    predictor = Predictor(model, device=device)
    run = run_of(model)
    unknown = None if unknown is None else located(unknown)
    if unknown is not None and not is_folder(unknown):
        raise SignwiseError(f"`unknown` {unknown} is no folder: give a folder of pictures")
    if out is None and run is None:
        raise SignwiseError(f"{model} is no run directory: say with `out` where to write")
    with (
        working_on(cluster),
        read_pictures(data, split, predictor) as pictures,
    ):
        place = run / "evaluation" / pictures.name if run is not None and out is None else out
        assert place is not None, "checked above"
        place = located(place)
        with output_place(place, "evaluation", last=METRICS, fetched=True) as folder:
            return _evaluate(
                predictor, run, pictures, folder, place, unknown=unknown, seed=seed,
                corruptions=corruptions,
            )  # fmt: skip


def _evaluate(
    predictor: Predictor,
    run: Path | None,
    pictures: Pictures,
    folder: Path,
    out: Folder,
    *,
    unknown: Folder | None,
    seed: int,
    corruptions: bool,
) -> EvaluateResult:
    """Write the evaluation into the folder, which its user knows as `out`."""
    answers = _answers(predictor, pictures.pixels)
    of_unknown = None if unknown is None else _unknown_answers(predictor, run, pictures, unknown)
    groups = list(pictures.table["group"])
    seen = _seen(run, pictures)
    evaluation = measure(
        pictures.labels,
        answers.probabilities,
        answers.known,
        classes=predictor.classes,
        threshold=predictor.threshold,
        groups=groups,
        grouping=pictures.grouping,
        seed=seed,
        data=pictures.name,
        split=pictures.split,
        data_sha256=pictures.data_sha256,
        model_sha256=sha256_file(predictor.path),
        unknown=None
        if of_unknown is None
        else unknown_figures(
            answers.known,
            of_unknown.known,
            predictor.threshold,
            folder=of_unknown.folder,
            seen_in_training=_unknown_seen_in_training(run, of_unknown),
        ),
        corruptions=measure_corruptions(
            predictor,
            pictures.labels,
            pictures.pixels,
            groups if pictures.grouping in KNOWN_GROUPINGS else None,
            seed,
        )
        if corruptions
        else None,
        seen_in_training=None if seen is None else int(seen.in_training.sum()),
        seen_in_validation=None if seen is None else int(seen.in_validation.sum()),
        groups_seen_in_training=None if seen is None else seen.groups,
    )
    flagged = None
    if seen is not None:
        flagged = find_label_errors(pictures, answers.probabilities, ~seen.in_training)
    problems = pictures.problems + ([] if of_unknown is None else of_unknown.problems)
    confusion_chart = draw_confusion_matrix(predictor.classes, evaluation.confusion_matrix)
    reliability_chart = reliability(evaluation.calibration.bins)
    right = answers.probabilities.argmax(axis=1) == pictures.labels
    page = EvaluationPage(
        evaluation=evaluation,
        confusion_chart=confusion_chart,
        reliability_chart=reliability_chart,
        risk_coverage=risk_coverage(answers.known, right),
        known=answers.known,
        known_of_unknown=None if of_unknown is None else of_unknown.known,
        thresholds=threshold_choices(
            answers.known,
            right,
            None if of_unknown is None else of_unknown.known,
            predictor.threshold,
        ),
        mistakes=pick_mistakes(predictor, pictures, answers),
        wrong=evaluation.n - evaluation.correct,
        review=review_labels(
            predictor, pictures, answers, flagged, evaluation.seen_in_training or 0
        ),
        accepted_unknown=[] if of_unknown is None else pick_accepted(predictor, of_unknown),
        history=_history(run),
        origin=_origin(predictor, run, problems),
    )
    content = evaluation_page(page)
    predictions = predictions_table(predictor, pictures, answers)
    earlier = keep_earlier(folder, evaluation, predictions)
    _warn(evaluation, None if earlier is None else place_in(out, folder, earlier))
    write_results(
        folder,
        evaluation,
        predictions,
        None if of_unknown is None else unknown_table(predictor, of_unknown),
        flagged,
    )
    write_bytes(folder / CONFUSION, confusion_chart)
    write_bytes(folder / RELIABILITY, reliability_chart)
    write_text(folder / REPORT, content)
    return EvaluateResult(
        out=out,
        counts={
            "images": evaluation.n,
            "correct": evaluation.correct,
            "wrong": page.wrong,
            "refused": evaluation.selective.rejected,
            "unreadable": len(problems),
            "skipped": pictures.skipped + (0 if of_unknown is None else of_unknown.skipped),
            "unknown": 0 if of_unknown is None else len(of_unknown.known),
            "flagged": 0 if flagged is None else len(flagged),
        },
        problems=problems,
        evaluation=evaluation,
    )


def _warn(evaluation: Evaluation, earlier: Folder | None) -> None:
    """Say what a reader of the figures must know, and where an earlier evaluation is."""
    texts = cautions(evaluation)
    if earlier is not None:
        texts.append(
            f"{printable_path(earlier)} holds an earlier evaluation now, of another model or of"
            " other pictures"
        )
    for text in texts:
        warnings.warn(text, stacklevel=4)


def _run_config(run: Path | None) -> RunConfig | None:
    config = None if run is None else run / "config.json"
    return read_record(config, RunConfig) if config is not None and config.is_file() else None


def _answers(predictor: Predictor, pixels: PixelRows) -> Answers:
    probabilities, known = [], []
    chunk = max(1, CHUNK * 32**2 // max(predictor.image_size, 32) ** 2)
    parts = (pixels[start : start + chunk] for start in range(0, len(pixels), chunk))
    if on_cluster():
        answers = spread(
            partial(build_scorer, portable_predictor(predictor)),
            parts,
            gpu=predictor.device == "cuda",
            ordered=True,
        )
    else:
        answers = map(predictor.scores, parts)
    with track("Evaluate", len(pixels)) as advance:
        for first, second in answers:
            probabilities.append(first)
            known.append(second)
            advance(len(second))
    found = Answers(probabilities=np.concatenate(probabilities), known=np.concatenate(known))
    if not (np.isfinite(found.probabilities).all() and np.isfinite(found.known).all()):
        raise SignwiseError(f"{predictor.path} gives answers that are no numbers: train again")
    return found


def _unknown_answers(
    predictor: Predictor, run: Path | None, pictures: Pictures, folder: Folder
) -> UnknownAnswers:
    """The answers to the pictures of the folder, but those that are, byte for byte, of the classes.

    In bounded memory, since there may be many.
    """
    labels_by_sha256 = dict(pictures.labels_by_sha256)
    if run is not None:
        manifest = read_manifest(run / "manifest.csv", ("sha256", "label"))
        labels_by_sha256 |= dict(zip(manifest["sha256"], manifest["label"], strict=True))
    problems: list[Problem] = []
    paths, hashes, probabilities, known = [], [], [], []
    skipped: Counter[str] = Counter()
    found = iter_unknown(
        folder,
        predictor.image_size,
        labels_by_sha256,
        problems,
        crop=predictor.crop,
        skipped=skipped,
    )
    while batch := list(islice(found, predictor.batch_size)):
        paths += [picture.path for picture in batch]
        hashes += [picture.sha256 for picture in batch]
        first, second = predictor.scores(np.stack([picture.pixels for picture in batch]))
        probabilities.append(first)
        known.append(second)
    return UnknownAnswers(
        folder=printable_path(name_of(folder)),
        paths=paths,
        sha256=hashes,
        probabilities=np.concatenate(probabilities),
        known=np.concatenate(known),
        problems=problems,
        skipped=skipped.total(),
    )


def _unknown_seen_in_training(run: Path | None, unknown: UnknownAnswers) -> int | None:
    """How many were, byte for byte, trained against; None without a run to ask."""
    if run is None:
        return None
    listing = run / LISTING
    trained = set(read_table(listing, ["sha256"])["sha256"]) if listing.is_file() else set()
    return sum(sha256 in trained for sha256 in unknown.sha256)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What a run knows of the pictures that it is measured on."""

    in_training: NDArray[np.bool_]
    """(N,), which of the pictures were trained on, byte for byte."""
    in_validation: NDArray[np.bool_]
    """(N,), which of the pictures the run was chosen on, byte for byte."""
    groups: int | None
    """Of how many of the other pictures' groups; None where it can't be known: names of groups mean
    something in their data alone."""


def _seen(run: Path | None, pictures: Pictures) -> _Seen | None:
    """What the run was trained and chosen on; None without a run to ask."""
    if run is None:
        return None
    manifest = read_manifest(run / "manifest.csv", ("sha256", "group", "split", "problem"))
    usable = manifest[manifest["problem"] == ""]
    trained, chosen = (usable[usable["split"] == split] for split in ("train", "val"))
    table = pictures.table
    in_training, in_validation = (
        table["sha256"].isin(set(rows["sha256"])).to_numpy() for rows in (trained, chosen)
    )
    config = _run_config(run)
    same = config is not None and config.data_sha256 == pictures.data_sha256
    groups = None
    if same and pictures.grouping in KNOWN_GROUPINGS:
        groups = len(set(table["group"][~in_training]) & set(trained["group"]))
    return _Seen(in_training=in_training, in_validation=in_validation, groups=groups)


def _history(run: Path | None) -> list[Epoch]:
    file = None if run is None else run / "history.csv"
    return read_history(file) if file is not None and file.is_file() else []


def _origin(predictor: Predictor, run: Path | None, problems: list[Problem]) -> Origin:
    record, config = predictor.record, _run_config(run)
    return Origin(
        model=str(predictor.path.absolute()),
        image_size=predictor.image_size,
        resize=record.resize,
        temperature=record.temperature,
        trained_on=record.data_sha256,
        signwise_version=record.signwise_version,
        settings={} if config is None else dotted(config.settings),
        versions={} if config is None else config.versions,
        problems=problems,
    )
