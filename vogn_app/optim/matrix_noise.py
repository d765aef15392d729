"""Noise of the weights with Kronecker-factored covariances, for an optimizer."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from ..curvature.evidence import full_precision
from ..curvature.kronecker.blocks import Block, KroneckerBlock, Part
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.covariances import (
    Covariance,
    JointCovariance,
    covariances_of,
)
from ..curvature.kronecker.damped import Request
from ..posterior.matching import parameters_of
from ..posterior.matrix_blocks import Layout, MatrixBlock, deviations
from .blockwise import BlockPreconditioner
from .groups import batch_norm_parameters
from .noise import NoiseSource

Requests = list[Request]  # of a block, side by side


@final
class MatrixNoise:
    """Draws the weights of a preconditioner's blocks.

    C of a block is the inverse that the preconditioner uses, and as old; the covariance
    of the draws is a scale times C.

    Args:
        model: The network.
        preconditioner: Gives blocks and statistics.
        silent_norms: Whether the parameters of BatchNorm have no noise.
    """

    def __init__(
        self,
        model: nn.Module,
        preconditioner: BlockPreconditioner,
        *,
        silent_norms: bool,
    ) -> None:
        self._preconditioner = preconditioner
        every = preconditioner.parameters
        names = {id(p): name for name, p in parameters_of(model).items()}
        plain = {name: names[id(p)] for name, p in every.items()}
        self._parameters = {plain[name]: p for name, p in every.items()}
        silent = batch_norm_parameters(model) if silent_norms else set()
        blocks = {
            name: block
            for name, block in preconditioner.blocks.items()
            if not any(id(every[part.name]) in silent for part in block.parts.values())
        }
        parts = (part for block in blocks.values() for part in block.parts.values())
        self.names = {part.name for part in parts}
        self.layouts = {name: layout_of(b, plain) for name, b in blocks.items()}
        self._known: dict[str, tuple[Requests, Covariance]] = {}

    def draw(self, source: NoiseSource, scale: float) -> dict[Tensor, Tensor]:
        """A draw's deviation from the mean.

        Args:
            source: Gives the normals.
            scale: Of the covariance.

        Returns:
            By parameter, of the blocks that were measured.
        """
        found = self._covariances()
        layouts = [self.layouts[name] for name in found]
        normals = source.normals([self._like(layout) for layout in layouts])
        noise = {each.name: x for each, x in zip(layouts, normals, strict=True)}
        scales = dict.fromkeys(found, scale)
        shapes = {name: p.shape for name, p in self._parameters.items()}
        with full_precision(next(iter(self._parameters.values()))):
            shifts = deviations(layouts, found, noise, scales, shapes)
        return {self._parameters[name]: shift[0] for name, shift in shifts.items()}

    def blocks(self, scale: float) -> list[MatrixBlock]:
        """The Gaussians of the blocks that were measured."""
        result = []
        for name in self._covariances():
            layout, (requests, covariance) = self.layouts[name], self._known[name]
            factors = dict(zip(layout.sides, requests, strict=True))
            joint = isinstance(covariance, JointCovariance)
            result.append(MatrixBlock(layout, factors, scale, joint))
        return result

    def mean_deviation(self, scale: float) -> Tensor:
        """Standard deviation averaged over all sampled weights; 0 without any."""
        each = [c.variances().sqrt().flatten() for c in self._covariances().values()]
        return torch.cat(each).mean() * scale**0.5 if each else torch.zeros(())

    def _like(self, layout: Layout) -> Tensor:
        """Shape, type and device of a block's noise, without memory for it."""
        parameter = self._parameters[next(iter(layout.parts.values())).name]
        dtype = torch.promote_types(parameter.dtype, torch.float32)
        return parameter.new_empty((), dtype=dtype).expand(1, *layout.shape)

    def _covariances(self) -> dict[str, Covariance]:
        """C of the blocks that were measured, made anew where inverses were."""
        known = self._preconditioner.behind_inverses
        wanted = {
            name: [known[name, side] for side in layout.sides]
            for name, layout in self.layouts.items()
            if all((name, side) in known for side in layout.sides)
        }
        stale = [
            name
            for name, requests in wanted.items()
            if name not in self._known or not _are_same(self._known[name][0], requests)
        ]
        if stale:
            with torch.inference_mode(False), torch.no_grad():
                self._renew({name: wanted[name] for name in stale})
        return {name: self._known[name][1] for name in wanted if name in self._known}

    def _renew(self, stale: Mapping[str, Requests]) -> None:
        requests: dict[Key, Request] = {}
        for name, each in stale.items():
            bases = self._preconditioner.eigenbases(name)
            if bases is not None:
                self._known[name] = (each, JointCovariance(*bases, each[0].damping))
                continue
            sides = self.layouts[name].sides
            requests |= {(name, s): r for s, r in zip(sides, each, strict=True)}
        with full_precision(next(iter(self._parameters.values()))):
            found = covariances_of(requests)
        for name, covariance in found.items():
            if covariance is not None:  # else the last one stays, as the inverse does
                self._known[name] = (stale[name], covariance)


def layout_of(block: Block, names: Mapping[str, str]) -> Layout:
    """Where the numbers of a block's matrix are, as plain data.

    Args:
        block: The block.
        names: Names to give its parameters, by those they have in it.

    Returns:
        The layout.
    """
    parts = {
        local: Part(names[part.name], part.shape, part.rows)
        for local, part in block.parts.items()
    }
    blocks, outputs, inputs = block.matrix_shape
    table = isinstance(block, KroneckerBlock) and block.rule.name == "embedding"
    shape = (blocks, outputs, inputs)
    return Layout(block.name, parts, block.sides, shape, transposed=table)


def _are_same(old: Requests, new: Requests) -> bool:
    """Whether factors and dampings are the very same tensors."""
    return all(
        a.moment_mean is b.moment_mean and a.damping is b.damping
        for a, b in zip(old, new, strict=True)
    )
