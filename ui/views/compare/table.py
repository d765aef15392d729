"""The numbers of entries side by side: as rows of a table, and as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration import MEASURES, Estimate, mean_over_seeds
from calibration.report import written
from trainers.status import ENDED
from ui.components import reading
from ui.components.formats import MISSING, compact, count, duration, plain
from ui.components.reading import Summary
from ui.components.series import unbroken, value
from ui.views.compare.differences import Compared
from ui.views.compare.groups import Entry, datasets
from ui.views.compare.judged import selective
from ui.views.compare.measured import known, scores

FIRST = ("accuracy", "nll", "brier", "ece")
SELECTIVE = ("aurc", "coverage_at_risk")
# Spreadsheets run what begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

NOTHING = f"\\{MISSING}"  # in Markdown a dash alone would begin a list

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
    return [
        Row(
            key,
            [number(each, key, family=entry.is_family) for entry, each in pairs],
            ranked=len(datasets(entries)) < 2,
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
    arrow = {"lower": " ↓", "higher": " ↑"}.get(MEASURES[name].better, "")
    at = " of 5 %" if name == "coverage_at_risk" else ""
    of = f", {plain(ood_title or group)}" if group else ""
    return f"{written.short(name)}{at}{of}{arrow}"


def facts(entry: Entry) -> dict[str, str]:
    """What an entry cost and rests on: time, epochs, samples, examples."""
    told = [each for view in entry.views if (each := known(view, scores))]
    spans = [span for view in entry.views if (span := _seconds(view)) is not None]
    paces = [pace for view in entry.views if (pace := _pace(view)) is not None]
    done = [_epochs(view) for view in entry.views]
    planned = entry.views[0].config.training.epochs if entry.views[0].config else None
    least = f"{compact(min(done))} to " if min(done) < max(done) else ""
    return {
        "Total time": duration(sum(spans) / len(spans)) if spans else NOTHING,
        "Epochs": f"{least}{compact(max(done))}"
        + (f" of {planned}" if planned and min(done) < planned else ""),
        "Seconds per epoch": compact(sum(paces) / len(paces)) if paces else NOTHING,
        "Posterior samples S": _several(each.num_samples for each in told),
        "Test examples N": _several(each.num_examples for each in told),
    }


def _several(numbers: Iterable[int]) -> str:
    return ", ".join(count(each) for each in sorted(set(numbers))) or NOTHING


def _seconds(view: Summary) -> float | None:
    """From the start to the end, evaluation included; None before the end."""
    status = view.status
    if status is None or status.state not in ENDED:
        return None
    if status.started is None or status.ended is None:
        return None
    return max(0.0, status.ended - status.started)


def _epochs(view: Summary) -> float:
    logged = reading.metrics(view.run)
    return max((value(row.get("epoch")) or 0.0 for row in logged), default=0.0)


def _pace(view: Summary) -> float | None:
    """Seconds an epoch, validation included."""
    logged, epochs = unbroken(reading.metrics(view.run)), _epochs(view)
    spans = [value(row.get("seconds")) or 0.0 for row in logged]
    return max(spans) / epochs if spans and epochs > 0 else None


def metrics_csv(entries: Sequence[Entry], found: Iterable[Row]) -> bytes:
    """All numbers, one a row."""
    lines = [
        {
            "entry": entry.name, "runs": " ".join(v.run.id for v in entry.views),
            "measure": row.key[0], "ood_set": row.key[1], "better":
            MEASURES[row.key[0]].better, "best": int(row.best == place),
            "value": each.value, "low": each.low, "high": each.high,
            "deviation": each.deviation, "seeds": each.seeds,
            "interval": "over seeds" if entry.is_family else "over examples",
        }
        for row in found
        for place, (entry, each) in enumerate(zip(entries, row.numbers, strict=True))
        if each is not None
    ]  # fmt: skip
    return as_csv(lines)


def differences_csv(baseline: Entry, found: Iterable[Compared]) -> bytes:
    """All differences, one a row."""
    lines = [
        {
            "entry": each.entry.name, "baseline": baseline.name, "measure":
            each.measure, "difference": float(each.difference), "low": low,
            "high": high, "method": each.method, "verdict": each.verdict,
            "support": each.support,
        }
        for each in found
        for low, high in [_ends(each)]
    ]  # fmt: skip
    return as_csv(lines)


def _ends(row: Compared) -> tuple[float | None, float | None]:
    found = row.difference
    return (found.low, found.high) if row.has_interval else (None, None)


def as_csv(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV that spreadsheets run no formulas of; b"" of none.

    In UTF-8 with its mark, without which Excel reads another encoding.
    """
    if not lines:
        return b""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _safe(v) for k, v in line.items()} for line in lines)
    return buffer.getvalue().encode("utf-8-sig")


def _safe(content: Any) -> Any:
    if isinstance(content, str) and content.startswith(_FORMULA):
        return f"'{content}"
    return "" if content is None else content
