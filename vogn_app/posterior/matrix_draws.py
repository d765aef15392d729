"""Draws from Gaussians over blocks of parameters."""

from collections.abc import Collection, Mapping
from math import prod
from typing import final

import torch
from torch import Tensor

from ..curvature.evidence import full_precision
from ..curvature.kronecker.covariances import Covariance
from .draws import wide_dtype
from .matrix_blocks import MatrixBlock, deviations


@final
class MatrixSampler:
    """Draws all sampled parameters.

    Args:
        mean: Means of the sampled parameters by name, on one device.
        blocks: All of them.
        covariances: C by block.
    """

    def __init__(
        self,
        mean: dict[str, Tensor],
        blocks: Collection[MatrixBlock],
        covariances: Mapping[str, Covariance],
    ) -> None:
        self._mean, self._covariances = mean, covariances
        # Sorted: a draw must not depend on the order in which a file keeps names.
        self._blocks = sorted(blocks, key=lambda block: block.layout.name)
        self._dtype = wide_dtype(*mean.values())
        self._scales = {block.layout.name: block.scale for block in blocks}

    def __call__(self, keys: list[int]) -> dict[str, Tensor]:
        """Draw once for each key.

        Args:
            keys: From `draw_keys`; S of them.

        Returns:
            Draws [S, *shape] by name, in the types of the means.
        """
        draws = {
            name: mean.new_empty(len(keys), *mean.shape)
            for name, mean in self._mean.items()
        }
        # One by one: a product of many rounds otherwise than one of few.
        for i, key in enumerate(keys):
            for name, deviation in self._deviations(key).items():
                draws[name][i] = deviation[0].add_(self._mean[name])
        return draws

    def _deviations(self, key: int) -> dict[str, Tensor]:
        """One draw minus the mean, [1, *shape] by name."""
        if not self._mean:
            return {}
        device = next(iter(self._mean.values())).device
        generator = torch.Generator(device).manual_seed(key)
        layouts = [block.layout for block in self._blocks]
        sizes = [prod(layout.shape) for layout in layouts]
        flat = torch.empty(sum(sizes), dtype=self._dtype, device=device)
        parts = flat.normal_(generator=generator).split(sizes)
        noise = {
            layout.name: part.view(1, *layout.shape)
            for layout, part in zip(layouts, parts, strict=True)
        }
        shapes = {name: mean.shape for name, mean in self._mean.items()}
        with full_precision(flat):
            return deviations(layouts, self._covariances, noise, self._scales, shapes)
