"""benchmarks/peers/squares.py, and the steps of benchmarks/peers/methods.py."""

import pytest
import torch
from torch import nn

from benchmarks.peers import squares
from benchmarks.peers.check import check_squares
from benchmarks.peers.methods import METHODS

# What the peers' own code warns of, since warnings are errors here.
pytestmark = pytest.mark.filterwarnings("ignore")
PACKAGES = {"backpack": "backpack", "opacus": "opacus", "ivon_opt": "ivon"}
WITH_SQUARES = [name for name, method in METHODS.items() if method.squares]


def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)
    )  # fmt: skip


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 1, 4, 4, generator=generator), torch.arange(6) % 2


def method_of(name):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    return METHODS[name]


@pytest.mark.parametrize("name", WITH_SQUARES)
def test_squares_are_exact(name, batch):
    assert check_squares(method_of(name).squares, build, *batch) == "exact"


@pytest.mark.parametrize("name", WITH_SQUARES)
def test_the_gradient_of_the_mean_loss_is_left_behind(name, batch):
    model, truth = build(), build()
    backward = method_of(name).squares(model)
    nn.functional.cross_entropy(truth(batch[0]), batch[1]).backward()
    for _ in range(2):  # the second replaces the first
        backward(*batch)
    for got, expected in zip(model.parameters(), truth.parameters(), strict=True):
        torch.testing.assert_close(got.grad, expected.grad)


@pytest.mark.parametrize("name", list(METHODS))
def test_a_step_changes_every_parameter(name, batch):
    model = build()
    try:
        step = method_of(name).prepare(model)
    except ModuleNotFoundError as error:  # peers are optional
        pytest.skip(str(error))
    for _ in range(2):
        step(*batch)
    for got, before in zip(model.parameters(), build().parameters(), strict=True):
        assert not torch.equal(got, before)


@pytest.mark.parametrize("name", ["backpack", "opacus", "vmap_grad"])
def test_a_peers_step_is_adamws(name, batch):
    model, other = build(), build()
    steps = method_of(name).prepare(model), METHODS["adamw"].prepare(other)
    for _ in range(3):
        for step in steps:
            step(*batch)
    for got, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-5)


def test_vmap_in_chunks_gives_the_same(batch, monkeypatch):
    size = 4 * sum(p.numel() for p in build().parameters())
    monkeypatch.setattr(squares, "PER_EXAMPLE_BYTES", 4 * size)
    assert squares.chunk_size(build()) == 4  # of six examples
    assert check_squares(squares.vmap_squares, build, *batch) == "exact"
    monkeypatch.setattr(squares, "PER_EXAMPLE_BYTES", 1)
    assert squares.chunk_size(build()) == 1


def test_gradients_that_share_memory_are_squared_once(batch):
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = (nn.Parameter(torch.zeros(1, 2)) for _ in range(2))

        def forward(self, x):
            return x.flatten(1)[:, :2] + (self.a + self.b)

    assert check_squares(squares.vmap_squares, Sum, *batch) == "exact"


@pytest.mark.parametrize("large", [1, 10**6])
def test_mean_of_squares_in_a_loop_or_at_once(large, monkeypatch):
    monkeypatch.setattr(squares, "LARGE", large)
    samples = torch.arange(12.0).reshape(3, 2, 2)
    got = squares.mean_of_squares(samples, 6)
    torch.testing.assert_close(got, samples.square().sum(0) / 6)


def test_taking_leaves_nothing_and_misses_nothing():
    model = nn.Linear(2, 1)
    model.weight.left, model.bias.left = torch.ones(1), torch.ones(2)
    assert set(squares.take(model, "left")) == {"weight", "bias"}
    assert model.weight.left is None
    model.weight.left = torch.ones(1)
    with pytest.raises(
        NotImplementedError, match="no left for 1 of 2 parameters, bias among them"
    ):
        squares.take(model, "left")
