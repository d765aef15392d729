"""A small search for a method's setting, and what the best one takes to reach a target.

Of the settings, the better half goes on each time, the last choice being made at a
quarter of the limit: four settings are tried for an eighth of it, two for a quarter,
these with every seed, since some learn with one alone. What is hopeless at half of the
limit is given up.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.peers.contenders import SETTINGS, config_of
from benchmarks.peers.learning import Attempt, Curve, Curves, steps_per_epoch

TARGETS = (0.88, 0.895)
SEARCH_SEED = 0
LAST = 2  # settings, between which all seeds decide
HOPELESS = 0.8  # test accuracy below which half of the limit says enough
Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is tried.

    Args:
        limits: Epochs by batch size.
        num_settings: Of each method's settings, the first ones.
        seeds: Of the figures; the search's is always among them, and first.
    """

    limits: dict[int, int]
    num_settings: int
    seeds: tuple[int, ...]

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The search's first."""
        return (SEARCH_SEED, *(seed for seed in self.seeds if seed != SEARCH_SEED))


def rows_of(curves: Curves, method: str, batch_size: int, plan: Plan) -> list[Row]:
    """Search, train the best setting with every seed, and tell it.

    Args:
        curves: Where learning curves come from.
        method: Name in `SETTINGS`.
        batch_size: Examples of a step.
        plan: How much of all that.

    Returns:
        A row for each target.
    """
    best = winner(curves, method, batch_size, plan)
    found = curves_of_seeds(curves, best, plan.all_seeds)
    values = config_of(method, best.setting, batch_size).hyperparameters
    per_epoch = steps_per_epoch(curves.problem, batch_size)
    start = {"method": method, "batch_size": batch_size}
    end = {
        **{name: values.get(name) for name in ("lr", "damping", "kl_clip")},
        "num_seeds": len(found),
        "best_accuracy": statistics.median(curve.best for curve in found),
        "tried_epochs": max(curve.points[-1].step for curve in found) / per_epoch,
    }
    return [start | summary(found, target, per_epoch) | end for target in TARGETS]


def winner(curves: Curves, method: str, batch_size: int, plan: Plan) -> Attempt:
    """The attempt that is left after a search, trained to a quarter of its limit."""
    limit = plan.limits[batch_size]
    left = [
        Attempt(method, batch_size, setting, SEARCH_SEED, limit)
        for setting in SETTINGS[method][: plan.num_settings]
    ]
    total = limit * steps_per_epoch(curves.problem, batch_size)
    while len(left) > 1:
        step = math.ceil(total / (2 * len(left)))
        seeds = plan.all_seeds if len(left) == LAST else (SEARCH_SEED,)
        standings = {
            each: standing([
                curves.until(replace(each, seed=seed), step) for seed in seeds
            ])
            for each in left
        }
        left = sorted(left, key=standings.__getitem__)[: len(left) // 2]
    return left[0]


def standing(found: Sequence[Curve]) -> tuple[float, ...]:
    """What a setting is judged by, smaller being better.

    Steps to the highest target, then to the lower ones, then the accuracy, each the
    median over the curves of its seeds.
    """
    steps = [[steps_to(curve, target) for curve in found] for target in TARGETS[::-1]]
    medians = [statistics.median(each) for each in steps]
    return (*medians, -statistics.median(curve.best for curve in found))


def steps_to(curve: Curve, target: float) -> float:
    """Steps to a target, infinite where it is not reached."""
    point = curve.first(target)
    return math.inf if point is None else point.step


def curves_of_seeds(curves: Curves, best: Attempt, seeds: Sequence[int]) -> list[Curve]:
    """Curves of an attempt to its end, by seed, that of the search being the first.

    Where the first is hopeless or reaches no target, that is all: hours that tell
    nothing are left out.
    """
    end = best.limit * steps_per_epoch(curves.problem, best.batch_size)
    found = [curves.until(best, end // 2)]
    if found[0].best >= HOPELESS:
        found = [curves.until(best, end)]
    if found[0].best >= min(TARGETS):
        found += [curves.until(replace(best, seed=seed), end) for seed in seeds[1:]]
    curves.forget()
    return found


def summary(found: Sequence[Curve], target: float, per_epoch: int) -> Row:
    """What it takes to reach a target: medians over seeds, and the spread of steps."""
    points = [curve.first(target) for curve in found]
    steps = [math.inf if point is None else point.step for point in points]
    seconds = [math.inf if point is None else point.seconds for point in points]
    middle = statistics.median(steps)
    return {
        "target": target,
        "steps": finite(middle),
        "seconds": finite(statistics.median(seconds)),
        "epochs": finite(middle / per_epoch),
        "steps_low": finite(min(steps)),
        "steps_high": finite(max(steps)),
    }


def finite(number: float) -> float | None:
    """A number, None for infinity."""
    return number if math.isfinite(number) else None
