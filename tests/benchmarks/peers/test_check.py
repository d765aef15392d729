"""benchmarks/peers/check.py."""

from math import inf

import pytest
import torch
from torch import nn

from benchmarks.peers import check
from benchmarks.peers.squares import vogn_squares


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 3, generator=generator), torch.tensor([0, 1, 1, 0, 1])


def faked(change):
    """A method whose squares are VOGN's, changed."""

    def prepare(model):
        backward = vogn_squares(model)
        return lambda inputs, labels: change(backward(inputs, labels))

    return prepare


def test_the_loop_squares_each_examples_gradient(batch):
    model, (inputs, labels) = build(), batch
    squares = check.loop_squares(model, inputs, labels)
    # The last bias's gradient is the error of the probabilities.
    errors = model(inputs).softmax(-1) - nn.functional.one_hot(labels)
    torch.testing.assert_close(squares["2.bias"], errors.square().mean(0).detach())
    assert {name: s.shape for name, s in squares.items()} == {
        name: p.shape for name, p in model.named_parameters()
    }


def test_right_squares_are_exact(batch):
    assert check.check_squares(vogn_squares, build, *batch) == "exact"


def test_wrong_squares_are_told(batch):
    wrong = faked(lambda s: {**s, "0.bias": s["0.bias"] * 1.5})
    assert check.check_squares(wrong, build, *batch) == "off by 0.5"


def test_the_square_of_the_mean_is_wrong(batch):
    def prepare(model):
        def backward(inputs, labels):
            model.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            return {n: p.grad.square() for n, p in model.named_parameters()}

        return backward

    assert check.check_squares(prepare, build, *batch).startswith("off by")


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {name: s[name] for name in list(s)[1:]},
        lambda s: {name: each * float("nan") for name, each in s.items()},
    ],
    ids=["missing", "not a number"],
)
def test_squares_that_are_no_squares_are_infinitely_wrong(change, batch):
    assert check.check_squares(faked(change), build, *batch) == f"off by {inf}"


def test_batch_norm_has_contributions_in_train_mode_only(batch):
    def normed():
        return nn.Sequential(build(), nn.BatchNorm1d(2))

    assert check.check_squares(vogn_squares, normed, *batch) == "contributions"
    assert check.check_squares(vogn_squares, lambda: normed().eval(), *batch) == "exact"


class Picky(nn.Module):
    def forward(self, x):
        raise RuntimeError("This layer  takes nothing. Really nothing.")


def error_of(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError


def test_a_reason_names_the_layer_and_has_one_sentence():
    error = error_of(lambda: nn.Sequential(nn.Identity(), Picky())(torch.ones(1)))
    assert check.reason(error) == ("not supported: in Picky: This layer takes nothing")


def test_a_reason_is_the_first_of_a_list_and_short():
    error = NotImplementedError([ValueError("no norm " * 50), ValueError("second")])
    text = check.reason(error)
    assert text.startswith("not supported: no norm no norm")
    assert len(text) <= len("not supported: ") + check.REASON_LENGTH


def test_an_error_without_text_is_named():
    assert check.reason(MemoryError()) == "not supported: MemoryError"


def test_a_missing_package_is_named():
    error = error_of(lambda: __import__("no_such_package"))
    assert check.reason(error) == "not installed: no_such_package"


def test_versions_name_every_peer(monkeypatch):
    monkeypatch.setattr(check, "PACKAGES", ("torch", "no-such-package"))
    assert check.versions() == (
        f"torch {torch.__version__.split('+')[0]}, no-such-package not installed"
    )
