"""Embeddings against a loop over examples."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.rules.exact import (
    assert_exact,
    assert_sums,
    contributions,
    output_gradient,
    randomised,
)
from vogn_app.curvature.rules import rule, rule_for

SHAPES = [(6,), (6, 1), (6, 9), (6, 3, 4), (1, 9), (6, 0)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("padding", [None, 0, 2, -1])
def test_embeddings_are_exact(shape, padding):
    module = nn.Embedding(5, 4, padding_idx=padding)
    assert_exact(module, torch.randint(0, 5, shape))


def test_many_and_few_repeats_are_exact():
    assert_exact(nn.Embedding(1, 3), torch.zeros(4, 5, dtype=torch.int32))
    assert_exact(nn.Embedding(1000, 3), torch.randint(0, 1000, (4, 30)))
    assert_exact(nn.Embedding(20, 3), torch.arange(20).view(4, 5).flip(1))


def test_repeated_tokens_are_summed_before_squaring():
    module, x = nn.Embedding(3, 1), torch.tensor([[1, 2, 1]])
    g = torch.tensor([[[1.0], [5.0], [2.0]]])
    summed, squares = rule_for(module).sums(module, x, g)
    assert summed["weight"].flatten().tolist() == [0, 3, 5]
    assert squares["weight"].flatten().tolist() == [0, 9, 25]


def test_no_examples_give_zeros():
    module, x = nn.Embedding(5, 4), torch.zeros(0, 3, dtype=torch.long)
    g = output_gradient(module, x)
    assert contributions(module, x, g)["weight"].shape == (0, 5, 4)
    assert_sums(module, x, g, {"weight": torch.zeros(0, 5, 4)})


def test_expanded_and_transposed_gradients_give_the_same():
    module, x = nn.Embedding(5, 4), torch.randint(0, 5, (3, 6))
    assert_exact(module, x, torch.randn(3, 1, 4).expand(3, 6, 4))
    assert_exact(module, x, torch.randn(4, 6, 3).permute(2, 1, 0))
    assert_exact(module, torch.randint(0, 5, (6, 3)).T)


def test_small_chunks_give_the_same(monkeypatch):
    monkeypatch.setattr(rule, "CHUNK_ELEMENTS", 25)
    assert_exact(nn.Embedding(5, 4, padding_idx=1), torch.randint(0, 5, (6, 9)))


def test_the_shortcut_makes_no_table_for_each_example():
    module = randomised(nn.Embedding(20_000, 8))
    x, g = torch.randint(0, 20_000, (64, 4)), torch.randn(64, 4, 8)
    largest = max(sizes_made_by(rule_for(module).sums, module, x, g))
    assert largest <= 20_000 * 8


def sizes_made_by(function, *args):
    """Elements of every tensor that a function makes."""
    sizes = []

    class Watching(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            result = operation(*args, **kwargs or {})
            if isinstance(result, torch.Tensor):
                sizes.append(result.numel())
            return result

    with torch.no_grad(), Watching():
        function(*args)
    return sizes


CHANGING = [{"sparse": True}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}]


@pytest.mark.parametrize("options", CHANGING, ids=str)
def test_options_that_change_the_gradient_or_the_table_are_not_accepted(options):
    module, x = nn.Embedding(5, 4, **options), torch.zeros(2, 3, dtype=torch.long)
    assert not rule_for(module).accepts(module, x)
    plain = nn.Embedding(5, 4)
    assert rule_for(plain).accepts(plain, x)
    assert not rule_for(plain).accepts(plain, x[0, 0])
