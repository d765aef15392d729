"""K-FAC with weights that several layers share."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import (
    DAMPING,
    close,
    example_rows,
    natural_of,
    parameters_of,
    train,
)
from vogn_app import KFAC

N = 6


class Language(nn.Module):
    """Embedding and output share a weight, as language models do."""

    def __init__(self):
        super().__init__()
        self.table, self.mix = nn.Embedding(7, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x):
        return self.head(self.mix(self.table(x)).tanh()).transpose(1, 2)


def tokens():
    return torch.randint(7, (N, 3)), torch.randint(7, (N, 3))


def test_an_embedding_and_an_output_with_one_weight_have_the_squares_of_their_sum():
    model, (x, y) = Language(), tokens()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    natural, gradients, preconditioner = natural_of(model, run)
    squares = example_rows(model, x, y)["table.weight"].square().mean(0).view(7, 4)
    expected = gradients["table.weight"] / (squares + DAMPING)
    close(natural["table.weight"], expected)
    assert preconditioner.coverage()["table.weight"] == "diagonal"
    assert set(natural) == {"table.weight", "mix.weight", "mix.bias"}


@pytest.mark.parametrize("options", [{}, {"curvature": "fisher"}, {"shape": "full"}])
def test_a_model_with_shared_weights_trains(options):
    torch.manual_seed(1)
    model, (x, y) = Language(), tokens()
    if "curvature" in options:
        options = options | {"sharing": "reduce"}
    kfac = KFAC(model, 0.1, momentum=0.0, damping=0.1, **options)
    before = F.cross_entropy(model(x), y).item()
    train(kfac, model, [(x, y)] * 30)
    assert F.cross_entropy(model(x), y).item() < 0.7 * before
    assert model.head.weight is model.table.weight
    assert len(parameters_of(model)) == 3


class Autoencoder(nn.Module):
    """The decoder's weight is the encoder's, transposed."""

    def __init__(self):
        super().__init__()
        self.encoder, self.bias = nn.Linear(3, 4), nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return F.linear(self.encoder(x).tanh(), self.encoder.weight.T, self.bias)


def test_a_weight_that_is_used_outside_of_its_layer_takes_the_gradient_as_it_is():
    """The statistics are the layer's; the gradient is all of it."""
    model, x = Autoencoder(), torch.randn(40, 3)
    with pytest.warns(UserWarning, match=r"^bias \(15\.8%"):
        kfac = KFAC(model, 0.1, factor_interval=1)
    loss = lambda out, target: (out - target).square().sum(1).mean()  # noqa: E731
    for num in (40, 2, 2):  # also where rows would be cheaper
        kfac.zero_grad()
        loss(model(x[:num]), x[:num]).backward()
        whole = {k: p.grad.clone() for k, p in model.named_parameters()}
        natural = kfac.preconditioner.natural_gradients()
        close(natural, kfac.preconditioner.precondition(whole))


class Recursive(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.cell, self.head = (
            nn.Linear(3, 4),
            nn.Linear(4, 4),
            nn.Linear(4, 3),
        )

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = self.cell(x).tanh()
        return self.head(x)


class Unrolled(nn.Module):
    """The same with a module for each step, all of which share the parameters."""

    def __init__(self, like):
        super().__init__()
        self.stem, self.head = like.stem, like.head
        self.cells = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        for cell in self.cells:
            cell.weight, cell.bias = like.cell.weight, like.cell.bias

    def forward(self, x):
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x).tanh()
        return self.head(x)


@pytest.mark.parametrize("shape", ["kronecker", "layer", "diagonal"])
def test_a_layer_used_thrice_is_three_layers_with_one_weight(shape):
    once = Recursive()
    thrice = Unrolled(once)
    x, y = torch.randn(N, 3), torch.randint(3, (N,))
    run = lambda: F.cross_entropy(once(x), y).backward()  # noqa: E731
    expected, *_ = natural_of(once, run, shape=shape)
    run = lambda: F.cross_entropy(thrice(x), y).backward()  # noqa: E731
    got, *_ = natural_of(thrice, run, shape=shape)
    close({k.replace("cells.0", "cell"): v for k, v in got.items()}, expected)
