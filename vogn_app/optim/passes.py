"""Backward passes at labels of the model's own, where the data's are not taken."""

from collections.abc import Callable

import torch

from .._checks import check_choice
from ..curvature.evidence import promoted
from ..curvature.kronecker.passes import Passes
from ..curvature.labels import FisherPass
from ..likelihoods import Likelihood

CURVATURES = ("empirical", "fisher", "exact")


def passes_named(
    curvature: str,
    likelihood: Likelihood,
    generator: Callable[[torch.device], torch.Generator],
) -> Passes | None:
    """The backward passes that a curvature is measured by.

    Args:
        curvature: "empirical", "fisher" or "exact".
        likelihood: Distribution of labels given the outputs.
        generator: Gives the source of drawn labels for a device.

    Returns:
        What gives the gradients that passes begin with; None for the loss's own pass.

    Raises:
        ValueError: If the curvature is unknown, or the likelihood cannot give it.
    """
    check_choice("curvature", curvature, CURVATURES)
    if curvature == "empirical":
        return None
    if curvature == "fisher":
        drawn = FisherPass(likelihood, generator)
        return lambda output, num: [drawn.gradient(output, num)]
    roots = getattr(likelihood, "square_roots", None)
    if roots is None:
        raise ValueError(
            "likelihood must have the method square_roots when curvature is 'exact', "
            f"got {likelihood!r}."
        )
    return lambda output, _: (root.to(output.dtype) for root in roots(promoted(output)))
