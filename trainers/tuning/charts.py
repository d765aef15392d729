"""What was tried, as charts: a point a trial, a curve a trial. Torch-free.

How far a trial was let is its colour and its shape. The best one is a star; the line
across is what the stage is measured against.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calibration.report.chart import Axis, Chart, Line, Mark, Panel
from trainers.tuning.halving import Halving
from trainers.tuning.outcome import Played, words
from trainers.tuning.spaces import Dimension
from trainers.tuning.trial import DIVERGED, Trial

# Of the full number of epochs, of one halving less, and so on: colour and shape.
LOOKS = (
    ("model-0", "circle"), ("model-2", "square"), ("model-4", "diamond"),
    ("model-3", "triangle-up"), ("gap", "triangle-down"),
)  # fmt: skip
BEST = ("model-1", "star")
LOST = ("bad", "x")
ABOVE = 1.3  # how far above the worst NLL those stand that have none
HEIGHT = 340
LONG = 9  # epochs from which on curves are drawn over the logarithm
NLL = "Validation NLL"
# Of round numbers, the fewest first.
DIGITS: Sequence[Sequence[float]] = (
    (1,), (1, 3), (1, 2, 5), range(1, 10), [d / 2 for d in range(2, 20)],
    [d / 10 for d in range(10, 100)],
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart with what it shows in words."""

    title: str
    chart: Chart
    alt: str


def pictures(played: Played, halving: Halving) -> list[Picture]:
    """The charts of a stage.

    Args:
        played: The stage, with one trial at least.
        halving: How long trials might be.

    Returns:
        The learning curves; and one for each hyper-parameter that was searched, or one
        over the candidates where none was.
    """
    space = played.stage.space
    charts = [_against(played, halving, dimension) for dimension in space]
    return [_curves(played, halving), *(charts or [_candidates(played, halving)])]


def look(epochs: int, halving: Halving) -> tuple[str, str]:
    """Colour and shape of a trial that trained for so many epochs."""
    below = sum(1 for budget in halving.budgets if budget > epochs)
    return LOOKS[min(below, len(LOOKS) - 1)]


def height_of(trial: Trial, played: Played) -> float:
    """Where a trial stands on the axis of the NLL, one that has none above all."""
    if trial.state != DIVERGED:
        return max(trial.nll, 1e-12)
    known = [each.nll for each in played.trials if each.state != DIVERGED]
    return ABOVE * max(known, default=1.0)


def _against(played: Played, halving: Halving, dimension: Dimension) -> Picture:
    """NLL against a hyper-parameter."""
    name = dimension.name.replace("_", " ")
    places = [
        (trial, float(trial.parameters[dimension.name]))
        for trial in played.trials
        if dimension.name in trial.parameters
    ]
    x = Axis(title=name, log=dimension.log, ticks=_ticks(dimension))
    ends = (dimension.low, dimension.high)
    chart = _chart(played, halving, places, x, ends)
    return Picture(
        title=f"{NLL} against {name}", chart=chart, alt=_told(played, dimension.name)
    )


def _candidates(played: Played, halving: Halving) -> Picture:
    """NLL of one candidate after the other."""
    places = [(trial, float(trial.number)) for trial in played.trials]
    ticks = {at: trial.title or str(trial.number) for trial, at in places}
    last = max(at for _, at in places)
    x = Axis(title="What was tried", low=-0.5, high=last + 0.5, ticks=ticks)
    chart = _chart(played, halving, places, x, (-0.5, last + 0.5))
    return Picture(title=f"{NLL} of each step", chart=chart, alt=_told(played))


def _chart(
    played: Played,
    halving: Halving,
    places: Sequence[tuple[Trial, float]],
    x: Axis,
    ends: tuple[float, float],
) -> Chart:
    best = played.best
    marks: list[Mark] = [*_reference(played, ends), *_legend(played, halving)]
    points = [
        _point(trial, at, played, halving) for trial, at in places if trial is not best
    ]
    marks += points
    marks += [
        _point(trial, at, played, halving) for trial, at in places if trial is best
    ]
    return Chart(panels=[Panel(marks=marks, y=_nll_axis(marks))], x=x, height=HEIGHT)


def _point(trial: Trial, at: float, played: Played, halving: Halving) -> Line:
    color, symbol = LOST if trial.state == DIVERGED else look(trial.epochs, halving)
    if trial is played.best:
        color, symbol = BEST
    return Line(
        name=_name(trial), x=[at], y=[height_of(trial, played)], color=color, dash="",
        symbol=symbol, legend=False,
    )  # fmt: skip


def _name(trial: Trial) -> str:
    end = "diverged" if trial.state == DIVERGED else f"{trial.epochs} epochs"
    return f"Trial {trial.number}, {end}: {words(trial.parameters) or trial.title}"


def _reference(played: Played, ends: tuple[float, float]) -> list[Mark]:
    """The line across of what the stage is measured against."""
    reference = played.stage.reference
    if reference is None:
        return []
    name = "OGN" if reference.stage == "match" else "AdamW"
    nll = reference.nll
    return [
        Line(
            name=f"best of {name}", x=[*ends], y=[nll, nll], color="muted", dash="dash"
        )
    ]


def _legend(played: Played, halving: Halving) -> list[Mark]:
    """What colours and shapes stand for, as lines without points."""
    entries: list[tuple[str, tuple[str, str]]] = []
    for budget in reversed(halving.budgets):
        reached = [t for t in played.trials if t.state != DIVERGED]
        if any(look(t.epochs, halving) == look(budget, halving) for t in reached):
            plural = "s" * (budget != 1)
            entries.append((f"{budget} epoch{plural}", look(budget, halving)))
    if any(trial.state == DIVERGED for trial in played.trials):
        entries.append(("diverged", LOST))
    if played.best is not None:
        entries.append(("best", BEST))
    return [
        Line(name=name, x=[], y=[], color=color, dash="", symbol=symbol)
        for name, (color, symbol) in entries
    ]


def _curves(played: Played, halving: Halving) -> Picture:
    """NLL by epoch of all trials, with the rungs of the halving."""
    marks: list[Mark] = [*_reference(played, (1, halving.max_epochs))]
    heights = [score.nll for trial in played.trials for score in trial.scores]
    low, high = min(heights, default=1.0), max(heights, default=1.0)
    marks += [
        Line(
            name="halving", x=[rung, rung], y=[low, high], color="gap", dash="dot",
            width=1.3,
        )
        for rung in halving.rungs
    ]  # fmt: skip
    marks += _legend(played, halving)
    ordered = sorted(played.trials, key=lambda trial: trial is played.best)
    for trial in ordered:
        marks += _curve(trial, played, halving)
    log = halving.max_epochs >= LONG
    ticks = {float(epoch): str(epoch) for epoch in halving.budgets}
    x = Axis(title="Epoch", log=log, ticks=ticks)
    panel = Panel(marks=marks, y=_nll_axis(marks))
    count = len(played.trials)
    cut = sum(1 for t in played.trials if t.epochs < halving.max_epochs)
    alt = f"NLL by epoch of {count} trials, of which {cut} were ended before the last."
    return Picture(
        title="Learning curves", chart=Chart(panels=[panel], x=x, height=HEIGHT),
        alt=alt,
    )  # fmt: skip


def _curve(trial: Trial, played: Played, halving: Halving) -> list[Mark]:
    """A trial's way, and its end."""
    if not trial.scores:
        return []
    is_best = trial is played.best
    color, symbol = LOST if trial.state == DIVERGED else look(trial.epochs, halving)
    if is_best:
        color, symbol = BEST
    epochs = list(range(1, trial.epochs + 1))
    way = [score.nll for score in trial.scores]
    return [
        Line(
            name=_name(trial), x=epochs, y=way, color=color, legend=False,
            width=2.6 if is_best else 1.3, opacity=1.0 if is_best else 0.6,
        ),
        Line(
            name=_name(trial), x=epochs[-1:], y=way[-1:], color=color, dash="",
            symbol=symbol, legend=False,
        ),
    ]  # fmt: skip


def _nll_axis(marks: Sequence[Mark]) -> Axis:
    heights = [y for mark in marks if isinstance(mark, Line) for y in mark.y]
    low, high = min(heights, default=0.1), max(heights, default=1.0)
    return Axis(title=NLL, log=True, ticks=decimal_ticks(low, high))


def _ticks(dimension: Dimension) -> dict[float, str]:
    if dimension.choices:
        return {float(value): str(value) for value in dimension.choices}
    if dimension.log:
        return decimal_ticks(dimension.low, dimension.high)
    step = (dimension.high - dimension.low) / 4
    places = [dimension.low + step * place for place in range(5)]
    return {place: f"{place:.3g}" for place in places}


def decimal_ticks(low: float, high: float) -> dict[float, str]:
    """Round numbers for a logarithmic axis, from three to nine.

    Args:
        low: Smallest value, > 0.
        high: Largest.

    Returns:
        Places and labels, by size; the ends where there is hardly a range.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits in DIGITS:
        every = (d * 10.0**power for power in range(first, last + 1) for d in digits)
        inside = [value for value in every if low / 1.01 <= value <= high * 1.01]
        found = _apart(inside, math.log(high / low) / 9)
        if len(found) >= 3:
            return {value: f"{value:.3g}" for value in found}
    return {value: f"{value:.4g}" for value in sorted({low, high})}


def _apart(values: Sequence[float], distance: float) -> list[float]:
    """Values by size of which none is too near to the one before."""
    kept: list[float] = []
    for value in values:
        if not kept or math.log(value / kept[-1]) >= distance:
            kept.append(value)
    return kept


def _told(played: Played, name: str = "") -> str:
    """What a chart says, in a sentence."""
    best, count = played.best, len(played.trials)
    trials = f"{count} trial{'s' * (count != 1)}"
    if best is None:
        return f"NLL of {trials}, none of which came to its end."
    at = ""
    if name in best.parameters:
        at = f" at {name.replace('_', ' ')} {best.parameters[name]:.3g}"
    return f"NLL of {trials}; the best, {best.nll:.4f}, is trial {best.number}{at}."
