"""Per-example gradients of norm layers and others: cross terms, recomputation."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.helpers.closed_form import batch_norm_contributions, example_gradients
from tests.vogn_app.curvature.kronecker.reference import (
    all_close,
    captured,
    close,
    seen,
)

N = 5


def loss(output):
    return (output.sin() + output.square()).flatten(1).sum(1)


def rows(model, x):
    """Gradients of every example's own loss, by parameter."""
    return example_gradients(model, lambda i: loss(model(x[i : i + 1])).sum(), len(x))


def unit_blocks(weight, bias):
    """Means of w w, w b and b b over examples."""
    w, b = weight.flatten(1), bias.flatten(1)
    return torch.stack([(w * w).mean(0), (w * b).mean(0), (b * b).mean(0)])


class Normed(nn.Module):
    """A norm layer between linear ones, whose statistics it must not disturb."""

    def __init__(self, norm, shape):
        super().__init__()
        size = torch.Size(shape).numel()
        self.stem, self.norm, self.head = nn.Linear(3, size), norm, nn.Linear(size, 2)
        self.shape = shape

    def forward(self, x):
        h = self.stem(x).unflatten(1, self.shape)
        return self.head(self.norm(h).flatten(1).tanh())


NORMS = {
    "layer norm": (lambda: nn.LayerNorm(4), (4,)),
    "layer norm of two dims": (lambda: nn.LayerNorm((2, 4)), (3, 2, 4)),
    "layer norm, tokens": (lambda: nn.LayerNorm(4), (3, 4)),
    "rms norm": (lambda: nn.RMSNorm(4), (2, 4)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (4, 3)),
    "instance norm": (lambda: nn.InstanceNorm2d(2, affine=True), (2, 3, 2)),
    "batch norm in eval mode": (lambda: nn.BatchNorm1d(4).eval(), (4,)),
}


@pytest.mark.parametrize("start", ["ones", "zeros"])
@pytest.mark.parametrize("name", NORMS)
def test_unit_blocks_are_means_over_examples(name, start):
    make, shape = NORMS[name]
    model, x = Normed(make(), shape), torch.randn(N, 3)
    getattr(nn.init, f"{start}_")(model.norm.weight)
    got = captured(model, lambda: loss(model(x)).mean().backward())["norm", "unit"]
    each = rows(model, x)
    if "norm.bias" in each:
        expected = unit_blocks(each["norm.weight"], each["norm.bias"])
    else:
        expected = each["norm.weight"].flatten(1).square().mean(0, keepdim=True)
    close(got, expected)


@pytest.mark.parametrize("start", ["ones", "zeros"])
def test_batch_norm_takes_its_batch_s_statistics_as_constants(start):
    model, x = Normed(nn.BatchNorm1d(4), (4, 3)), torch.randn(N, 3)
    getattr(nn.init, f"{start}_")(model.norm.weight)
    run = lambda: loss(model(x)).mean().backward()  # noqa: E731
    ((inputs, g),) = seen(model.norm, run)
    each = batch_norm_contributions(inputs, g * N, model.norm.eps)
    got = captured(model, run)["norm", "unit"]
    close(got, unit_blocks(each["weight"], each["bias"]))


@pytest.mark.parametrize("local", ["weight", "bias"])
def test_one_parameter_alone_has_its_squares(local):
    model, x = Normed(nn.LayerNorm(4), (4,)), torch.randn(N, 3)
    for name, parameter in model.norm.named_parameters():
        parameter.requires_grad_(name == local)
    got = captured(model, lambda: loss(model(x)).mean().backward())["norm", "unit"]
    close(got[0], rows(model, x)[f"norm.{local}"].square().mean(0))


class Repeated(nn.Module):
    """Uses its layers several times, in checkpoints if wanted."""

    def __init__(self, reentrant=None):
        super().__init__()
        self.stem, self.norm, self.scale = nn.Linear(3, 4), nn.LayerNorm(4), Scale(4)
        self.reentrant = reentrant

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            if self.reentrant is None:
                x = self.part(x)
            else:
                x = checkpoint(self.part, x, use_reentrant=self.reentrant)
        return x

    def part(self, x):
        return self.scale(self.norm(x)).tanh()


class Scale(nn.Module):
    """A layer that nobody knows."""

    def __init__(self, size):
        super().__init__()
        self.factor = nn.Parameter(torch.randn(size))

    def forward(self, x):
        return x * self.factor


@pytest.mark.parametrize("shape", ["kronecker", "diagonal", "layer", "full"])
@pytest.mark.parametrize("reentrant", [None, False, True])
def test_uses_of_a_parameter_are_added_before_they_are_squared(reentrant, shape):
    model, x = Repeated(), torch.randn(N, 3)
    each = rows(model, x)
    model.reentrant = reentrant
    run = lambda: loss(model(x)).mean().backward()  # noqa: E731
    got = captured(model, run, shape=shape)
    all_close(got, got | expected_of(each, shape))


def expected_of(each, shape):
    """The statistics of blocks by example."""
    factor = each["scale.factor"].square().mean(0, keepdim=True)
    if shape == "kronecker":
        norm = unit_blocks(each["norm.weight"], each["norm.bias"])
        return {("norm", "unit"): norm, ("scale", "diagonal"): factor}
    flat = {name: value.flatten(1) for name, value in each.items()}
    blocks = {
        "stem": ["stem.weight", "stem.bias"],
        "norm": ["norm.weight", "norm.bias"],
        "scale": ["scale.factor"],
    }
    if shape == "full":
        blocks = {"model": [name for names in blocks.values() for name in names]}
    joined = {k: torch.cat([flat[n] for n in names], 1) for k, names in blocks.items()}
    if shape == "diagonal":
        return {
            (k, "diagonal"): v.square().mean(0, keepdim=True) for k, v in joined.items()
        }
    return {(k, "gradients"): (v.T @ v / N)[None] for k, v in joined.items()}


@pytest.mark.parametrize("shape", ["kronecker", "diagonal", "layer", "full"])
@pytest.mark.parametrize("reentrant", [None, False, True])
@pytest.mark.parametrize("sizes", [[2, 4], [3, 3], [1, 1, 4]])
def test_parts_of_a_batch_are_other_examples(sizes, reentrant, shape):
    model, x = Repeated(), torch.randn(6, 3)

    def parts():
        for part in x.split(sizes):
            (loss(model(part)).sum() / 6).backward()

    run = lambda: loss(model(x)).mean().backward()  # noqa: E731
    expected = captured(model, run, shape=shape)
    model.reentrant = reentrant
    all_close(captured(model, parts, shape=shape), expected)


@pytest.mark.parametrize("shape", ["kronecker", "diagonal", "layer", "full"])
@pytest.mark.parametrize("reentrant", [None, False, True])
def test_calls_of_other_sizes_before_a_backward_pass_are_other_examples(
    reentrant, shape
):
    model, x = Repeated(), torch.randn(7, 3)

    def at_once():
        value = sum(loss(model(part)).sum() for part in x.split([2, 5]))
        (value / 7).backward()

    run = lambda: loss(model(x)).mean().backward()  # noqa: E731
    expected = captured(model, run, shape=shape)
    model.reentrant = reentrant
    all_close(captured(model, at_once, shape=shape), expected)


class Partial(nn.Module):
    """Uses one layer always, the other if wanted."""

    both = True

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.one(x) + (self.other(x) if self.both else 0)


def test_a_layer_that_was_not_used_has_zeros_in_a_full_block():
    model, parts = Partial(), torch.randn(6, 3).split([4, 2])

    def run():
        for model.both, part in zip((True, False), parts, strict=True):
            (loss(model(part)).sum() / 6).backward()

    got = captured(model, run, shape="full")["model", "gradients"]
    each = []
    for model.both, part in zip((True, False), parts, strict=True):
        each.append(rows(model, part))
    joined = {k: torch.cat([r[k].flatten(1) for r in each]) for k in each[0]}
    all_rows = torch.cat(list(joined.values()), 1)
    close(got[0], all_rows.T @ all_rows / 6)
