"""The verb compare: is one model better than another, or is it chance?"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signwise.data.images import read_image
from signwise.errors import SignwiseError, UnreadableImage
from signwise.evaluation.evaluate import evaluate
from signwise.files import Json, write_json, write_text
from signwise.folders import output_folder
from signwise.metrics.detection import auroc
from signwise.metrics.paired import (
    auroc_difference,
    group_gains,
    holm,
    mcnemar,
    mean_difference,
    pair_counts,
    permutation_test,
    share_difference,
)
from signwise.metrics.power import design_effect, mcnemar_power
from signwise.metrics.rates import grouped_bootstrap, rate
from signwise.model_file.read import find_model
from signwise.report.comparison_page import (
    ComparisonPage,
    Disagreement,
    ShownPicture,
    comparison_page,
)
from signwise.report.comparison_words import cautions
from signwise.results import KNOWN_GROUPINGS, Problem, Rate, to_json
from signwise.studies import (
    LEVEL,
    MEANT_DIFFERENCE,
    Comparison,
    ModelFigures,
    PairFigures,
    Significance,
)
from signwise.study.measured import Measured, held_evaluation, read_measured

SHOWN = 12
"""Pictures of each kind that the page shows of a pair."""
MOST_OF_A_GROUP = 2
THUMBNAIL = 64
"""Side in pixels."""


@dataclass(frozen=True, kw_only=True)
class CompareResult:
    """What two or more models differ in."""

    out: Path
    counts: dict[str, int]
    """models, pairs, images, unknown (of no class)."""
    problems: list[Problem]
    """Pictures that could not be used."""
    warnings: list[str]
    """What a reader of the figures must know; each was a warning, too."""
    comparison: Comparison


def compare(
    models: Sequence[str | Path],
    data: str | Path | None = None,
    *,
    split: Literal["train", "val", "test", "all"] = "test",
    unknown: str | Path | None = None,
    out: str | Path = "compare",
    seed: int = 0,
) -> CompareResult:
    """Compare models on the same pictures; writes compare.json and report.html into `out`.

    Without `data` the evaluations that the runs hold are compared; with it each model is measured
    anew on it, with `unknown`, a folder of pictures of no class, if given, into a folder of `out`.
    `seed`: of the bootstrap. Raises SignwiseError for fewer than two models, models that were
    measured on different pictures, and without `data` for a model that is no run.
    """
    names = [str(model) for model in models]
    if len(names) < 2:
        raise SignwiseError(f"{len(names)} model(s) to compare: give two or more `models`")
    for name in names:
        if names.count(name) > 1:
            raise SignwiseError(f"{name} is given twice: give each of the `models` once")
        find_model(name)
    if data is None and unknown is not None:
        raise SignwiseError("`unknown` needs `data`: give the pictures to measure anew on")
    held = [] if data is not None else [held_evaluation(name, split) for name in names]
    with output_folder(Path(out), "comparison") as folder:
        problems: list[Problem] = []
        for number, name in enumerate(names if data is not None else (), 1):
            place = folder / f"model-{number}"
            found = evaluate(name, data or "", split=split, unknown=unknown, out=place, seed=seed)
            held.append(place)
            problems = found.problems
        measured = [read_measured(*pair) for pair in zip(names, held, strict=True)]
        comparison = compare_measured(measured, seed=seed)
        texts = cautions(comparison)
        for text in texts:
            warnings.warn(text, stacklevel=2)
        page = ComparisonPage(
            comparison=comparison,
            disagreements=[_disagreement(*pair) for pair in combinations(measured, 2)],
        )
        write_json(folder / "compare.json", to_json(comparison))
        write_text(folder / "report.html", comparison_page(page))
    return CompareResult(
        out=folder,
        counts={
            "models": len(names),
            "pairs": len(comparison.pairs),
            "images": comparison.n,
            "unknown": comparison.n_unknown or 0,
        },
        problems=problems,
        warnings=texts,
        comparison=comparison,
    )


def compare_measured(measured: Sequence[Measured], *, seed: int = 0) -> Comparison:
    """What measured models differ in; raises SignwiseError where they saw different pictures."""
    first = measured[0]
    for other in measured[1:]:
        _check_same_pictures(first, other)
    known = next((one for one in measured if one.grouping in KNOWN_GROUPINGS), first)
    groups = known.table["group"].to_numpy(object).astype(str)
    signs = groups if known.grouping in KNOWN_GROUPINGS else None
    with_unknown = all(one.unknown_sha256 == first.unknown_sha256 for one in measured)
    n_unknown = len(first.unknown_sha256) if with_unknown and first.unknown_sha256 else None
    chosen = list(combinations(measured, 2))
    # Of Bonferroni's correction, which Holm's is never stricter than.
    level = LEVEL / len(chosen)
    pairs = [
        _pair(one, two, signs, with_unknown=n_unknown is not None, level=level, seed=seed)
        for one, two in chosen
    ]
    return Comparison(
        data=first.data,
        n=len(first.table),
        grouping=known.grouping,
        groups=len(set(groups)),
        n_unknown=n_unknown,
        models=tuple(
            _model(one, signs, with_unknown=n_unknown is not None, seed=seed) for one in measured
        ),
        pairs=tuple(_corrected(pairs)),
        settings=_differing([one.settings for one in measured]),
    )


def _check_same_pictures(first: Measured, other: Measured) -> None:
    one, two = (
        pd.Index(zip(each.table["sha256"], each.table["true_label"], strict=True)).value_counts()
        for each in (first, other)
    )
    only_first = int(one.sub(two, fill_value=0).clip(lower=0).sum())
    only_other = int(two.sub(one, fill_value=0).clip(lower=0).sum())
    if only_first or only_other:
        raise SignwiseError(
            f"{first.name} and {other.name} were measured on different pictures: "
            f"{only_first:,} of {len(first.table):,} only in the first, {only_other:,} of "
            f"{len(other.table):,} only in the second: give `data`, to measure both on the same"
        )


def _model(
    one: Measured, signs: NDArray[np.str_] | None, *, with_unknown: bool, seed: int
) -> ModelFigures:
    def share(hits: NDArray[np.bool_]) -> Rate:
        grouped = None if signs is None else grouped_bootstrap(hits, signs, seed=seed)
        return rate(int(hits.sum()), len(hits), grouped)

    return ModelFigures(
        name=one.name,
        path=str(one.path),
        correct=int(one.correct.sum()),
        accuracy=share(one.correct),
        loss=float(one.loss.mean()),
        coverage=share(one.accepted),
        auroc=auroc(one.known, one.known_of_unknown).value if with_unknown else None,
        classes=one.classes,
        seen_in_training=one.seen_in_training,
        seen_in_validation=one.seen_in_validation,
        changed=one.changed,
    )


def _pair(
    first: Measured,
    second: Measured,
    signs: NDArray[np.str_] | None,
    *,
    with_unknown: bool,
    level: float,
    seed: int,
) -> PairFigures:
    """The figures of two models; `level` is that of one comparison, p is not yet corrected."""
    counts = pair_counts(first.correct, second.correct)

    def significance(p: float, worth: float) -> Significance:
        power = mcnemar_power(worth, counts.disagreement, MEANT_DIFFERENCE, level)
        return Significance(p=p, corrected=p, power=power)

    by_group, gains = None, None
    if signs is not None:
        gains = group_gains(first.correct, second.correct, signs)
        worth = counts.n / design_effect(first.correct, second.correct, signs)
        by_group = significance(permutation_test(gains), worth)
    return PairFigures(
        first=first.name,
        second=second.name,
        counts=counts,
        groups_for_first=None if gains is None else int((gains < 0).sum()),
        groups_for_second=None if gains is None else int((gains > 0).sum()),
        by_picture=significance(mcnemar(counts.only_first, counts.only_second), counts.n),
        by_group=by_group,
        accuracy=share_difference(first.correct, second.correct, signs, seed=seed),
        loss=mean_difference(first.loss, second.loss, signs, seed=seed),
        auroc=auroc_difference(
            (first.known, first.known_of_unknown), (second.known, second.known_of_unknown)
        )
        if with_unknown
        else None,
        coverage=share_difference(first.accepted, second.accepted, signs, seed=seed),
    )


def _corrected(pairs: Sequence[PairFigures]) -> list[PairFigures]:
    """The pairs with p-values corrected for their number."""
    by_picture = holm([pair.by_picture.p for pair in pairs])
    found = [
        replace(pair, by_picture=replace(pair.by_picture, corrected=p))
        for pair, p in zip(pairs, by_picture, strict=True)
    ]
    tests = [pair.by_group for pair in found if pair.by_group is not None]
    if not tests:
        return found
    by_group = holm([test.p for test in tests])
    return [
        replace(pair, by_group=replace(test, corrected=p))
        for pair, test, p in zip(found, tests, by_group, strict=True)
    ]


def _differing(settings: Sequence[object]) -> dict[str, tuple[Json, ...]]:
    """The settings that differ, where the settings of every model are known."""
    known = [dict(one) for one in settings if isinstance(one, dict) and one]
    if len(known) < len(settings):
        return {}
    names = list(dict.fromkeys(name for one in known for name in one))
    values = {name: tuple(one.get(name) for one in known) for name in names}
    return {name: found for name, found in values.items() if any(v != found[0] for v in found)}


def _disagreement(first: Measured, second: Measured) -> Disagreement:
    only_first, only_second = first.correct & ~second.correct, second.correct & ~first.correct
    return Disagreement(
        only_first=_shown(only_first, first, second, second.loss - first.loss),
        only_second=_shown(only_second, first, second, first.loss - second.loss),
    )


def _shown(
    chosen: NDArray[np.bool_], first: Measured, second: Measured, lead: NDArray[np.float64]
) -> list[ShownPicture]:
    """The pictures that differ most, few of one group, as far as they are still there."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(-lead[rows], kind="stable")]
    groups = first.table["group"].iloc[rows]
    rows = rows[(groups.groupby(groups).cumcount() < MOST_OF_A_GROUP).to_numpy()]
    shown: list[ShownPicture] = []
    for row in rows.tolist():
        picture = first.table.iloc[row]
        try:
            pixels = read_image(Path(picture["path"]), THUMBNAIL)
        except UnreadableImage:
            continue
        shown.append(
            ShownPicture(
                pixels=pixels,
                path=picture["path"],
                label=picture["true_label"],
                by_first=picture["answer"],
                by_second=second.table["answer"].iloc[row],
            )
        )
        if len(shown) == SHOWN:
            break
    return shown
