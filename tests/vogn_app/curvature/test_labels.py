"""Which output labels are drawn for, and the gradient of their loss."""

import re
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch

from vogn_app.curvature import FisherPass
from vogn_app.curvature.labels import labelled_output
from vogn_app.likelihoods import Categorical, Gaussian

Pair = namedtuple("Pair", ["features", "logits"])


def generator_of(device):
    return torch.Generator(device).manual_seed(1)


LOGITS, OTHER = torch.zeros(4, 3), torch.ones(4, 2)


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        {"loss": OTHER, "logits": LOGITS},
        Pair(OTHER, LOGITS),
        SimpleNamespace(hidden=OTHER, logits=LOGITS),
        (LOGITS,),
        {"anything": LOGITS, "mask": torch.ones(4, dtype=torch.bool), "name": "x"},
    ],
)
def test_the_labelled_output_is_the_only_one_or_the_logits(output):
    assert labelled_output(output) is LOGITS


@pytest.mark.parametrize(
    ("output", "num", "kind"),
    [((LOGITS, OTHER), 2, "tuple"), ([], 0, "list"), ({"logits": None}, 0, "dict")],
)
def test_an_output_that_is_not_clear_is_an_error(output, num, kind):
    text = (
        "the model's output must be a tensor, have logits, or have one tensor of real "
        f"numbers when curvature is 'fisher', got {num} in a {kind}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        labelled_output(output)


def test_the_gradient_is_that_of_the_sum_of_the_examples_losses():
    means = torch.randn(5, 2)
    labels = Gaussian(4.0).draw(means, generator_of("cpu"))
    got = FisherPass(Gaussian(4.0), generator_of).gradient(means, 5)
    torch.testing.assert_close(got, (means - labels) / 4)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_gradient_leaves_no_graph_and_needs_none(enabled):
    weight = torch.randn(5, 3, requires_grad=True)
    with torch.set_grad_enabled(enabled):
        got = FisherPass(Categorical(), generator_of).gradient(weight * 1, 5)
    assert not got.requires_grad
    assert weight.grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_outputs_are_labelled_in_single_precision(dtype):
    seen = []

    class Watched:
        def draw(self, outputs, generator):
            seen.append((outputs.dtype, outputs.requires_grad))
            return Categorical().draw(outputs, generator)

        loss = Categorical().loss

    output = torch.randn(4096, 3).to(dtype)
    got = FisherPass(Watched(), generator_of).gradient(output, 4096)
    assert seen == [(torch.float32, False)]
    assert got.dtype == dtype
    assert got.abs().sum(1).min() > 0.01  # 1 / 4096 of it would be subnormal in float16


def test_a_loss_that_is_no_scalar_is_an_error():
    class Rows:
        def draw(self, outputs, generator):
            return outputs

        def loss(self, outputs, labels):
            return (outputs - labels).square().sum(1)

    text = r"^likelihood\.loss must be a scalar, got shape \(4,\)\.$"
    with pytest.raises(ValueError, match=text):
        FisherPass(Rows(), generator_of).gradient(OTHER, 4)
