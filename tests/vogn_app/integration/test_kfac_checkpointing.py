"""K-FAC with activation checkpoints, in-place activations and shared weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.vogn_app.optim.natural import close, parameters_of, train
from vogn_app import KFAC


class Body(nn.Module):
    """Convolution, norm, tokens, attention, a recurrent layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 2), nn.GroupNorm(2, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.recurrent = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)), inplace=True).flatten(2).transpose(1, 2)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.recurrent(x)[0].mean(1)


class Network(nn.Module):
    """Layers before, within and after checkpoints, one of them used twice."""

    reentrant: bool | None = None

    def __init__(self):
        super().__init__()
        self.stem, self.body, self.twice = nn.Conv2d(2, 2, 1), Body(), nn.Linear(4, 4)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 3)

    def segment(self, function, x):
        if self.reentrant is None:
            return function(x)
        return checkpoint(function, x, use_reentrant=self.reentrant)

    def forward(self, x):
        x = self.segment(self.body, self.stem(x).tanh())
        for _ in range(2):
            x = self.segment(lambda x: self.norm(self.twice(x)).tanh(), x)
        return self.head(x)


def data(num=5):
    return torch.randn(num, 2, 4, 4), torch.randint(3, (num,))


OPTIONS = [
    {}, {"sharing": "reduce"}, {"shape": "layer"}, {"shape": "diagonal"},
    {"inversion": "ekfac"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("reentrant", "options"),
    [(way, options) for way in (False, True) for options in OPTIONS]
    + [(False, {"curvature": "exact"})],
)
def test_checkpoints_change_no_step(reentrant, options):
    plain, other = Network(), Network()
    other.load_state_dict(plain.state_dict())
    other.reentrant = reentrant
    batches = [data() for _ in range(3)]
    settings = {"damping": 0.05, "factor_interval": 2, **options}
    expected = train(KFAC(plain, 0.1, **settings), plain, batches)
    got = train(KFAC(other, 0.1, **settings), other, batches)
    for mine, truth in zip(got, expected, strict=True):
        close(mine, truth)
    changed = {
        k for k, p in parameters_of(other).items() if (p != expected[0][k]).any()
    }
    assert changed == set(parameters_of(other))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_change_no_step_of_parts_of_a_batch(reentrant, options):
    plain, other = Network(), Network()
    other.load_state_dict(plain.state_dict())
    other.reentrant = reentrant
    settings = {"damping": 0.05, "factor_interval": 2, **options}
    batches = [data(7) for _ in range(3)]
    for model in (plain, other):
        optimizer = KFAC(model, 0.1, **settings)
        for x, y in batches:
            optimizer.zero_grad()
            for part, labels in zip(x.split([3, 4]), y.split([3, 4]), strict=True):
                (F.cross_entropy(model(part), labels, reduction="sum") / 7).backward()
            optimizer.step()
    for name, truth in parameters_of(plain).items():
        close(parameters_of(other)[name], truth)


def test_a_reentrant_checkpoint_is_an_error_at_labels_of_the_model_s_own():
    model, (x, _) = Network(), data()
    model.reentrant = True
    optimizer = KFAC(model, 0.1, curvature="fisher")
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        model(x)
    del optimizer
    model(x)


def activated(inplace):
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace), nn.Conv2d(3, 4, 2),
        nn.SiLU(inplace), nn.Flatten(), nn.Linear(4, 4, bias=False),
        nn.LeakyReLU(0.1, inplace), nn.Linear(4, 3), nn.Hardtanh(-2, 2, inplace),
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"curvature": "exact"}, {"shape": "layer"}])
def test_activations_in_place_change_no_step(options):
    plain, other = activated(False), activated(True)
    other.load_state_dict(plain.state_dict())
    batches = [data() for _ in range(3)]
    settings = {"damping": 0.05, "factor_interval": 2, **options}
    expected = train(KFAC(plain, 0.1, **settings), plain, batches)
    got = train(KFAC(other, 0.1, **settings), other, batches)
    for mine, truth in zip(got, expected, strict=True):
        close(mine, truth)


class Block(nn.Module):
    """The end of a block of a residual network: added to in place."""

    def __init__(self, inplace):
        super().__init__()
        self.first, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.inplace = inplace
        nn.init.zeros_(self.norm.weight)

    def forward(self, x):
        y = self.norm(self.first(x))
        if self.inplace:
            y += x
            return F.relu_(y)
        return F.relu(y + x)


def test_a_residual_that_is_added_in_place_changes_no_step():
    def network(inplace):
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(32, 4),
            Block(inplace),
            Block(inplace),
            nn.Linear(4, 3),
        )

    plain, other = network(False), network(True)
    other.load_state_dict(plain.state_dict())
    batches = [data() for _ in range(3)]
    settings = {"damping": 0.05, "factor_interval": 1}
    expected = train(KFAC(plain, 0.1, **settings), plain, batches)
    got = train(KFAC(other, 0.1, **settings), other, batches)
    for mine, truth in zip(got, expected, strict=True):
        close(mine, truth)
    assert all(p.isfinite().all() for p in other.parameters())
    assert other[2].norm.weight.any()
