"""A prior N(mu0, diag(1 / Lambda0)) by weight: the posterior of a former task.

Where the isotropic prior N(0, I / delta) has one number, this one has a mean and a
precision for each weight. Symbols are those of `vogn_app.optim.vogn`:

    m gets   g + (tau / N) Lambda0 (mu - mu0)
    step     divided by  s + gamma + tau Lambda0 / N
    P     =  (N (s + gamma) + tau Lambda0) / tau

With mu0 = 0 and Lambda0 = delta they are the isotropic ones, to rounding.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..posterior import GaussianPosterior
from ..posterior.matching import listed, parameters_of

# Keys of a parameter's state: mu0 and Lambda0.
PRIOR_MEAN, PRIOR_PRECISION = "prior_mean", "prior_precision"

Prior = tuple[Tensor, Tensor]  # mu0 and Lambda0 of one parameter


def check_prior_fits(posterior: GaussianPosterior, model: nn.Module) -> None:
    """Check that a former posterior can be the prior of a model's weights.

    Args:
        posterior: Of the former task.
        model: The network, wrapped or not.

    Raises:
        ValueError: If it is no diagonal Gaussian, names a weight that the model lacks,
            or has another shape.
    """
    if not isinstance(posterior, GaussianPosterior):
        raise ValueError(
            f"posterior must be a GaussianPosterior, got {type(posterior).__name__}."
        )
    ours = parameters_of(model)
    if unknown := [name for name in posterior.precision if name not in ours]:
        raise ValueError(
            f"posterior must name parameters of the model, got {listed(unknown)}."
        )
    for name, precision in posterior.precision.items():
        if precision.shape != ours[name].shape:
            raise ValueError(
                f"posterior must have {name} of shape {tuple(ours[name].shape)}, got "
                f"{tuple(precision.shape)}."
            )


def prior_for(
    parameter: Tensor, name: str, posterior: GaussianPosterior
) -> Prior | None:
    """Copies of mean and precision on a parameter's device, at least in float32.

    Args:
        parameter: The parameter.
        name: Its name in the model without wrappers.
        posterior: Of the former task.

    Returns:
        None where the posterior has no precision: the isotropic prior stays.
    """
    if name not in posterior.precision:
        return None
    wide = torch.promote_types(parameter.dtype, torch.float32)
    mean, precision = posterior.mean[name], posterior.precision[name]
    with torch.inference_mode(False):  # to be used by later steps
        return (
            mean.detach().to(parameter.device, wide, copy=True),
            precision.detach().to(parameter.device, wide, copy=True),
        )


def put_prior(state: MutableMapping[str, Any], prior: Prior | None) -> None:
    """Note a parameter's prior in its state, or forget it."""
    if prior is None:
        state.pop(PRIOR_MEAN, None)
        state.pop(PRIOR_PRECISION, None)
    else:
        state[PRIOR_MEAN], state[PRIOR_PRECISION] = prior


def former_prior(state: Mapping[str, Any]) -> Prior | None:
    """The prior that a parameter's state notes; None for the isotropic one."""
    if PRIOR_MEAN not in state:
        return None
    return state[PRIOR_MEAN], state[PRIOR_PRECISION]


def with_prior(curvature: Tensor, precision: Tensor, slope: float) -> Tensor:
    """The curvature that slope times gives the precision without damping.

    Args:
        curvature: s.
        precision: Lambda0.
        slope: N / tau.
    """
    return torch.add(curvature, precision, alpha=1 / slope)


def pull_and_weights(
    means: Sequence[Tensor], priors: Sequence[Prior], weight: float
) -> tuple[list[Tensor], list[Tensor]]:
    """What the prior adds to gradients and to the scales of the step.

    Args:
        means: mu.
        priors: mu0 and Lambda0 of each.
        weight: tau / N.

    Returns:
        (tau / N) Lambda0 (mu - mu0), and tau Lambda0 / N.
    """
    centres, precisions = ([prior[i] for prior in priors] for i in (0, 1))
    weights = list(torch._foreach_mul(precisions, weight))
    pulls = list(torch._foreach_sub(list(means), centres))
    torch._foreach_mul_(pulls, weights)
    return pulls, weights
