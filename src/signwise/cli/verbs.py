"""The verbs: thin functions whose signatures are their command lines.

What a verb does is the Python function of the same name; it is imported when the verb runs.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

from signwise.cli.flags import in_flags
from signwise.config import PrepareConfig, TrainConfig
from signwise.results import Problem


def demo(
    *, out: Path = Path("demo"), seed: int = 0, threads: int | None = None, json: bool = False
) -> int:
    """Render signs, then prepare, train, evaluate, predict.

    Args:
        out: Folder to write; a demo that is there already is replaced.
        seed: Seed of the pictures, the split and the training.
        threads: CPU threads of the training; unless given, all cores.
        json: Print the result as one JSON document on standard output.
    """
    return _run(demo, json, lambda api: api.demo(out, seed=seed, threads=threads))


def synth(
    out: Path,
    /,
    *,
    per_class: int = 500,
    size: int = 64,
    seed: int = 0,
    classes: tuple[str, ...] = ("priority", "stop"),
    negatives: Path | None = None,
    json: bool = False,
) -> int:
    """Render sign photos into OUT/<class>/*.png, several frames a sign.

    Args:
        out: Folder to write.
        per_class: Pictures of each class.
        size: Side of the pictures in pixels.
        seed: The same seed renders the same pictures.
        classes: The designs to render, one folder each.
        negatives: Folder for pictures of none of the classes: other signs and scenes.
        json: Print the result as one JSON document on standard output.
    """
    return _run(
        synth,
        json,
        lambda api: api.synth(
            out,
            per_class=per_class,
            size=size,
            seed=seed,
            classes=classes,
            negatives=negatives,
        ),
    )


def download(
    dataset: Literal["gtsrb"],
    out: Path,
    /,
    *,
    classes: tuple[str, ...] = (),
    json: bool = False,
) -> int:
    """Fetch a public data set into OUT/train and OUT/test.

    Args:
        dataset: gtsrb, the German Traffic Sign Recognition Benchmark (about 360 MB).
        out: Folder to write; a download that is there already is replaced.
        classes: Numbers and folder names, as 12=priority 14=stop; all 43 unless given.
        json: Print the result as one JSON document on standard output.
    """
    return _run(download, json, lambda api: api.download(dataset, out, classes=classes))


def prepare(
    source: str,
    /,
    *,
    out: str,
    config: Path | None = None,  # noqa: ARG001 (cli reads it before, for the defaults)
    settings: PrepareConfig = PrepareConfig(),
    cluster: str | None = None,
    json: bool = False,
) -> int:
    """Scan a folder of photos, report on it, split it, cache it.

    Args:
        source: Class folders, or train/ val/ test/ of these, or a CSV; also s3:// and gs://.
        out: Folder to write, also s3:// and gs://; data that is there already is replaced.
        config: JSON file of settings; flags override it.
        cluster: A Ray cluster's address, or auto: the one that runs, else one of this machine.
        json: Print the result as one JSON document on standard output.
    """
    return _run(prepare, json, lambda api: api.prepare(source, out, settings, cluster=cluster))


def train(
    data: str,
    /,
    *,
    out: Path,
    config: Path | None = None,  # noqa: ARG001 (cli reads it before, for the defaults)
    settings: TrainConfig = TrainConfig(),
    resume: bool = False,
    json: bool = False,
) -> int:
    """Train on what prepare wrote, calibrate, and export model.onnx.

    Args:
        data: What prepare wrote; also s3:// and gs://.
        out: Run folder to write.
        config: JSON file of settings, or a run's config.json; flags override it.
        resume: Go on from the last checkpoint in the run folder.
        json: Print the result as one JSON document on standard output.
    """
    return _run(train, json, lambda api: api.train(data, out, settings, resume=resume))


def tune(
    data: str,
    /,
    *,
    out: Path,
    config: Path | None = None,  # noqa: ARG001 (cli reads it before, for the defaults)
    settings: TrainConfig = TrainConfig(),
    trials: int | None = None,
    space: Path | None = None,
    json: bool = False,
) -> int:
    """Search settings, and say whether the best beat the defaults.

    Args:
        data: What prepare wrote; its test pictures are never looked at.
        out: Study folder to write; a study there already is gone on with.
        config: JSON file of the defaults to search from; flags override it.
        trials: Most trials, the defaults among them; --time-limit may end the search before.
        space: JSON file of what to search, unless the usual settings.
        json: Print the result as one JSON document on standard output.
    """
    return _run(tune, json, lambda api: api.tune(data, out, settings, trials=trials, space=space))


def evaluate(
    model: str,
    /,
    *,
    data: str,
    split: Literal["train", "val", "test", "all"] = "test",
    unknown: str | None = None,
    corruptions: bool = False,
    device: Literal["cpu", "cuda"] = "cpu",
    cluster: str | None = None,
    out: str | None = None,
    json: bool = False,
) -> int:
    """Measure a model on labelled photos: true numbers, a report.

    Args:
        model: Run folder, model.onnx, what export wrote, or the name of one that ships.
        data: What prepare wrote, or a folder with one sub-folder a class; also s3:// and gs://.
        split: The pictures to measure on; a folder without splits is measured whole.
        unknown: Folder of pictures of no class, to count the wrongly accepted; also s3:// and gs://.
        corruptions: Also measure under 15 common corruptions at 5 severities each.
        device: Where the model runs; cuda wants onnxruntime-gpu.
        cluster: A Ray cluster's address, or auto: the one that runs, else one of this machine.
        out: Folder to write, unless into the run, also s3:// and gs://; its evaluation is replaced.
        json: Print the result as one JSON document on standard output.
    """
    return _run(
        evaluate,
        json,
        lambda api: api.evaluate(
            model,
            data,
            split=split,
            unknown=unknown,
            corruptions=corruptions,
            device=device,
            cluster=cluster,
            out=out,
        ),
    )


def predict(
    model: str,
    images: tuple[str, ...],
    /,
    *,
    out: str | None = None,
    threshold: float | None = None,
    batch_size: int | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    cluster: str | None = None,
    json: bool = False,
) -> int:
    """Answer one row a picture: its class, or `unknown`.

    Args:
        model: Run folder, model.onnx, what export wrote, or the name of one that ships.
        images: Pictures, folders, lists (.csv, .parquet), shards (.tar); also s3:// and gs://.
        out: File to write: .csv, .jsonl or .parquet; any other name is a folder of parts, which a
            second start goes on with. CSV on standard output unless given.
        threshold: Least `known` that is no `unknown`, unless the model's own.
        batch_size: Pictures in one pass through the network, unless by their size.
        device: Where the model runs; cuda wants onnxruntime-gpu.
        cluster: A Ray cluster's address, or auto: the one that runs, else one of this machine.
        json: Print the result as one JSON document on standard output.
    """
    stream = None if out or json else sys.stdout
    return _run(
        predict,
        json,
        lambda api: api.predict(
            model,
            images,
            out=out,
            threshold=threshold,
            batch_size=batch_size,
            device=device,
            cluster=cluster,
            stream=stream,
            keep_rows=json,
        ),
        shown=stream is None,
    )


def explain(
    model: str, images: tuple[str, ...], /, *, out: Path = Path("explain"), json: bool = False
) -> int:
    """Draw where the model looked: a heat map a picture.

    Args:
        model: Run folder, model.onnx, what export wrote, or the name of one that ships.
        images: Pictures, and folders of pictures.
        out: Folder to write; heat maps that are there already are replaced.
        json: Print the result as one JSON document on standard output.
    """
    return _run(explain, json, lambda api: api.explain(model, images, out=out))


def compare(
    models: tuple[str, ...],
    /,
    *,
    data: str | None = None,
    split: Literal["train", "val", "test", "all"] = "test",
    unknown: str | None = None,
    out: Path = Path("compare"),
    json: bool = False,
) -> int:
    """Say whether one model beats another, or whether it is chance.

    Args:
        models: Two or more: run folders, model files, names of models that ship.
        data: Pictures to measure each on, unless on what the runs' evaluations hold.
        split: Which of the pictures; a folder without splits is measured whole.
        unknown: Folder of pictures of no class, to measure each on as well.
        out: Folder to write; a comparison that is there already is replaced.
        json: Print the result as one JSON document on standard output.
    """
    return _run(
        compare,
        json,
        lambda api: api.compare(models, data, split=split, unknown=unknown, out=out),
    )


def serve(
    models: tuple[str, ...],
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    root_path: str = "",
    cors: tuple[str, ...] = (),
    api_key_file: Path | None = None,
    json: bool = False,
) -> int:
    """Answer over HTTP: an API for programs, a page for people.

    Args:
        models: Run folders, model.onnx files, or names of models that ship.
        host: The address to listen on; 0.0.0.0 is every one that this machine has.
        port: The port to listen on; 0 is any free one.
        root_path: Where a proxy puts the service, as /signs.
        cors: Origins whose pages may ask, as https://example.org; none unless given.
        api_key_file: File of keys, one a line, one of which a client must send.
        json: Print the result as one JSON document on standard output.
    """
    return _run(
        serve,
        json,
        lambda api: api.serve(
            models,
            host=host,
            port=port,
            root_path=root_path,
            cors=cors,
            api_key_file=api_key_file,
        ),
    )


def export(
    model: str,
    /,
    *,
    format: Literal["onnx-int8", "openvino", "torch", "triton"],
    out: Path,
    data: str | None = None,
    json: bool = False,
) -> int:
    """Write a model in another format, with a certificate.

    Args:
        model: Run folder, model.onnx, or the name of a model that ships.
        format: Where it shall run; what was written is run against model.onnx first.
        out: Folder to write; an export that is there already is replaced.
        data: What prepare wrote, for the pictures to compare on, unless the run's own.
        json: Print the result as one JSON document on standard output.
    """
    return _run(export, json, lambda api: api.export(model, format, out, data=data))


def models(*, json: bool = False) -> int:
    """List the models that ship, with their figures.

    Args:
        json: Print the result as one JSON document on standard output.
    """
    return _run(models, json, lambda api: api.models())


def cache(*, clear: bool = False, json: bool = False) -> int:
    """List what is kept between runs outside DATA and RUN.

    Args:
        clear: Remove it all: rendered pictures, downloads, prepared data that was fetched.
        json: Print the result as one JSON document on standard output.
    """
    return _run(cache, json, lambda api: api.cache(clear=clear))


VERBS: dict[str, Callable[..., int]] = {
    verb.__name__: verb
    for verb in (
        demo,
        synth,
        download,
        prepare,
        train,
        tune,
        evaluate,
        compare,
        predict,
        explain,
        serve,
        export,
        models,
        cache,
    )
}
"""Every verb by name; how its result looks is the function of the same name in `terminal`."""


class _Result(Protocol):
    """What every verb's Python function returns."""

    @property
    def problems(self) -> Sequence[Problem]: ...


def _run(
    verb: Callable[..., int],
    json: bool,
    call: Callable[[ModuleType], _Result],
    *,
    shown: bool = True,
) -> int:
    """Call the Python function and show on standard output what it returned; gives the status.

    Whatever is printed while it works goes to standard error: a failure leaves standard output
    empty, and with `json` it gets the document alone. Without `shown` the verb has written its rows
    already.
    """
    if (json or not shown) and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # rows and JSON are data, whatever the terminal is
    with contextlib.redirect_stdout(sys.stderr):
        import signwise

        result: Any = call(signwise)
    if getattr(result, "warnings", None):
        texts = [in_flags(text, verb) for text in result.warnings]
        result = dataclasses.replace(result, warnings=texts)
    if json:
        from signwise.results import json_document

        print(json_document(result))
    elif shown:
        from signwise.cli import terminal

        terminal.show(getattr(terminal, verb.__name__)(result), sys.stdout)
    sys.stdout.flush()
    return 1 if result.problems else 0
