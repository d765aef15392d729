"""Mean, variance and last deviations of weights that come one after the other.

Symbols, for i = 1 ... T:
    theta_i     weights
    means       their running mean
    squares     sum of squared distances from it, T times the variance
    d_i         theta_i - mean of the first i; the last K of them are kept

    squares <- squares + (1 - 1 / i) (theta_i - mean of those before)^2
    means   <- means + (theta_i - means) / i

Welford (1962): no difference of large numbers, and sums that only grow. All are at
least in float32, since averages stand still in half precision.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

# Keys of the state.
COLLECTED, MEANS, SQUARES, DEVIATIONS = (
    "num_collected", "means", "squares", "deviations",
)  # fmt: skip


class WeightMoments:
    """Moments of named weights.

    Args:
        max_rank: K >= 2, deviations that are kept.

    Attributes:
        count: T, how many there were.
        means: By name.
        squares: By name.
        deviations: [K, *shape] by name, a ring: the i-th is in row (i - 1) mod K.
    """

    def __init__(self, max_rank: int) -> None:
        self.max_rank = max_rank
        self.count = 0
        self.means: dict[str, Tensor] = {}
        self.squares: dict[str, Tensor] = {}
        self.deviations: dict[str, Tensor] = {}

    @property
    def rank(self) -> int:
        """How many deviations there are."""
        return min(self.count, self.max_rank)

    @torch.no_grad()
    def add(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights in; they are left alone. Names are the same every time."""
        wide = {name: _wide(each.detach()) for name, each in weights.items()}
        for name, each in wide.items():
            if name not in self.means:
                self.means[name] = torch.zeros_like(each)
                self.squares[name] = torch.zeros_like(each)
                self.deviations[name] = each.new_zeros(self.max_rank, *each.shape)
        row = self.count % self.max_rank
        self.count += 1
        add_to_moments(
            list(wide.values()),
            [self.means[name] for name in wide],
            [self.squares[name] for name in wide],
            [self.deviations[name][row] for name in wide],
            self.count,
        )

    def state(self) -> dict[str, Any]:
        """All of it; tensors are not copied."""
        return {
            COLLECTED: self.count, MEANS: dict(self.means),
            SQUARES: dict(self.squares), DEVIATIONS: dict(self.deviations),
        }  # fmt: skip

    def load(self, state: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
        """Restore what `state` gave.

        Args:
            state: Of the same weights and K; copied.
            weights: Give shapes, types and devices.

        Raises:
            ValueError: If it does not fit; nothing is changed then.
        """
        known = weights if state[COLLECTED] else {}
        for name, each in known.items():
            ring = (self.max_rank, *each.shape)
            wanted = {MEANS: tuple(each.shape), SQUARES: tuple(each.shape)}
            _check(state, name, {**wanted, DEVIATIONS: ring})
        self.count = state[COLLECTED]
        self.means, self.squares, self.deviations = (
            {n: state[key][n].to(_wide(each), copy=True) for n, each in known.items()}
            for key in (MEANS, SQUARES, DEVIATIONS)
        )


def _check(
    state: Mapping[str, Any], name: str, wanted: Mapping[str, tuple[int, ...]]
) -> None:
    for key, shape in wanted.items():
        found = state[key].get(name)
        got = None if found is None else tuple(found.shape)
        if got != shape:
            raise ValueError(
                f"{key} of the state to load must have {name} of shape {shape}, got "
                f"{got}."
            )


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def add_to_moments(
    weights: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    deviations: list[Tensor],
    count: int,
) -> None:
    """Take weights into mean and variance, equations of the module docstring.

    Args:
        weights: theta_i of each parameter, left alone.
        means: Running means, changed.
        squares: Sums of squared distances, changed.
        deviations: Become d_i.
        count: i, from 1.
    """
    distances = torch._foreach_sub(weights, means)
    torch._foreach_add_(means, distances, alpha=1 / count)
    torch._foreach_addcmul_(squares, distances, distances, value=1 - 1 / count)
    torch._foreach_mul_(distances, 1 - 1 / count)  # to the mean as it is now
    torch._foreach_copy_(deviations, distances)
