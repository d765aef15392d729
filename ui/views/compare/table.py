"""The numbers of entries side by side: as rows of a table, and as CSV."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from calibration import MEASURES, Estimate, mean_over_seeds
from calibration.report import written
from ui.components.csv_file import as_csv
from ui.components.formats import plain
from ui.components.reading import Summary
from ui.views.compare.costs import NOTHING
from ui.views.compare.differences import Compared
from ui.views.compare.groups import Entry, datasets
from ui.views.compare.judged import selective
from ui.views.compare.measured import known, scores

FIRST = ("accuracy", "nll", "brier", "ece")
SELECTIVE = ("aurc", "coverage_at_risk")
# Heads of the CSV files.
_NUMBERS = (
    "entry", "runs", "measure", "ood_set", "better", "best", "value", "low", "high",
    "deviation", "seeds", "interval",
)  # fmt: skip
_DIFFERENCES = (
    "entry", "baseline", "measure", "difference", "low", "high", "method", "verdict",
    "support",
)  # fmt: skip

Key = tuple[str, str]  # a measure, and the out-of-distribution set it is of or ""


@dataclass(frozen=True, kw_only=True)
class Number:
    """One measure of one entry.

    Args:
        value: Of a run, or the mean over seeds.
        low: Lower end of the 95 % interval: of a run over examples, of a family over
            seeds; None where there is none.
        high: Upper end.
        deviation: Over seeds, None for a run.
        seeds: Number of runs behind the mean, 0 for the number of one run.
    """

    value: float
    low: float | None
    high: float | None
    deviation: float | None
    seeds: int


@dataclass(frozen=True)
class Row:
    """One measure of all entries, None of those that lack it."""

    key: Key
    numbers: Sequence[Number | None]
    ranked: bool = True  # not where the entries were tested on different data

    @property
    def best(self) -> int | None:
        """The place of the best entry; None if no direction is better, or of a tie."""
        if not self.ranked:
            return None
        values = [each.value if each else None for each in self.numbers]
        best = written.best(self.key[0], values)
        return None if best is None else values.index(best)


def rows(entries: Sequence[Entry]) -> list[Row]:
    """All measures that an entry has, headlines first, sets of OOD examples last."""
    told = [[_numbers(view) for view in entry.views] for entry in entries]
    keys = {key for each in told for numbers in each for key in numbers}
    order = written.ordered(name for name, _ in keys)
    ordered = sorted(keys, key=lambda key: (key[1] != "", key[1], order.index(key[0])))
    pairs = [*zip(entries, told, strict=True)]
    ranked = len(datasets(entries)) < 2
    return [
        Row(
            key,
            [number(each, key, family=entry.is_family) for entry, each in pairs],
            ranked=ranked,
        )
        for key in ordered
    ]


def headline(found: Iterable[Row]) -> list[Row]:
    """The measures that are looked at first."""
    wanted = (*FIRST, "aurc", "auroc", "fpr95")
    return [row for row in found if row.key[0] in wanted]


def _numbers(view: Summary) -> dict[Key, float]:
    """Everything measured of a run, {} of one that was not evaluated."""
    told, curve = known(view, scores), known(view, selective)
    numbers = dict(told.values) if told else {}
    if told and curve:
        numbers |= {(name, ""): curve.measures[name] for name in SELECTIVE}
    return numbers


def number(
    runs: Sequence[Mapping[Key, float]], key: Key, *, family: bool
) -> Number | None:
    """One measure of a run, or its mean over the runs of a family that have it.

    Args:
        runs: What was measured of each.
        key: Which measure.
        family: Whether these are the runs of a family, be it a single one.
    """
    values = [run[key] for run in runs if key in run]
    if not values:
        return None
    if family:
        found = mean_over_seeds([float(each) for each in values])
        return Number(
            value=found.mean, low=found.low, high=found.high,
            deviation=found.deviation, seeds=found.count,
        )  # fmt: skip
    (one,) = values
    ends = (one.low, one.high) if isinstance(one, Estimate) else (None, None)
    return Number(value=float(one), low=ends[0], high=ends[1], deviation=None, seeds=0)


def cell(name: str, found: Number | None, *, best: bool, of: int) -> str:
    """A number for a table, in Markdown: of a run with its interval behind it.

    Args:
        name: The measure.
        found: The number.
        best: Whether it stands out.
        of: Runs of the entry; where a mean is over fewer, the cell says so.
    """
    if found is None:
        return NOTHING
    if found.deviation is not None:
        text = written.spread(name, found.value, found.deviation)
    else:
        text = written.value(name, found.value)
    text = f"**{_whole(text)}**" if best else _whole(text)
    if found.seeds:
        return text if found.seeds == of else f"{text} :small[(n = {found.seeds})]"
    if found.low is None or found.high is None:
        return text
    estimate = Estimate(found.value, low=found.low, high=found.high, count=0, method="")
    return with_interval(text, f"({written.interval(name, estimate)})")


def with_interval(text: str, interval: str) -> str:
    """A number and its interval in small print, which narrow cells break between."""
    return f"{_whole(text)} :small[{_whole(interval)}]"


def _whole(text: str) -> str:
    return text.replace(" ", "\u00a0")


def title(key: Key, ood_title: str = "") -> str:
    """The name of a measure for the head of a row, with the way that is better."""
    name, group = key
    arrow = {"lower": "\u00a0↓", "higher": "\u00a0↑"}.get(MEASURES[name].better, "")
    at = " of 5 %" if name == "coverage_at_risk" else ""
    of = f", {plain(ood_title or group)}" if group else ""
    return f"{written.short(name)}{at}{of}{arrow}"


def metrics_csv(entries: Sequence[Entry], found: Iterable[Row]) -> bytes:
    """All numbers, one a row."""
    rows = [
        (
            entry.name, " ".join(view.run.id for view in entry.views), *row.key,
            MEASURES[row.key[0]].better, int(row.best == place), each.value, each.low,
            each.high, each.deviation, each.seeds,
            "over seeds" if entry.is_family else "over examples",
        )
        for row in found
        for place, (entry, each) in enumerate(zip(entries, row.numbers, strict=True))
        if each is not None
    ]  # fmt: skip
    return as_csv(_NUMBERS, rows)


def differences_csv(baseline: Entry, found: Iterable[Compared]) -> bytes:
    """All differences, one a row."""
    rows = [
        (
            each.entry.name, baseline.name, each.measure, float(each.difference),
            *_ends(each), each.method, each.verdict, each.support,
        )
        for each in found
    ]  # fmt: skip
    return as_csv(_DIFFERENCES, rows)


def _ends(row: Compared) -> tuple[float | None, float | None]:
    found = row.difference
    return (found.low, found.high) if row.has_interval else (None, None)
