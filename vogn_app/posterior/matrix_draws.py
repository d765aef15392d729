"""Draws from Gaussians over blocks of parameters."""

from collections.abc import Collection, Mapping
from math import prod
from typing import final

import torch
from torch import Tensor

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
        if not self._mean:
            return {}
        layouts = [block.layout for block in self._blocks]
        sizes = [prod(layout.shape) for layout in layouts]
        parts = self._normals(keys, sum(sizes)).split(sizes, dim=1)
        noise = {
            layout.name: part.view(len(keys), *layout.shape)
            for layout, part in zip(layouts, parts, strict=True)
        }
        shapes = {name: mean.shape for name, mean in self._mean.items()}
        found = deviations(layouts, self._covariances, noise, self._scales, shapes)
        return {
            name: found[name].add_(mean).to(mean.dtype)
            for name, mean in self._mean.items()
        }

    def _normals(self, keys: list[int], num: int) -> Tensor:
        """Standard normals [S, num], each row from its own key."""
        device = next(iter(self._mean.values())).device
        generator = torch.Generator(device)
        normals = torch.empty(len(keys), num, dtype=self._dtype, device=device)
        for row, key in zip(normals, keys, strict=True):
            row.normal_(generator=generator.manual_seed(key))
        return normals
