"""A prior N(mu0, diag(1 / Lambda0)) by weight: the posterior of a former task.

Where the isotropic prior N(0, I / delta) has one number, this one has a mean and a
precision for each weight. Symbols are those of `vogn_app.optim.vogn`:

    m gets   g + (tau / N) Lambda0 (mu - mu0)
    step     divided by  s + gamma + tau Lambda0 / N
    P     =  (N (s + gamma) + tau Lambda0) / tau

With mu0 = 0 and Lambda0 = delta they are the isotropic ones, to rounding. Here are the
formulas, and what of an optimizer is not its update: `ContinualOptimizer`.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..posterior import GaussianPosterior
from ..posterior.matching import listed, parameters_of
from .diagonal import CURVATURE, DiagonalOptimizer, Line
from .groups import precision_line

# Keys of a parameter's state: mu0 and Lambda0.
PRIOR_MEAN, PRIOR_PRECISION = "prior_mean", "prior_precision"
# What the metadata of a posterior says of its prior, where it is not isotropic.
PRIOR, FORMER = "prior", "a former posterior"

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


class ContinualOptimizer(DiagonalOptimizer):
    """Base of optimizers whose prior may be the posterior of a former task."""

    _wide = (*DiagonalOptimizer._wide, PRIOR_MEAN, PRIOR_PRECISION)

    @torch.no_grad()
    def set_prior(self, posterior: GaussianPosterior | None) -> None:
        """Let the posterior of a former task be the prior, weight by weight.

        The parameters themselves are left alone: `posterior.load_into(model)` begins at
        its mean. `num_data` is the new task's; a new optimizer for each task begins
        with a curvature of that task's own. BatchNorm's parameters, which have no
        prior, and others that the posterior has no precision of keep what they had, and
        so do those that are added later.

        Args:
            posterior: As `posterior()` gave it; copied. None for the isotropic prior.

        Raises:
            ValueError: If it is no `GaussianPosterior` or does not fit the model.
            RuntimeError: If called inside a block.
        """
        if self._blocks is not None:
            self._blocks.give_up()
        if self._inside:
            raise RuntimeError("set_prior must be called outside sampled_params.")
        if posterior is not None:
            check_prior_fits(posterior, self.model)
        self._know_parameters()
        for group in self.param_groups:
            for p in group["params"]:
                prior = None
                if posterior is not None and not self._is_silent(p):
                    name = self._plain[self._names[id(p)]]
                    prior = prior_for(p, name, posterior)
                put_prior(self._state(p, group), prior)
        self._alike = False  # other ranks may have been given another prior

    def _former(self, parameter: Tensor, group: dict[str, Any]) -> Prior | None:
        return former_prior(self._state(parameter, group))

    def _line(self, parameter: Tensor, group: dict[str, Any]) -> Line:
        """Slope and offset, without a prior that is another for each weight."""
        return precision_line(group, self._former(parameter, group) is not None)

    def _curvature(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        """The average, with what of the precision is no line of it."""
        curvature = super()._curvature(parameter, group)
        prior = self._former(parameter, group)
        if prior is None:
            return curvature
        return with_prior(curvature, prior[1], precision_line(group)[0])

    def _precision(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        prior = self._former(parameter, group)
        if prior is None:
            return super()._precision(parameter, group)
        slope, offset = self._line(parameter, group)
        curvature: Tensor = self._state(parameter, group)[CURVATURE]
        return curvature * slope + offset + prior[1]

    def _prior_precision(self, parameter: Tensor, group: dict[str, Any]) -> float:
        former = self._former(parameter, group) is not None
        return 0.0 if former else super()._prior_precision(parameter, group)

    @torch.no_grad()
    def posterior(self) -> GaussianPosterior:
        """The posterior as it is now, to predict with, to report on and to save.

        Returns:
            A copy, which later steps leave alone and which needs no optimizer. Names
            are those in the model within wrappers. After `set_prior` no isotropic prior
            tells the divergence from the real one: `prior_precision` is then 0 for the
            weights concerned, so that there is none, and the metadata have an entry
            "prior".

        Raises:
            RuntimeError: If called inside a block, where the weights are a draw.
        """
        return super().posterior()

    def _metadata(self) -> dict[str, str | int | float]:
        states = self.state.values()
        former = any(former_prior(state) is not None for state in states)
        return {**({PRIOR: FORMER} if former else {}), **super()._metadata()}
