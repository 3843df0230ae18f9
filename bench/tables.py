"""docs/benchmarks.md, out of bench/results/ and of the models that ship: `python bench/tables.py`.

No figure of that page is typed by hand: `--save` of a benchmark leaves a file in bench/results/,
and this writes the page anew, with the newest of each benchmark. What the models that ship measured
of themselves stands in their own files.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import record
from predict import INFERENCE
from record import Record
from signwise.files import write_text
from signwise.model_file.read import read_model, shipped_models
from signwise.report.words import DASH, between, counted, number, percent, score
from unknown import DEFAULT, PLAIN, REAL, UnknownRow

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SPEED = ("predict", "startup", "overhead", "train", "corruptions", "images")
"""The benchmarks of time, in the order of their table."""
COLUMNS = ("result", "what", "measured", "n", "when and where", "how")
AGAINST = {PLAIN: "nothing (the plain recipe)", DEFAULT: "rendered pictures (the default)"}

INTRODUCTION = """# Benchmarks

What signwise has been measured at. `python bench/tables.py` makes this page out of `bench/results/`
and the models that ship: no figure is typed by hand. It shows the newest run of each benchmark,
with its machine, its date and its n; the command in the last column measures it again (a benchmark
keeps the result with `--save`). What is measured on real signs is measured on tracks, that is
physical signs, that were not trained on. What was tried and failed stands in
[LOG.md](../LOG.md)."""


def page(records: Sequence[Record]) -> str:
    """The whole page, Markdown."""
    by_name = {one.name: one for one in records}
    speed = [one for bench in SPEED for one in records if one.bench == bench]
    rest = [one for one in records if one.bench not in (*SPEED, "unknown")]
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
            "## Speed",
            figures_table(speed),
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
                f"[`{name}`](../src/signwise/models/{name}/README.md)",
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


def figures_table(records: Sequence[Record]) -> str:
    """A row a benchmark, a line in it a figure."""
    rows = [
        (
            f"`{one.name}`",
            "<br>".join(figure.what for figure in one.figures),
            "<br>".join(figure.in_words() for figure in one.figures),
            f"{one.n:,} {one.counted}",
            f"{one.date}, {one.machine.in_words()}",
            f"`{one.how}`",
        )
        for one in records
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
    """Write the page."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.parse_args(arguments)
    write_text(PAGE, page(record.newest(record.RESULTS)) + "\n")
    print(PAGE)


if __name__ == "__main__":
    main()
