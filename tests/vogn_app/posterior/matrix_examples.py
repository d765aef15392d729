"""Posteriors of matrix Gaussians, with made-up factors, for the tests."""

from dataclasses import replace

import torch
from torch import nn

from vogn_app import KroneckerPreconditioner
from vogn_app.curvature.kronecker.blocks import UNIT
from vogn_app.curvature.kronecker.damped import Request
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.optim.matrix_noise import layout_of
from vogn_app.posterior import MatrixGaussianPosterior
from vogn_app.posterior.matrix_blocks import MatrixBlock

SCALE = 0.01
FORMS = {"table": "diagonal"}  # of the factor of inputs, by block


class Zoo(nn.Module):
    """Every kind of block: tables, maps, groups, norms, attention, LSTM, a diagonal."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(6, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.lstm = nn.LSTM(4, 3, batch_first=True)
        self.convolution = nn.Conv1d(3, 6, 2, groups=3)
        self.channels = nn.BatchNorm1d(6)
        self.curve = nn.PReLU(6)
        self.out = nn.Linear(6, 2)
        self.scale = nn.Parameter(torch.tensor(1.5))  # in no block

    def forward(self, tokens):
        x = self.table(tokens)
        x = self.norm(x + self.attention(x, x, x)[0])
        x = self.lstm(x)[0].mT
        return self.scale * self.out(
            self.curve(self.channels(self.convolution(x))).mean(2)
        )


def tokens(num=5):
    return torch.randint(6, (num, 4))


def moment_of(block, side, generator, form="matrix"):
    """A factor with the sizes of a block's side."""
    count, size = block.sizes[side]
    if side == UNIT:
        w, b = torch.randn(2, 5, count, generator=generator)
        entries = [w * w, w * b, b * b] if size == 2 else [w * w]
        return Moment("diagonal", torch.stack([e.sum(0) for e in entries]), 1)
    if block.kind == "diagonal":
        return Moment("diagonal", torch.rand(1, count, generator=generator), 1)
    if form == "diagonal":
        return Moment("diagonal", torch.rand(count, size, generator=generator), 1)
    v = torch.randn(count, size + 2, size, generator=generator)
    if form == "rows" and count == 1:
        return Moment("rows", v[:, : max(1, size // 2)], 1)
    return Moment("matrix", v.mT @ v / size, 1)


def blocks_of(model, joint=False, form="matrix", leave=(), seed=3):
    """Gaussians over all blocks of a model."""
    generator = torch.Generator().manual_seed(seed)
    preconditioner = KroneckerPreconditioner(model)
    names = {name: name for name in preconditioner.parameters}
    result = []
    for name, block in preconditioner.blocks.items():
        layout = layout_of(block, names)
        factors = {
            side: Request(
                moment_of(block, side, generator, FORMS.get(name, form)),
                torch.tensor([0.3]),
            )
            for side in layout.sides
        }
        whole = joint and len(layout.sides) == 2
        if name not in leave:
            result.append(MatrixBlock(layout, factors, SCALE, whole))
    return result


def matrix_posterior_of(model, prior_precision=2.0, metadata=None, **settings):
    """A posterior around what a model holds."""
    blocks = blocks_of(model, **settings)
    names = [part.name for b in blocks for part in b.layout.parts.values()]
    return MatrixGaussianPosterior.from_model(
        model,
        blocks,
        prior_precision=dict.fromkeys(names, prior_precision),
        metadata=metadata or {"num_data": 100, "temperature": 0.5, "version": "1"},
    )


def with_block(posterior, index, **changes):
    """A posterior with a block that differs."""
    blocks = list(posterior.blocks)
    blocks[index] = replace(blocks[index], **changes)
    return replace(posterior, blocks=tuple(blocks))
