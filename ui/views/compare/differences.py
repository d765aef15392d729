"""Is an entry better than the baseline, or was it chance?

A run against a run: both judged the same test examples, so the difference is taken
example by example (`calibration.paired_differences`). Where an entry has several seeds,
the question is what another training would give: with the same seeds on both sides
differences are taken seed by seed (`calibration.mean_over_seeds`), else the means of
both are compared.

Seeds that all gave the same number tell nothing of the spread: there is no interval
(`ui.views.compare.means`), and so no verdict. An interval that rests on one degree of
freedom is shown, but two numbers are too few to call anything clear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from calibration import Difference, Estimate, mean_over_seeds, paired_differences
from calibration.definitions import HIGHER, MEASURES
from trainers.runs import Run, RunError
from ui.components import predictions
from ui.components.guarded import BROKEN
from ui.components.latest import Stamp, stamp_of
from ui.views.compare.comparable import incomparable
from ui.views.compare.groups import Entry
from ui.views.compare.means import ENDLESS, ERROR, alike, error_of, of_means
from ui.views.compare.measured import known, scores, why

HEADLINE = ("nll", "accuracy", "ece", "brier")
PAIRED, SEEDWISE, MEANS = "by example", "by seed", "of means"
BETTER, WORSE, UNCLEAR = "clearly better", "clearly worse", "no clear difference"
ALIKE = "all seeds alike, which tells nothing of the spread"
TOO_FEW = "too few seeds to tell"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One number of an entry less that of the baseline.

    Args:
        entry: Which entry.
        measure: Of `calibration.MEASURES`.
        difference: With its 95 % interval, endless where seeds tell of none.
        method: `PAIRED`, `SEEDWISE` or `MEANS`.
        support: What speaks for it, in words: "better in 99 % of resamples".
        enough: Whether it rests on more than one degree of freedom.
    """

    entry: Entry
    measure: str
    difference: Estimate
    method: str
    support: str
    enough: bool = True

    @property
    def verdict(self) -> str:
        """What the interval says, in words."""
        return verdict(self.measure, self.difference) if self.enough else UNCLEAR

    @property
    def has_interval(self) -> bool:
        """Whether the seeds tell of a spread."""
        return bool(np.isfinite(self.difference.high))


def verdict(measure: str, difference: Estimate) -> str:
    """Whether an interval leaves out zero, and on which side."""
    if difference.low <= 0 <= difference.high:
        return UNCLEAR
    higher = difference.low > 0
    return BETTER if higher == (MEASURES[measure].better == HIGHER) else WORSE


def against(
    baseline: Entry, others: Sequence[Entry], measures: Sequence[str] = HEADLINE
) -> tuple[list[Compared], dict[str, str]]:
    """Compare entries with the baseline.

    Args:
        baseline: What the others are compared with.
        others: The entries.
        measures: Names of numbers of the evaluation; run against run, those of
            `HEADLINE` alone are compared.

    Returns:
        A row for each measure and entry, and by entry's name why there is none.
    """
    rows: list[Compared] = []
    refused: dict[str, str] = {}
    for entry in others:
        reason = incomparable(baseline, entry)
        if reason:
            refused[entry.name] = reason
            continue
        families = baseline.is_family or entry.is_family
        judge = _over_seeds if families else _by_example
        try:
            rows += judge(entry, baseline, measures)
        except BROKEN as error:
            refused[entry.name] = why(entry.views[0], error)
    return sorted(rows, key=lambda row: measures.index(row.measure)), refused


def paired(one: Run, two: Run) -> Mapping[str, Difference]:
    """The first run's headline numbers less the second's, example by example."""
    stamps = stamp_of(one.predictions), stamp_of(two.predictions)
    return _paired(str(one.path), str(two.path), stamps)


def better_share(measure: str, difference: Difference) -> str:
    """In what share of resamples the first run is what the number says, in words.

    Args:
        measure: Which number it is.
        difference: The first run's less the second's.

    Returns:
        Such as "better in 98 % of resamples"; a range where it hangs on how bias is
        allowed for.
    """
    if difference.low == difference.high == 0:
        return "the same in all resamples"
    shares = difference.share_range
    least, most = shares if difference > 0 else (1 - shares[1], 1 - shares[0])
    side = _side(measure, difference)
    if round(100 * least) < round(100 * most):
        told = f"{100 * least:.0f} % to {100 * most:.0f} %"
        return f"{side} in {told} of resamples, by how its bias is allowed for"
    return f"{side} in {_share(100 * least)} of resamples"


def _share(percent: float) -> str:
    if percent > 99.9:
        return "more than 99.9 %"
    if percent >= 99.5:
        return f"{percent:.1f} %"
    return f"{'only ' if percent < 49.5 else ''}{percent:.0f} %"


def _side(measure: str, difference: float) -> str:
    higher = MEASURES[measure].better == HIGHER
    return "better" if (difference > 0) == higher else "worse"


def _by_example(
    entry: Entry, baseline: Entry, measures: Sequence[str]
) -> list[Compared]:
    found = paired(entry.views[0].run, baseline.views[0].run)
    return [
        Compared(
            entry=entry, measure=name, difference=found[name], method=PAIRED,
            support=better_share(name, found[name]),
        )
        for name in measures
        if name in found
    ]  # fmt: skip


def _over_seeds(
    entry: Entry, baseline: Entry, measures: Sequence[str]
) -> list[Compared]:
    rows = []
    for name in measures:
        first, second = (_by_seed(each, name) for each in (entry, baseline))
        if not first or not second or max(len(first), len(second)) < 2:
            continue
        if first.keys() == second.keys():
            pairs = [first[seed] - second[seed] for seed in sorted(first)]
            rows.append(_seedwise(entry, name, pairs))
            continue
        rows.append(_of_means(entry, name, [*first.values()], [*second.values()]))
    return rows


def _of_means(
    entry: Entry, name: str, first: Sequence[float], second: Sequence[float]
) -> Compared:
    difference = of_means(first, second)
    support, enough = f"{len(first)} against {len(second)} seeds", True
    if not np.isfinite(difference.high):
        support = ALIKE
    elif error_of(first, second)[1] <= 1 + ERROR:
        support, enough = f"{support}: {TOO_FEW}", False
    return Compared(
        entry=entry, measure=name, difference=difference, method=MEANS,
        support=support, enough=enough,
    )  # fmt: skip


def _seedwise(entry: Entry, name: str, pairs: Sequence[float]) -> Compared:
    found = mean_over_seeds(pairs)
    assert found.low is not None
    assert found.high is not None
    same_way = sum(pair * found.mean > 0 for pair in pairs)
    support = f"{_side(name, found.mean)} with {same_way} of {len(pairs)} seeds"
    low, high, enough = found.low, found.high, len(pairs) > 2
    if alike(pairs):
        (low, high), support = ENDLESS, ALIKE
    elif not enough:
        support = f"{support}: {TOO_FEW}"
    difference = Estimate(found.mean, low=low, high=high, count=found.count, method="t")
    return Compared(
        entry=entry, measure=name, difference=difference, method=SEEDWISE,
        support=support, enough=enough,
    )  # fmt: skip


def _by_seed(entry: Entry, name: str) -> dict[int, float]:
    """A number of the evaluation by seed, of the runs that have it."""
    found: dict[int, float] = {}
    for view in entry.views:
        told = known(view, scores)
        value = told.values.get((name, "")) if told else None
        if view.config is not None and value is not None:
            found[view.config.training.seed] = float(value)
    return found


@st.cache_resource(max_entries=128, show_spinner=False)
def _paired(
    one: str,
    two: str,
    stamps: tuple[Stamp, Stamp],  # noqa: ARG001 - the cache's key
) -> Mapping[str, Difference]:
    first, second = (predictions.part(Run(Path(path))) for path in (one, two))
    if first.labels is None:
        raise RunError("predictions.npz has no labels.")
    return paired_differences(first.mean, second.mean, first.labels, HEADLINE)
