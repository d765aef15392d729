"""Squares of models that mix the examples of a batch or draw random numbers."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import (
    Pair,
    TinyViT,
    assert_close,
    assert_exact,
    capture_of,
    default_loss,
    record,
    small_conv,
)
from vogn_app.curvature.capture import BATCH_NORM, EXACT, MIXED, UNTESTED
from vogn_app.curvature.capture import WHOLE_MODEL as WHOLE


def test_dropout_with_token_and_positions_needs_no_second_run():
    model = TinyViT(dropout=0.1)
    capture = capture_of(model)
    got, _ = record(capture, model, (torch.randn(4, 2, 4, 4),))
    assert set(got) == {name for name, _ in model.named_parameters()}
    assert WHOLE not in capture.coverage().values()


def test_dropout_beside_layers_with_rules_is_exact():
    class Masked(nn.Dropout):
        """The same mask for every example, so that the loop can repeat it."""

        def forward(self, x):
            generator = torch.Generator().manual_seed(3)
            mask = torch.rand(x.shape[1:], generator=generator) > self.p
            return x * mask

    assert_exact(
        nn.Sequential(nn.Linear(3, 8), Masked(), nn.Linear(8, 2)), torch.randn(5, 3)
    )


def centred():
    return Pair(lambda x: x - x.mean(0))


def test_a_model_that_mixes_examples_is_announced_once_and_said_to_be_inexact():
    model, x = centred(), torch.randn(5, 3)
    capture = capture_of(model)
    assert set(capture.exactness().values()) == {UNTESTED}
    with pytest.warns(UserWarning, match=r"^The model mixes the examples of a batch"):
        record(capture, model, (x,))
    record(capture, model, (x,))  # a second warning would be an error
    assert set(capture.exactness().values()) == {MIXED}


def test_a_model_that_treats_examples_alone_is_said_to_be_exact():
    model = small_conv()
    capture = assert_exact(model, torch.randn(5, 2, 4, 4))
    assert capture.exactness() == dict.fromkeys(capture.parameters, EXACT)


def test_batch_norm_is_exact_in_eval_mode_only():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    capture = capture_of(model)
    record(capture, model, (torch.randn(5, 3),))
    assert set(capture.exactness().values()) == {BATCH_NORM}
    model.eval()
    capture = assert_exact(model, torch.randn(5, 3))
    assert set(capture.exactness().values()) == {EXACT}


def test_a_model_that_draws_random_numbers_cannot_be_tested_for_mixing():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    capture = capture_of(model)
    record(capture, model, (torch.randn(5, 3),))
    assert set(capture.exactness().values()) == {UNTESTED}


def test_batch_norm_in_train_mode_gives_contributions_of_every_layer():
    model, x = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), torch.randn(6, 3)
    got, _ = record(capture_of(model), model, (x,), reduction="sum")
    hidden = model[0](x)
    hidden.retain_grad()
    output = model[1](hidden)
    output.retain_grad()
    sum(default_loss(row, 0) for row in output).backward()
    per_example = torch.einsum("no,ni->noi", hidden.grad, x)
    assert_close({"w": got["0.weight"]}, {"w": per_example.square().sum(0)})
    assert_close({"b": got["1.bias"]}, {"b": output.grad.square().sum(0)})
    assert int(model[1].num_batches_tracked) == 2  # the block's and this one


class ActivatedNorm(nn.BatchNorm2d):
    """BatchNorm and activation in one, as in timm's convolutional networks."""

    def __init__(self, channels, **options):
        super().__init__(channels, **options)
        self.activation = nn.SiLU()

    def forward(self, x):
        return self.activation(super().forward(x))


@pytest.mark.parametrize("options", [{}, {"track_running_stats": False}])
def test_layers_derived_from_batch_norm_hold_the_statistics_of_the_batch(options):
    x = torch.randn(6, 2, 3, 3)
    derived = nn.Sequential(nn.Conv2d(2, 4, 2), ActivatedNorm(4, **options))
    plain = nn.Sequential(derived[0], nn.BatchNorm2d(4), nn.SiLU())
    for norm in (derived[1], plain[1]):
        nn.init.uniform_(norm.weight)
    plain[1].weight = derived[1].weight
    expected, _ = record(capture_of(plain), plain, (x,))
    for _ in range(2):
        got, _ = record(capture := capture_of(derived), derived, (x,))
        assert_close(got, expected)
    assert capture.coverage()["1.weight"] == "functional"
    assert derived[1].training
    if not options:
        assert int(derived[1].num_batches_tracked) == 2  # re-runs leave no trace
