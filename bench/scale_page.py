"""docs/scale.md and its charts, out of bench/results/: `python bench/scale_page.py`.

What is measured is copied from there; what a billion pictures would take is worked out of it, with
the prices and speeds that stand below.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

import record
from beyond_memory import CACHE, FURTHER, EpochRow
from record import Record
from scale import MOST_EXPONENT, MOST_MEMORY, ScaleRow, exponents
from scale_parts import PARTS
from signwise.files import write_bytes, write_text
from signwise.opening import MOST_TABLE
from signwise.report.charts import BLUE, GREY, INK, ORANGE, draw
from tables import table

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
CHARTS = {"seconds": PAGE.with_name("scale-seconds.png"), "memory": PAGE.with_name("scale-mb.png")}
COLOURS = (BLUE, ORANGE, GREY, INK, "#2c8a57", "#8c4fb0", "#b0892c", "#c0425f")

BILLION = 10**9
CLASSES = 43
MANIFEST_ROW, PREDICTION_ROW = 152, 230 + 11 * CLASSES
"""Bytes of a row of manifest.csv, and of predictions.csv."""
PIXELS = {32: 32 * 32 * 3, 224: 224 * 224 * 3}
FILE = {32: 2_000, 224: 30_000}
"""Bytes of a JPEG of that size."""
CORE_HOUR, GPU_HOUR = 0.05, 3.0
"""Dollars, rented."""
GIGABYTE_MONTH, PUTS, GETS = 0.023, 0.005, 0.0004
"""Dollars of an object store: a month, and a thousand writes or reads."""
SHARD = 10_000
"""Pictures in a tar file or a Parquet part."""
FLOPS = {32: 3 * 2 * 0.037e9, 224: 3 * 2 * 1.82e9}
"""Of ResNet-18 and one training picture: multiply and add, forwards and twice backwards."""
GPU_FLOPS = {32: 50e12, 224: 300e12}
"""Of one H100 in bfloat16 that would be reached: 5 and 30 % of its 989e12. An assumption."""


def page(measured: Record, beyond: Record) -> str:
    """The whole page, Markdown: how it grows, and an epoch over a cache beyond the memory."""
    rows = record.rows_of(measured, ScaleRow)
    return "\n\n".join(
        (
            INTRODUCTION,
            wholes_table(rows),
            f"{measured.date}, {measured.machine.in_words()}, `{measured.how}`."
            f" Python {measured.versions['python']}. Not every part ran on every size. {BUSY}",
            "![CPU seconds by number of pictures](scale-seconds.png)",
            "![Peak anonymous memory by number of pictures](scale-mb.png)",
            "## Step by step",
            STEPS,
            steps_table(rows),
            LIMITS,
            beyond_memory(beyond),
            "## A billion pictures, on paper",
            *billion(rows),
        )
    )


INTRODUCTION = f"""# How it grows

How long signwise takes for a thousand pictures, and for a million, and how much memory. `python
bench/scale_page.py` makes this page out of `bench/results/`; no figure of a measurement is typed
by hand. The pictures are distinct JPEGs of 32 x 32 pixels in ten classes, one in 50 a near copy,
one in 1,000 cut off; the model is a formula of the mean colour, so that what is measured is
signwise and not a network. Each part runs in a process of its own. Seconds of the CPU are those of
all cores together, workers included. Memory is the peak of what is in no file, of all processes
together: the page cache, which the system takes back when it needs it, does not count. The exponent
is the slope between the two largest sets on logarithmic scales: 1 is linear. The goals: at most
{MOST_EXPONENT}, and {MOST_MEMORY / 1e9:g} GB at a million."""

BUSY = (
    "The load is how many processes wanted to run. Where it is far above the number of cores,"
    " seconds of the clock say little, those of the CPU may be twice too many, and an exponent"
    " between sets that were measured at different loads is off by as much."
)

STEPS = """Of the largest set that each ran on. *prepare, drawn* is prepare without the files: what
reading them finds is drawn instead. Listing and reading are the same work for each picture; all
else looks at all pictures at once, and could grow faster."""

LIMITS = """## Data larger than memory

- **Pixels are never in memory as a whole.** `prepare` writes them into one file, `train` and
  `evaluate` map it and read the rows that a batch needs. What is cached is left to the operating
  system: a set that fits into free memory is read from disk once, a larger one again in every
  epoch, in ascending rows within a batch.
- **The cache must fit on a disk of the machine that trains**: 3 S² bytes a picture, 3 kB at 32
  pixels, 150 kB at 224. That is the limit: `train` reads no tar shards, and a cache in a store is
  fetched whole.
- **A table is in memory**: somewhat under 1 kB a picture in `prepare` and in `evaluate`, and there
  the K probabilities of each picture besides, 4 K bytes, in float64 for a while where labels are
  checked. A CSV above 2 GiB is not read again, which is a manifest of some 14 million pictures.
- **Stage one keeps features in memory**: 4 D bytes a picture and view, 2 kB for ResNet-18 (D =
  512), and as much again while they are joined and standardised. A million pictures in one view
  take some 4 GB, and what is trained against nearly as much. `--weights none` has no such stage.
- `predict` keeps no answer in memory; of files that it is given, their paths, 0.1 kB each."""


def wholes_table(rows: Sequence[ScaleRow]) -> str:
    """A row a part and a number of pictures."""
    slopes = exponents(rows)
    lines = []
    for part in PARTS:
        own = sorted((r for r in rows if r.part == part and not r.step), key=lambda row: row.n)
        for row in own:
            last = row is own[-1] and (part, "") in slopes
            lines.append(
                (
                    part,
                    f"{row.n:,}",
                    f"{row.cpu:,.10g}",
                    f"{1e6 * row.cpu / row.n:,.0f}",
                    f"{row.seconds:,.10g}",
                    f"{row.load:g}",
                    f"{row.memory / 1e6:,.0f}",
                    f"{slopes[part, '']:.2f}" if last else "",
                )
            )
    heads = ["part", "pictures", "CPU seconds", "µs each", "seconds", "load", "peak MB"]
    return table([*heads, "exponent"], lines)


def steps_table(rows: Sequence[ScaleRow]) -> str:
    """A row a step, on the largest set."""
    slopes = exponents(rows)
    lines = []
    for part in PARTS:
        own = [row for row in rows if row.part == part and row.step]
        most = max((row.n for row in own), default=0)
        for row in own:
            if row.n == most:
                slope = slopes.get((part, row.step))
                lines.append(
                    (
                        part,
                        row.step,
                        f"{row.n:,}",
                        f"{row.cpu:,.10g}",
                        f"{row.memory / 1e6:,.0f}",
                        "too short to tell" if slope is None else f"{slope:.2f}",
                    )
                )
    return table(["part", "step", "pictures", "CPU seconds", "peak MB", "exponent"], lines)


def beyond_memory(measured: Record) -> str:
    """What an epoch takes whose pages go while it runs."""
    plain, thrown = record.rows_of(measured, EpochRow)
    figures = {one.what: one for one in measured.figures}
    return (
        f"Measured: a cache of {figures[CACHE].in_words()}, in a process that could take no more"
        f" than {figures[FURTHER].in_words()} of memory of its own beyond what it began with. While"
        f" an epoch ran, the cache was thrown out of memory {thrown.thrown_out} times (by madvise"
        " and fadvise, and not by a real want of memory, which nobody has tried). The epoch"
        " ended in the same bits as an undisturbed one, with"
        f" {thrown.cpu:g} s of the CPU in place of {plain.cpu:g} s; but it read"
        f" {thrown.from_disk:,.0f} MB from the disk in place of {plain.from_disk:,.0f}: the rows of"
        " a batch lie everywhere, and the system reads their neighbours with each. So a set that"
        " is larger than the free memory trains at the speed of the disk's random reads, and where"
        " the system throws it out all the time, next to nothing moves (614 MB thrown out every"
        " half second: an epoch had not ended after four minutes); put it on an SSD, or give the"
        f" machine more memory. {measured.date},"
        f" {measured.machine.in_words()}, `{measured.how}`."
    )


def charts(rows: Sequence[ScaleRow]) -> dict[str, bytes]:
    """PNG of CPU seconds and of memory by the number of pictures, a line a part."""

    def drawn(name: str, unit: str, limit: float | None) -> bytes:
        def paint(figure: Figure) -> None:
            axes = figure.subplots()
            for part, colour in zip(PARTS, COLOURS, strict=True):
                own = sorted((r for r in rows if r.part == part and not r.step), key=lambda r: r.n)
                if own:
                    values = [r.cpu if name == "seconds" else r.memory / 1e6 for r in own]
                    axes.plot(
                        [r.n for r in own], values, "o-", color=colour, markersize=4, label=part
                    )
            if limit is not None:
                axes.axhline(limit, color=INK, linewidth=1, linestyle="--", label="goal")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("pictures")
            axes.set_ylabel(unit)
            figure.legend(loc="outside right center")

        return draw(paint, 6.4, 3.6)

    return {
        "seconds": drawn("seconds", "CPU seconds", None),
        "memory": drawn("memory", "peak anonymous memory, MB", MOST_MEMORY / 1e6),
    }


def billion(rows: Sequence[ScaleRow]) -> list[str]:
    """What a billion pictures would take, worked out of what was measured."""
    read = _each(rows, "prepare")
    answered = _each(rows, "predict")
    bytes_each = _memory_each(rows, "prepare, drawn")
    storage = [
        (
            f"{side} x {side}",
            _terabytes(FILE[side]),
            _terabytes(PIXELS[side]),
            _terabytes(MANIFEST_ROW),
            _terabytes(PREDICTION_ROW),
            f"${GIGABYTE_MONTH * (FILE[side] + PIXELS[side]):,.0f}",
        )
        for side in PIXELS
    ]
    compute = [
        ("prepare, reading at 32 pixels", f"{1e6 * read:,.0f} µs", *_cores(read)),
        ("predict, without the network", f"{1e6 * answered:,.0f} µs", *_cores(answered)),
    ]
    training = [
        (
            f"{side} x {side}",
            f"{FLOPS[side] / 1e9:.2g} GFLOP",
            f"{GPU_FLOPS[side] / 1e12:.0f} TFLOP/s",
            f"{_gpu_hours(side):.1f}",
            f"${_gpu_hours(side) * GPU_HOUR:,.0f}",
            f"{GPU_FLOPS[side] / FLOPS[side] * PIXELS[side] / 1e9:.1f} GB/s",
        )
        for side in PIXELS
    ]
    return [
        "Nobody has run this. It is arithmetic on what was measured above, to see what would have"
        " to change, in which order. Prices are round figures of rented machines in 2026: a core"
        f" ${CORE_HOUR} an hour, an H100 ${GPU_HOUR:g}, an object store ${GIGABYTE_MONTH} a"
        f" gigabyte and month, ${PUTS} for a thousand writes, ${GETS} for a thousand reads.",
        "**Storage**, with a billion files, "
        f"{CLASSES} classes, a row of {MANIFEST_ROW} bytes in the manifest and of"
        f" {PREDICTION_ROW} in predictions.csv:",
        table(
            (
                "pictures",
                "files",
                "pixel cache",
                "manifest",
                "predictions",
                "files and cache, a month",
            ),
            storage,
        ),
        "**Cores.** Reading is the same work for each picture, on as many machines as there are:",
        table(("what", "CPU time each", "core hours", "hours on 1,000 cores", "money"), compute),
        "A network comes on top; [benchmarks](benchmarks.md) say what ResNet-18 takes of a core.",
        "**GPU hours** of one epoch of ResNet-18, and what the disk must give meanwhile:",
        table(
            ("pictures", "each", "reached on an H100", "hours", "money", "pixels to be read"),
            training,
        ),
        "At 32 pixels the GPU is not what is waited for: "
        f"{GPU_FLOPS[32] / FLOPS[32]:,.0f} pictures a second have to be read and augmented, which"
        " is what one NVMe disk gives when it is read in order, and not what a memory map gives"
        " when each picture is somewhere else.",
        "**What breaks first**, in this order:",
        "\n".join(
            (
                f"1. The CSV. A table above {MOST_TABLE / 2**30:g} GiB is refused:"
                f" {MOST_TABLE / MANIFEST_ROW / 1e6:.0f} million rows of a manifest,"
                f" {MOST_TABLE / PREDICTION_ROW / 1e6:.1f} million of predictions.csv with"
                f" {CLASSES} classes. Parquet in parts takes its place; a billion rows are"
                f" {BILLION // SHARD:,} parts of {SHARD:,}.",
                f"2. The memory of `prepare`. {bytes_each:,.0f} bytes a picture (the slope of the"
                f" memory above) are {bytes_each * BILLION / 1e12:.2f} TB; a machine with 256 GB"
                f" ends at {256e9 / bytes_each / 1e6:,.0f} million. Near duplicates need all"
                " fingerprints in one order: 8 bytes each, 8 GB, would do, if the 256 bytes of"
                " each signature lay on disk. Groups and the split need numbers in place of names.",
                "3. Single files. A billion of them need a billion inodes (ext4 makes one for 16 kB"
                f" of disk), and in an object store ${PUTS * BILLION / 1000:,.0f} to be written,"
                f" ${GETS * BILLION / 1000:,.0f} each time they are read, and a million listings,"
                " one after another, of 1,000 names each. In tar shards of"
                f" {SHARD:,} both are below $1.",
                f"4. The memory of `evaluate`: {4 * CLASSES} bytes of probabilities a picture are"
                f" {4 * CLASSES * BILLION / 1e9:.0f} GB, twice that again for checking labels. Its"
                " figures are sums and sorted scores, and an interval does not get narrower in any"
                " way that matters after a million: measure a sample.",
                f"5. One disk. {PIXELS[32] * BILLION / 1e12:.1f} TB at 32 pixels fit on one,"
                f" {PIXELS[224] * BILLION / 1e12:.0f} TB at 224 do not: training would have to read"
                " shards, group by group, in place of one mapped file, and shuffle within what it"
                " holds.",
                f"6. Features of stage one: {512 * 4 * BILLION / 1e12:.1f} TB. A head is"
                " determined by far fewer pictures: fit it on a sample.",
                "7. The report does not break: it shows samples, and says how many more there are.",
            )
        ),
        "The money is not the obstacle: reading, training ten epochs at 32 pixels and a month of"
        f" storage are about ${_total(read):,.0f}.",
    ]


def _each(rows: Sequence[ScaleRow], part: str) -> float:
    """CPU seconds a picture on the largest set."""
    row = max((r for r in rows if r.part == part and not r.step), key=lambda r: r.n)
    return row.cpu / row.n


def _memory_each(rows: Sequence[ScaleRow], part: str) -> float:
    """Bytes that each further picture takes, between the two largest sets."""
    few, many = sorted((r for r in rows if r.part == part and not r.step), key=lambda r: r.n)[-2:]
    return (many.memory - few.memory) / (many.n - few.n)


def _terabytes(each: int) -> str:
    return f"{each * BILLION / 1e12:,.3g} TB"


def _cores(seconds: float) -> tuple[str, str, str]:
    hours = seconds * BILLION / 3600
    return f"{hours:,.0f}", f"{hours / 1000:.2g}", f"${hours * CORE_HOUR:,.0f}"


def _gpu_hours(side: int) -> float:
    return FLOPS[side] * BILLION / GPU_FLOPS[side] / 3600


def _total(read: float) -> float:
    stored = GIGABYTE_MONTH * (FILE[32] + PIXELS[32])
    return read * BILLION / 3600 * CORE_HOUR + 10 * _gpu_hours(32) * GPU_HOUR + stored


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page and its charts."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.parse_args(arguments)
    newest = {one.name: one for one in record.newest(record.RESULTS)}
    measured = newest["scale"]
    for name, png in charts(record.rows_of(measured, ScaleRow)).items():
        write_bytes(CHARTS[name], png)
    write_text(PAGE, page(measured, newest["beyond_memory"]) + "\n")
    print(PAGE)


if __name__ == "__main__":
    main()
