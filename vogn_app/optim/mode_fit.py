"""What one pass over the data makes of a mode: curvature, likelihood and prior.

Symbols, as in `laplace`:
    L      log-likelihood of the data at the mode, of which the mean is kept
    N, tau num_data, temperature            delta  prior precision by layer
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .._checks import check_positive
from ..curvature.functional import listed
from ..curvature.kronecker.blocks import Block
from ..posterior import GaussianPosterior, MatrixGaussianPosterior
from ..posterior.matching import plain_names
from ..posterior.matrix_blocks import Layout
from .factors import key_of, key_text, loaded_moment, saved_moment
from .loading import check_factors
from .mode_curvature import ModeCurvature, Priors

# Keys of a state.
FACTORS, LOG_LIKELIHOOD, PRIORS = "factors", "log_likelihood", "prior_precisions"
KEYS = (FACTORS, LOG_LIKELIHOOD, PRIORS)


@dataclass(frozen=True)
class ModeFit:
    """A mode's Gaussian, but for the mode itself, which is the network's weights.

    Args:
        curvature: Of the blocks that were measured.
        log_likelihood: L / N.
        priors: delta by layer.
    """

    curvature: ModeCurvature
    log_likelihood: float
    priors: Priors

    def evidence(self, mean: Mapping[str, Tensor], priors: Priors) -> float:
        """Laplace's approximation of log p(D).

        Args:
            mean: The mode, by parameter.
            priors: delta by layer.

        Returns:
            It in nats, of the likelihood to the power 1 / tau.
        """
        likelihood = self.log_likelihood * self.curvature.strength
        return likelihood - self.curvature.occam(mean, priors)

    def matrix_posterior(
        self, network: nn.Module, mean: Mapping[str, Tensor], metadata: dict[str, Any]
    ) -> MatrixGaussianPosterior:
        """The posterior where blocks are matrices.

        Args:
            network: The network, wrapped or not.
            mean: Its parameters.
            metadata: Of the posterior.

        Returns:
            A copy.
        """
        return MatrixGaussianPosterior.from_model(
            network,
            self.curvature.matrix_blocks(mean, self.priors),
            prior_precision=self.curvature.by_parameter(self.priors),
            metadata=metadata,
        )

    def diagonal_posterior(
        self, network: nn.Module, metadata: dict[str, Any]
    ) -> GaussianPosterior:
        """The same where all blocks are diagonal."""
        own = {simple: name for name, simple in plain_names(network).items()}
        priors = self.curvature.by_parameter(self.priors)
        precisions = self.curvature.precisions(self.priors)
        return GaussianPosterior.from_model(
            network,
            {own[name]: precision for name, precision in precisions.items()},
            prior_precision={own[name]: delta for name, delta in priors.items()},
            metadata=metadata,
        )


def fit_state(fit: ModeFit | None) -> dict[str, Any]:
    """What `loaded_fit` reads; tensors are not copied. Without a fit, no factors."""
    if fit is None:
        return {FACTORS: None, LOG_LIKELIHOOD: 0.0, PRIORS: {}}
    items = fit.curvature.factors.items()
    return {
        FACTORS: {key_text(key): saved_moment(moment) for key, moment in items},
        LOG_LIKELIHOOD: fit.log_likelihood,
        PRIORS: dict(fit.priors),
    }


def loaded_fit(
    state: Mapping[str, Any],
    blocks: Mapping[str, Block],
    layouts: Sequence[Layout],
    parameters: Mapping[str, Tensor],
    strength: float,
) -> ModeFit:
    """The fit of a state that has one.

    Args:
        state: By `fit_state`, perhaps with more entries.
        blocks: Ours by name.
        layouts: Of them.
        parameters: By their names in the blocks: factors go to their devices.
        strength: N / tau.

    Returns:
        The fit.

    Raises:
        ValueError: If it is of other blocks, or has not the priors of all layers.
    """
    check_factors(blocks, state[FACTORS])
    factors = {}
    for text, saved in state[FACTORS].items():
        key = key_of(text)
        part = next(iter(blocks[key[0]].parts.values()))
        factors[key] = loaded_moment(saved, parameters[part.name])
    curvature = ModeCurvature.of(layouts, factors, strength)
    priors = dict(state[PRIORS])
    if priors.keys() != curvature.layers.keys():
        raise ValueError(
            f"{PRIORS} must be of {listed(sorted(curvature.layers))} in the state to "
            f"load, got those of {listed(sorted(priors))}."
        )
    for delta in priors.values():
        check_positive(PRIORS, delta)
    return ModeFit(curvature, state[LOG_LIKELIHOOD], priors)
