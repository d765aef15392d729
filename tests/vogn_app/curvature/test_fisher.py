"""Squares at labels drawn from the model, against a loop over examples at the same."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.exactness import (
    Pair,
    Positions,
    Projected,
    assert_close,
    capture_of,
    record,
    small_conv,
)
from tests.vogn_app.curvature.labelled import assert_exact, block, plain_gradients
from vogn_app.likelihoods import Bernoulli, Categorical, Gaussian


class Recurrent(nn.Module):
    def __init__(self, layer=nn.LSTM):
        super().__init__()
        self.body, self.head = layer(3, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.body(x)[0][:, -1])


class TiedDecoder(nn.Module):
    """Uses the weights of its embedding once more, directly."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)

    def forward(self, tokens):
        return F.linear(self.embedding(tokens).tanh().mean(1), self.embedding.weight)


def tied():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    return model


def evaluated():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model[1].running_mean.normal_()
    return model.eval()


def numbers(*shape):
    return lambda: torch.randn(shape)


def tokens(*shape):
    return lambda: torch.randint(6, shape)


NETWORKS = {
    "linear": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)),
               numbers(5, 3)),
    "tokens": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Flatten(),
                                     nn.Linear(8, 3)), numbers(5, 2, 3)),
    "convolutions": (small_conv, numbers(5, 2, 4, 4)),
    "circular": (lambda: nn.Sequential(
        nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), nn.Flatten(),
        nn.Linear(12, 3)), numbers(5, 2, 4)),
    "embedding": (lambda: Positions(4), tokens(5, 4)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4),
                                         nn.Linear(4, 3)), numbers(5, 3)),
    "batch norm": (evaluated, numbers(5, 3)),
    "lstm": (Recurrent, numbers(5, 4, 3)),
    "broadcast": (Pair, numbers(5, 3)),
    "tied": (tied, numbers(5, 3)),
    "no rule": (lambda: nn.Sequential(nn.Linear(3, 4), nn.PReLU(4), nn.Linear(4, 3)),
                numbers(5, 3)),
    "frozen": (lambda: nn.Sequential(nn.Linear(3, 4).requires_grad_(False),
                                     nn.Linear(4, 3)), numbers(5, 3)),
    "one example": (small_conv, numbers(1, 2, 4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_squares_are_exact_and_the_users_gradients_untouched(name):
    make, inputs = NETWORKS[name]
    assert_exact(make(), inputs())


@pytest.mark.parametrize(
    "case", [(TiedDecoder, tokens(5, 3)), (Projected, numbers(5, 3))]
)
def test_what_needs_a_second_run_of_the_whole_model_is_exact(case):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*second run of the whole model")
        assert_exact(case[0](), case[1]())


def test_attention_is_exact():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.attention(x, x, x)[0].mean(1))

    # Attention runs in parts within blocks, whatever the curvature.
    assert_exact(Attention(), torch.randn(5, 6, 4), bitwise=False)


@pytest.mark.parametrize(
    ("likelihood", "network"),
    [
        (Gaussian(0.3), lambda: nn.Linear(3, 2)),
        (Bernoulli(), lambda: nn.Linear(3, 2)),
        (Bernoulli(), lambda: nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))),
        (
            Categorical(),
            lambda: nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (2, 4))),
        ),
    ],
)
def test_every_likelihood_is_exact(likelihood, network):
    assert_exact(network(), torch.randn(5, 3), likelihood=likelihood)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "network", [small_conv, lambda: nn.Conv2d(2, 8, 3, bias=False)]
)
def test_single_precision_gives_the_users_gradients_bit_by_bit_too(dtype, network):
    model, x = network().to(dtype), torch.randn(9, 2, 4, 4, dtype=dtype)
    expected = plain_gradients(model, (x,))
    for _ in range(2):
        _, _, got = block(capture_of(model), model, (x,), Categorical())
        assert all(torch.equal(got[name], g) for name, g in expected.items())


def at_the_same_labels(model, x, labels):
    """Squares of an ordinary recording whose loss is at these labels."""
    capture = capture_of(model)
    likelihood = Categorical()
    return record(
        capture, model, (x,), lambda row, i: likelihood.loss(row, labels[i : i + 1]),
        reduction="sum",
    )[0]  # fmt: skip


def test_batch_norm_in_train_mode_is_that_of_an_ordinary_recording():
    model, x = small_conv(), torch.randn(6, 2, 4, 4)
    model[1] = nn.BatchNorm2d(3)
    other = copy.deepcopy(model)
    squares, labels, _ = block(capture_of(model), model, (x,), Categorical())
    assert int(model[1].num_batches_tracked) == 1  # no more forward passes
    assert_close(squares.sums, at_the_same_labels(other, x, labels))


def test_dropout_has_one_mask_for_squares_and_gradients():
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    x = torch.randn(6, 3)
    torch.manual_seed(3)
    expected = plain_gradients(model, (x,))
    torch.manual_seed(3)
    squares, labels, gradients = block(capture_of(model), model, (x,), Categorical())
    assert all(torch.equal(gradients[name], g) for name, g in expected.items())
    torch.manual_seed(3)
    assert_close(squares.sums, at_the_same_labels(model, x, labels))
