"""From sums over a process's rows to its share of means over all examples."""

from collections.abc import Mapping

from torch import Tensor

from ..curvature.kronecker.blocks import INPUTS
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import Gathered
from ..curvature.kronecker.moments import Moment
from .factors import compact

Share = float | Tensor
Means = dict[Key, Moment]


def share_of(
    gathered: Gathered,
    loss_scale: Share | None,
    total: int,
    weight: float,
    *,
    mean: bool,
) -> Share:
    """Factor that turns sums of squared contributions into a share of their mean.

    Contributions c_i sum to the gradient that is preconditioned, so that those of a
    mean are g_i / N and G is N sum_i c_i c_i^T.

    Args:
        gathered: What the process has seen.
        loss_scale: What the loss was multiplied by, None for nothing.
        total: Examples of all processes.
        weight: Of this process's gradient in that of all.
        mean: Whether the loss is a mean over its examples, or a sum.

    Returns:
        The factor.
    """
    if gathered.plain:
        return 1 / max(1, total)
    factor = total * weight**2 if mean else 1 / max(1, total)
    return factor if loss_scale is None else factor / loss_scale / loss_scale


def means_of(
    moments: Mapping[Key, Moment], share: Share, counts: Mapping[Key, int]
) -> Means:
    """What a process adds to the means of its statistics.

    Args:
        moments: Its sums.
        share: Factor of those of contributions.
        counts: Rows of inputs of all processes.

    Returns:
        The means.
    """
    return {
        key: mean_of(moment, 1 / counts[key] if key[1] == INPUTS else share)
        for key, moment in moments.items()
    }


def mean_of(moment: Moment, factor: float | Tensor) -> Moment:
    """A sum times a factor as a mean."""
    scaled = moment.scaled(factor)
    return compact(Moment(scaled.form, scaled.value, 1))
