"""Activation checkpointing runs layers twice; their squares count once."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.vogn_app.curvature.exactness import (
    assert_close,
    capture_of,
    record,
    truth,
)

MODES = pytest.mark.parametrize("reentrant", [False, True])


class Segmented(nn.Module):
    """Runs parts of itself in checkpoints, unless these are off."""

    reentrant: bool | None = None

    def segment(self, function, x):
        if self.reentrant is None:
            return function(x)
        return checkpoint(function, x, use_reentrant=self.reentrant)


def assert_exact(model, x, reentrant):
    """Squares with checkpoints equal those of a loop without."""
    expected = truth(model, (x,))
    model.reentrant = reentrant
    capture = capture_of(model)
    for _ in range(2):
        got, _ = record(capture, model, (x,))
        assert_close(got, expected)
    return capture


class Body(nn.Module):
    """Convolution, norm, tokens, embedding-free attention."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 2), nn.GroupNorm(2, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.norm(self.conv(x)).relu().flatten(2).transpose(1, 2)
        return self.head(x + self.attention(x, x, x)[0]).mean(1)


class Checkpointed(Segmented):
    """Layers before, within and after a checkpoint."""

    def __init__(self):
        super().__init__()
        self.stem, self.body = nn.Conv2d(2, 2, 1), Body()
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        x = self.stem(x).tanh()
        return self.head(self.segment(self.body, x))


@MODES
def test_layers_in_a_checkpoint_count_once(reentrant):
    capture = assert_exact(Checkpointed(), torch.randn(5, 2, 4, 4), reentrant)
    assert set(capture.coverage().values()) == {
        "conv2d", "group_norm", "linear", "multihead_attention",
    }  # fmt: skip


class TiedSegments(Segmented):
    """One layer in two checkpoints: cross terms between segments."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.stem = layer, nn.Linear(3, 3)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(2):
            x = self.segment(lambda x: self.layer(x).tanh(), x)
        return x


@MODES
@pytest.mark.parametrize("layer", [lambda: nn.Linear(3, 3), lambda: nn.LayerNorm(3)])
def test_a_layer_in_two_checkpoints_has_its_cross_terms(reentrant, layer):
    assert_exact(TiedSegments(layer()), torch.randn(5, 3), reentrant)


class ScaledInside(Segmented):
    """A bare parameter whose product is inside a checkpoint."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 3)
        self.scale, self.head = nn.Parameter(torch.randn(3)), nn.Linear(3, 2)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.segment(lambda x: (x * self.scale).tanh(), x))


@MODES
def test_a_bare_parameter_in_a_checkpoint_is_exact(reentrant):
    assert_exact(ScaledInside(), torch.randn(5, 3), reentrant)
