"""Averages of statistics over steps, by block and side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.moments import Form, Moment
from .division import Division
from .early import wide

_NEVER, _SAME, _OLDER = range(3)  # what is inverted: nothing, the average, another


@dataclass(frozen=True)
class Factor:
    """A statistic averaged over the steps that refreshed it.

    Args:
        mean: The average; its count is 1.
        mass: Sum of the weights of the statistics in it, the newest having weight 1.
        step: Number of the last of these steps.
    """

    mean: Moment
    mass: float = 1.0
    step: int = 0


def averaged(old: Factor | None, new: Moment, decay: float, step: int) -> Factor:
    """The average with one more step's statistic.

    Args:
        old: The average so far; None at first.
        new: The statistic of this step, a mean over its examples.
        decay: Weight of the past a step, in [0, 1). Of statistics x_k of steps s_k the
            average at step s is sum_k decay^(s - s_k) x_k / sum_k decay^(s - s_k):
            correct from the start, and of the same age however rare refreshes are.
        step: Number of this step.

    Returns:
        The new average, in new memory.
    """
    if old is None or decay == 0.0:
        return Factor(new, 1.0, step)
    past = old.mass * decay ** max(1, step - old.step)
    mass = past + 1
    mean = old.mean.scaled(past / mass) + new.scaled(1 / mass)
    return Factor(compact(Moment(mean.form, mean.value, 1)), mass, step)


def compact(moment: Moment) -> Moment:
    """Contiguous, as a loaded one is; rows that are too many as their matrix."""
    moment = Moment(moment.form, moment.value.contiguous(), moment.count)
    if moment.form == "rows" and 2 * moment.value.shape[1] > moment.size:
        return Moment("matrix", moment.matrix(), moment.count)
    return moment


def is_near(new: Moment, old: Moment, limit: float) -> Tensor:
    """Whether ||new - old|| < limit ||old|| in the Frobenius norm, on the device.

    Of rows no matrix is formed: ||V^T V - W^T W||^2 is a sum of squared products.
    """
    if new.form == old.form == "rows":
        own, other = _norm(new.value, new.value), _norm(old.value, old.value)
        change = (own + other - 2 * _norm(new.value, old.value)).clamp(min=0)
        return change < limit**2 * other
    if new.form == "rows" or old.form == "rows":
        new, old = _as_matrix(new), _as_matrix(old)
    norm = torch.linalg.vector_norm
    near: Tensor = norm(new.value - old.value) < limit * norm(old.value)
    return near


def _norm(left: Tensor, right: Tensor) -> Tensor:
    """Product of the moments of rows, entry by entry, and summed."""
    products: Tensor = left @ right.mT
    return products.square().sum()


def _as_matrix(moment: Moment) -> Moment:
    return Moment("matrix", moment.matrix(), moment.count)


def key_text(key: Key) -> str:
    """A key as one text, for files."""
    return ":".join(key)


def key_of(text: str) -> Key:
    """The inverse of `key_text`."""
    block, _, side = text.rpartition(":")
    return block, side


def saved_moment(moment: Moment) -> dict[str, Any]:
    """A mean as plain data."""
    return {"form": moment.form, "value": moment.value}


def loaded(value: Tensor, like: Tensor) -> Tensor:
    """A saved tensor on a parameter's device, in the type of its statistics."""
    return value.to(like.device, wide(like), copy=True)


def loaded_moment(saved: Mapping[str, Any], like: Tensor) -> Moment:
    """A mean from plain data, for a parameter."""
    form: Form = saved["form"]
    return Moment(form, loaded(saved["value"], like), 1)


def saved_factor(factor: Factor) -> dict[str, Any]:
    """An average as plain data."""
    return saved_moment(factor.mean) | {"mass": factor.mass, "step": factor.step}


def loaded_factor(saved: Mapping[str, Any], like: Tensor) -> Factor:
    """An average from plain data, for a parameter."""
    return Factor(loaded_moment(saved, like), saved["mass"], saved["step"])


@final
class Factors:
    """The averages of all blocks, and those behind the present inverses.

    Both are tensors that are replaced, never changed: where inverses are as new as the
    averages they share their memory.
    """

    def __init__(self) -> None:
        self.present: dict[Key, Factor] = {}
        self.inverted: dict[Key, Moment] = {}
        self.dampings: dict[Key, Tensor] = {}

    def take(self, new: Mapping[Key, Moment], decay: float, step: int) -> None:
        """Put one step's statistics in, each a mean."""
        for key, moment in new.items():
            self.present[key] = averaged(self.present.get(key), moment, decay, step)

    def state_dict(self) -> dict[str, Any]:
        """Everything, by block and side."""
        result: dict[str, Any] = {}
        for key, factor in self.present.items():
            entry = saved_factor(factor)
            if key in self.inverted:
                behind = self.inverted[key]
                same = behind is factor.mean
                entry["inverted"] = None if same else saved_moment(behind)
                entry["damping"] = self.dampings[key]
            result[key_text(key)] = entry
        return result

    def load_state_dict(
        self, saved: Mapping[str, Any], likes: Mapping[str, Tensor]
    ) -> None:
        """Restore what `state_dict` gave.

        Args:
            saved: What it gave.
            likes: A parameter of each block, whose device and type are wanted.
        """
        self.present, self.inverted, self.dampings = {}, {}, {}
        for text, entry in saved.items():
            key = key_of(text)
            like = likes[key[0]]
            self.present[key] = loaded_factor(entry, like)
            mean = self.present[key].mean
            if "damping" in entry:
                other = entry["inverted"]
                behind = mean if other is None else loaded_moment(other, like)
                self.inverted[key] = behind
                self.dampings[key] = loaded(entry["damping"], like)

    def keep(self, held: Callable[[str], bool]) -> None:
        """Keep the averages of some blocks alone."""
        self.present = {k: v for k, v in self.present.items() if held(k[0])}
        self.inverted = {k: v for k, v in self.inverted.items() if held(k[0])}
        self.dampings = {k: v for k, v in self.dampings.items() if held(k[0])}

    def complete(self, every: Mapping[Key, Moment], division: Division) -> None:
        """Take statistics from the ranks that hold them.

        Args:
            every: Averages of all statistics.
            division: Sums what belongs to them over the ranks.
        """
        said = self._said(every, division)
        dampings = self._all_dampings(every, division)
        older = [key for key in every if said[key][2] == _OLDER]
        own = {key: self.inverted[key] for key in older if key in self.inverted}
        behind = division.given_to_all(older, own) if older else {}
        for key, moment in every.items():
            mass, step, state = said[key]
            self.present.setdefault(key, Factor(moment, mass, int(step)))
            if state != _NEVER:
                mean = self.present[key].mean
                self.inverted.setdefault(key, behind.get(key, mean))
                self.dampings.setdefault(key, dampings[key])

    def _all_dampings(
        self, every: Mapping[Key, Moment], division: Division
    ) -> dict[Key, Tensor]:
        """Dampings of all statistics, from the ranks that hold them."""
        like = next(iter(every.values())).value
        sizes = [division.num_dampings(key) for key in every]
        flat = like.new_zeros(sum(sizes))
        for key, place in zip(every, flat.split(sizes), strict=True):
            if key in self.dampings:
                place.copy_(self.dampings[key])
        whole = division.total(flat).split(sizes)
        return {key: each.clone() for key, each in zip(every, whole, strict=True)}

    def _said(
        self, every: Mapping[Key, Moment], division: Division
    ) -> dict[Key, list[float]]:
        """What owners say: mass and step of averages, and what is inverted of them."""
        own = [
            [self.present[key].mass, self.present[key].step, self._inverse_of(key)]
            if division.inverts(key[0])
            else [0.0, 0, _NEVER]
            for key in every
        ]
        device = next(iter(every.values())).value.device
        numbers = torch.tensor(own, dtype=torch.float64, device=device)
        return dict(zip(every, division.total(numbers).tolist(), strict=True))

    def _inverse_of(self, key: Key) -> int:
        if key not in self.inverted:
            return _NEVER
        same = self.inverted[key] is self.present[key].mean
        return _SAME if same else _OLDER
