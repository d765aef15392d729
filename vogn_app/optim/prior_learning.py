"""The prior precision that a variational posterior itself asks for.

Symbols, as in `vogn_app.optim.vogn`:
    q = N(mu, diag(1 / P))   posterior      delta   prior_precision of N(0, I / delta)
    D     number of weights that share it   tau     temperature
    h     mean curvature of the data        lambda  N h / tau

What variational methods maximise is -(N E_q[loss] + tau KL(q || N(0, I / delta))), in
which delta appears in

    KL = (delta sum(mu^2 + 1 / P) - D log delta) / 2 + terms without delta

alone. So for a given q the best delta, at any tau > 0, is

    delta = D / sum(mu^2 + 1 / P)

and for a given delta, mu and h the best P is lambda + delta, damping being no part of
the objective. The two together,

    delta sum mu^2 = D - sum delta / (lambda + delta) = sum lambda / (lambda + delta),

are MacKay's equation, whose only root is the maximum over delta and P at once, and that
of `marginal_likelihood` with eigenvalues lambda. It is solved here. Between steps of
mu this never lowers the objective, and where it comes to rest q and delta are the best
for each other. Where q can be the exact posterior (of the likelihood to the power
1 / tau), delta then maximises the marginal likelihood, tempered likewise.

h is taken from the optimizer's curvature s, with what is left of the initial curvature
taken out, as Adam does with its averages: `h = (s - c s0) / (1 - c)`, where c is
curvature_decay to the power of the refreshes so far (for IVON, whose s is no plain
average, that is roughly so). To take P as it is would not do: while s0 and damping make
it larger than the posterior's, delta = D / sum(mu^2 + 1 / P) is too large, pulls mu to
zero, and with it grows without bound.

What to mind: a diagonal q of a large network has its own best prior, which often is
stronger than the one that predicts best. Compare on validation data.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from .._checks import check_choice, check_number, check_positive
from .diagonal import STEP
from .former import former_prior
from .groups import ESTIMATE, precision_line, tempered
from .marginal_likelihood import MAXIMUM, MINIMUM, best_prior_precision
from .sampled import SampledOptimizer
from .vogn import REFRESHES

BY = ("all", "group")
Member = tuple[Tensor, Tensor]  # a parameter and its lambda, both flat
Share = tuple[list[dict[str, Any]], list[Member]]  # groups that have one prior


@runtime_checkable
class HasPrecision(Protocol):
    """VOGN and its kin."""

    def posterior_precision(self) -> dict[str, Tensor]:
        """P by parameter."""


@torch.no_grad()
def learn_prior(
    optimizer: SampledOptimizer,
    *,
    by: str = "all",
    minimum: float = MINIMUM,
    maximum: float = MAXIMUM,
) -> list[float]:
    """Set the prior precision to the best one for the present posterior.

    Call it between steps, once an epoch or so, and not before the curvature has seen
    some of the data: it goes through all weights, and the host waits for the device.
    Nothing need be saved: the precision is part of the optimizer's `state_dict()`.

    Args:
        optimizer: `VOGN`, `IVON` or `Vadam`.
        by: Whether "all" weights share a precision, or those of each parameter "group".
            For one a layer, make groups of the layers.
        minimum: Smallest precision to set, > 0.
        maximum: Largest.

    Returns:
        The precisions set, by group, or the one for all. Groups without noise, and
        weights whose prior is a former posterior or whose curvature no step has seen
        yet, keep what they have and are left out; where there are no others the list is
        empty.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: If called inside a block, where the weights are a draw.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = VOGN(model, num_data=100, prior_precision=1.0)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> for _ in range(5):
        ...     with optimizer.sampled_params(train=True):
        ...         optimizer.zero_grad()
        ...         nn.functional.cross_entropy(model(x), y).backward()
        ...     optimizer.step()
        >>> [delta] = learn_prior(optimizer)
        >>> optimizer.param_groups[0]["prior_precision"] == delta
        True
    """
    if not isinstance(optimizer, HasPrecision):
        raise ValueError(
            "optimizer must be a VOGN, IVON or Vadam, got a "
            f"{type(optimizer).__name__}."
        )
    check_choice("by", by, BY)
    low = check_positive("minimum", minimum)
    high = check_number("maximum", maximum, minimum=low)
    if optimizer._blocks is not None:
        optimizer._blocks.give_up()
    if optimizer._inside:
        raise RuntimeError("learn_prior must be called outside sampled_params.")
    shares = _shares(optimizer)
    if not shares:
        return []
    for groups, members in [_joined(shares)] if by == "all" else shares:
        squares = sum(float(mean.square().sum()) for mean, _ in members)
        values = together(each for _, each in members)
        delta = best_prior_precision(squares, values, minimum=low, maximum=high)
        for group in groups:
            group["prior_precision"] = delta
    found = [float(groups[0]["prior_precision"]) for groups, _ in shares]
    return found[:1] if by == "all" else found


def data_curvature(
    curvature: Tensor, initial: float, decay: float, refreshes: int
) -> Tensor:
    """The mean curvature of the data alone, from an average that began elsewhere.

    Args:
        curvature: s after some refreshes.
        initial: s before them.
        decay: Weight of the past in s at each refresh, in [0, 1).
        refreshes: How many there were, >= 1.

    Returns:
        h >= 0, in double precision.
    """
    left = decay**refreshes
    return ((curvature.double() - left * initial) / (1 - left)).clamp(min=0)


def together(values: Iterable[Tensor]) -> Tensor:
    """Flat tensors in one, on the device of the first: a model may be on several."""
    first, *others = values
    return torch.cat((first, *(each.to(first.device) for each in others)))


def _shares(optimizer: SampledOptimizer) -> list[Share]:
    """Groups with noise, with mu and lambda of their members."""
    assert isinstance(optimizer, HasPrecision)
    precisions, shares = optimizer.posterior_precision(), list[Share]()
    for group in optimizer.param_groups:
        members = []
        for parameter in group["params"]:
            precision = precisions.get(optimizer._names[id(parameter)])
            state = optimizer.state.get(parameter, {})
            isotropic = former_prior(state) is None
            if precision is not None and _refreshes(state) and isotropic:
                own = _eigenvalues(optimizer, group, state, precision)
                members.append((parameter.double().flatten(), own.flatten()))
        if members:
            shares.append(([group], members))
    return shares


def _eigenvalues(
    optimizer: SampledOptimizer,
    group: dict[str, Any],
    state: dict[str, Any],
    precision: Tensor,
) -> Tensor:
    """Lambda = N h / tau of a parameter."""
    slope, offset = precision_line(tempered(group, optimizer.num_steps))
    curvature = (precision.double() - offset) / slope
    initial = group["initial_curvature"]
    if initial == ESTIMATE:  # an average of the data's from the start
        return curvature.clamp(min=0) * slope
    decay = group["curvature_decay"] ** optimizer.curvature_interval
    return data_curvature(curvature, initial, decay, _refreshes(state)) * slope


def _refreshes(state: Mapping[str, Any]) -> int:
    """How often a parameter's curvature was refreshed."""
    return int(state.get(REFRESHES, state.get(STEP, 0)))


def _joined(shares: list[Share]) -> Share:
    groups = [group for some, _ in shares for group in some]
    return groups, [member for _, members in shares for member in members]
