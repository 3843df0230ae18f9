"""docs/benchmarks.md, out of bench/results/ and of the models that ship: `python bench/tables.py`.

`--save` of a benchmark leaves a file in bench/results/, and this writes the page anew, with the
newest of each benchmark. Files with `recorded_from` were copied from an older text, which the page
says. What the models that ship measured
of themselves stands in their own files; their rows of README.md are written from there too, so that
it says what `signwise models` says.
"""

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import peer_tables
import record
from predict import INFERENCE
from record import Record
from scale import MOST_EXPONENT, MOST_MEMORY, ScaleRow, exponents
from signwise.files import write_bytes, write_text
from signwise.model_file.read import read_model, shipped_models
from signwise.report.words import DASH, LEVEL, UNIT, between, counted, number, percent, score
from transfer import Means, TransferRow, means_of
from transfer_peers import FASTAI_EPOCHS, TUTORIAL_EPOCHS
from unknown import DEFAULT, PLAIN, REAL, UnknownRow

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
README = Path(__file__).parents[1] / "README.md"
SPEED = ("default", "predict", "startup", "overhead", "train", "corruptions", "images")
"""The benchmarks of time, in the order of their table."""
COLUMNS = ("result", "what", "measured", "n", "when and where", "how")
AGAINST = {PLAIN: "nothing (the plain recipe)", DEFAULT: "rendered pictures (the default)"}

INTRODUCTION = """# Benchmarks

What signwise has been measured at. `python bench/tables.py` makes this page out of `bench/results/`
and the models that ship. It shows the newest run of each benchmark, with its machine, its date and
its n; the command in the last column measures it again, and keeps the result with `--save`. Results
from before there were such files were copied from the README of that day, as the line below their
table says. What is measured on real signs is measured on tracks, that is physical signs, that were
not trained on. What was tried and failed stands in LOG.md."""
ELSEWHERE = ("unknown", "transfer", "peers", "scale")
"""What has a section or a page of its own."""


def page(records: Sequence[Record]) -> str:
    """The whole page, Markdown."""
    by_name = {one.name: one for one in records}
    speed = [one for bench in SPEED for one in records if one.bench == bench]
    rest = [one for one in records if one.bench not in (*SPEED, *ELSEWHERE)]
    return "\n\n".join(
        (
            INTRODUCTION,
            "## Models that ship",
            shipped_table(by_name),
            "`recipes/ship.py` measured each file itself on its held-out tracks, and the file says"
            " so (`signwise models`). Intervals are 95 % intervals. By sign is the honest one:"
            " pictures of one sign are alike. Its pictures of no class are named in its card.",
            "## Unknown, from scratch",
            unknown_table(by_name["unknown"]),
            *transfer_section(by_name.get("transfer")),
            *peers_section(by_name.get("peers")),
            "## Speed",
            figures_table(speed),
            *scale_section(by_name.get("scale")),
            "## Everything else",
            figures_table(rest),
        )
    )


def shipped_table(by_name: dict[str, Record]) -> str:
    """What ships: a row a model."""
    rows = []
    for name, path in shipped_models().items():
        model = read_model(path)
        held = model.record.figures.held_out
        assert held is not None
        assert held.unknown is not None
        fast = by_name.get(f"predict-{name}")
        speed = [f for f in fast.figures if f.what == INFERENCE] if fast else []
        rows.append(
            (
                f"`{name}`",
                f"{counted(held.correct, held.n)}, {percent(held.accuracy)}",
                between(held.accuracy_ci95),
                f"{between(held.accuracy_ci95_grouped)} ({held.signs} signs)",
                str(held.refused),
                f"{counted(held.unknown.accepted, held.unknown.n)} ({held.unknown.source})",
                f"{len(model.content) / 1e6:.1f} MB",
                f"{speed[0].in_words()}, {fast.date}" if fast and speed else DASH,
            )
        )
    heads = ("model", "right", "by picture", "by sign", "rejected", "wrongly accepted")
    return table((*heads, "size", "inference alone"), rows)


def with_shipped(readme: str) -> str:
    """README.md with the rows of the models that ship as their files have them."""
    for name, path in shipped_models().items():
        record_of = read_model(path).record
        held = record_of.figures.held_out
        assert held is not None
        assert held.unknown is not None
        cells = (
            f"`{name}`, {len(record_of.classes)} classes",
            f"{held.n:,} ({held.signs})",
            f"{percent(held.accuracy)} ({LEVEL} {between(held.accuracy_ci95)} by picture,"
            f" {between(held.accuracy_ci95_grouped)} by sign)",
            f"{counted(held.unknown.accepted, held.unknown.n)}, {held.unknown.source}",
        )
        row = f"| {' | '.join(cells)} |".replace(UNIT, " %")
        lines = re.findall(rf"^\| `{name}`.*$", readme, flags=re.MULTILINE)
        assert len(lines) == 1, f"README.md has one row of {name}"
        readme = readme.replace(lines[0], row)
    return readme


def unknown_table(measured: Record) -> str:
    """What training against negatives gives: a row a run, and the means of the recipes."""
    rows = [
        (
            AGAINST.get(row.recipe, f"rendered pictures and {row.recipe}"),
            "mean" if row.seed is None else f"seed {row.seed}",
            f"{row.correct:,.10g} of {row.n:,}",
            f"{row.rejected:,.10g}",
            f"{row.unknown:,}",
            score(row.auroc),
            f"{row.fpr_at_95_tpr:.4f}",
            percent(row.acceptance),
            score(row.corruptions),
            number(row.ece),
        )
        for row in record.rows_of(measured, UnknownRow)
    ]
    heads = ["trained against", "run", "right", "rejected", "pictures of no class", "AUROC"]
    heads += ["FPR at 95 % TPR", "wrongly accepted", "corruptions", "ECE"]
    perfect = [
        f"With {counted(int(row.correct), row.n)} right the interval is"
        f" {between(row.accuracy_ci95)} by picture, {between(row.accuracy_ci95_grouped)} by sign."
        for row in record.rows_of(measured, UnknownRow)
        if row.correct == row.n and row.accuracy_ci95 is not None
    ]
    also = [f"{one.what[:1].upper()}{one.what[1:]}: {one.in_words()}." for one in measured.figures]
    text = (
        "`prepare`, `train --weights none` and `evaluate --unknown --corruptions` on `priority` and"
        " `stop`. The pictures of no class are those of GTSRB's other 41 classes. None was trained"
        f" against but in the rows with {REAL}, which are measured on the 21 others; the recipe was"
        " chosen with all of them in sight (LOG.md). Corruptions: the mean accuracy over 75 cells."
    )
    return f"{table(heads, rows)}\n\n{' '.join([text, *perfect[:1], *also, origin(measured)])}"


def transfer_section(measured: Record | None) -> tuple[str, ...]:
    """What signwise and others make of pre-trained weights; nothing where it is not measured."""
    if measured is None:
        return ()
    found = record.rows_of(measured, TransferRow)
    rows = [
        (
            row.set,
            row.method,
            percent(row.accuracy),
            between(row.accuracy_ci95),
            f"{row.correct:,} of {row.n:,}",
            f"{row.loss:.3f}",
            f"{row.ece:.3f}",
            *_spent(row),
        )
        for row in found
    ]
    rows += [
        (
            f"mean of {mean.sets} sets",
            mean.method,
            percent(mean.accuracy),
            DASH,
            DASH,
            f"{mean.loss:.3f}",
            f"{mean.ece:.3f}",
            *_spent(mean),
        )
        for mean in means_of(found)
    ]
    heads = ["set and side", "method", "accuracy", "95 % interval", "right", "log loss", "ECE"]
    heads += ["seconds", "CPU seconds"]
    text = (
        "Everybody gets the same pictures to train on, to validate on and to test on, and the same"
        " weights: ImageNet's of torchvision's `mobilenet_v2`, or `signs` for its ResNet-18."
        " signwise: `prepare`, `train` and `evaluate` with defaults, trained against rendered"
        " pictures besides. tutorial: PyTorch's tutorial of transfer learning,"
        f" {TUTORIAL_EPOCHS} epochs. logistic: scikit-learn's logistic regression on frozen"
        f" features. fastai: `fine_tune({FASTAI_EPOCHS})`. Seeds are splits by students and"
        " by tracks; ants and bees test the same 153 pictures each time, which count once in the"
        " interval. `signs` has seen frames of these road signs. Seconds are of whole commands,"
        " nothing kept from before."
    )
    last = f"{text} {origin(measured)} `{measured.name}`: {measured.n:,} {measured.counted}."
    return ("## Transfer", table(heads, rows), last)


def _spent(measured: TransferRow | Means) -> tuple[str, str]:
    """Seconds and CPU seconds, with the GPU if there was one."""
    where = f" ({measured.gpu})" if measured.gpu else ""
    return f"{measured.seconds:.0f}{where}", f"{measured.cpu_seconds:.0f}{where}"


def peers_section(measured: Record | None) -> tuple[str, ...]:
    """signwise beside other tools; nothing where it is not measured."""
    if measured is None:
        return ()
    figures = "; ".join(f"{one.what}: {one.in_words()}" for one in measured.figures)
    last = (
        f"signwise to the best of the others, above 1 where signwise is ahead. {figures}."
        f" {origin(measured)} `{measured.name}`: {measured.n:,} {measured.counted}."
    )
    return (*peer_tables.section(measured), last)


def scale_section(measured: Record | None) -> tuple[str, ...]:
    """What each part takes of the largest set that it ran on; nothing where it is not measured."""
    if measured is None:
        return ()
    found = record.rows_of(measured, ScaleRow)
    slopes = exponents(found)
    rows = []
    for part in dict.fromkeys(row.part for row in found):
        row = max((r for r in found if r.part == part and not r.step), key=lambda r: r.n)
        slope = slopes.get((part, ""))
        rows.append(
            (
                part,
                f"{row.n:,}",
                f"{row.cpu:,.10g}",
                f"{row.seconds:,.10g}",
                f"{row.memory / 1e6:,.0f}",
                DASH if slope is None else f"{slope:.2f}",
            )
        )
    heads = ("part", "pictures", "CPU seconds", "seconds", "peak MB", "exponent")
    text = (
        "Each part on the largest set that it ran on; [how it grows](scale.md) has all sizes and"
        f" steps. The goals: an exponent of at most {MOST_EXPONENT}, and"
        f" {MOST_MEMORY / 1e6:,.0f} MB at a million."
    )
    return ("## Growth", table(heads, rows), f"{text} `{measured.name}`: {origin(measured)}")


def figures_table(records: Sequence[Record]) -> str:
    """A row a figure; what holds for all figures of a benchmark stands in its first."""
    rows = [
        (
            f"`{one.name}`" if first else "",
            figure.what,
            figure.in_words(),
            f"{one.n:,} {one.counted}" if first else "",
            f"{one.date}, {one.machine.in_words()}" if first else "",
            f"`{one.how}`" if first else "",
        )
        for one in records
        for first, figure in ((figure is one.figures[0], figure) for figure in one.figures)
    ]
    return table(COLUMNS, rows) + copied(records)


def origin(one: Record) -> str:
    """When, where and how it was measured."""
    return f"{one.date}, {one.machine.in_words()}, `{one.how}`.{copied([one])}"


def copied(records: Iterable[Record]) -> str:
    """What of these was not written by its benchmark."""
    sources = sorted({one.recorded_from for one in records if one.recorded_from})
    if not sources:
        return ""
    names = sorted({f"`{one.name}`" for one in records if one.recorded_from})
    return f"\n\nCopied from the {' and the '.join(sources)}: {', '.join(names)}."


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page, and the rows of README.md."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.parse_args(arguments)
    records = record.newest(record.RESULTS)
    write_text(PAGE, page(records) + "\n")
    for one in records:
        if one.name == "peers":
            write_bytes(PAGE.with_name(peer_tables.PLOT), peer_tables.plot(one))
    write_text(README, with_shipped(README.read_text(encoding="utf-8")))
    print(PAGE)


if __name__ == "__main__":
    main()
