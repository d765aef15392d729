"""What a layer's backward says."""

import pytest
import torch
from torch import nn

from vogn_app.curvature.evidence import (
    Evidence,
    RerunEvidence,
    full_precision,
    promoted,
    promoted_pair,
)
from vogn_app.curvature.functional import ModuleCall
from vogn_app.curvature.rules import rule_for


def test_halves_are_promoted_and_whole_numbers_are_not():
    half, double = (
        torch.ones(2, dtype=torch.float16),
        torch.ones(2, dtype=torch.float64),
    )
    assert promoted(half).dtype == torch.float32
    assert promoted(torch.ones(2, dtype=torch.int64)).dtype == torch.int64
    assert [y.dtype for y in promoted_pair(half, double)] == [torch.float64] * 2
    pair = promoted_pair(torch.ones(2, dtype=torch.int64), half)
    assert [y.dtype for y in pair] == [torch.int64, torch.float32]


@pytest.mark.parametrize("at", [0, 1])
def test_a_layer_says_the_same_whichever_dimension_has_the_examples(at):
    layer, x, g = nn.Linear(3, 2), torch.randn(5, 4, 3), torch.randn(5, 4, 2)
    given = [t.transpose(0, at) for t in (x, g)]
    evidence = Evidence.of(rule_for(layer), layer, *given, at)
    sums = evidence.sums(["weight", "bias"])
    each = torch.einsum("nto,nti->noi", g, x)
    assert evidence.num_examples == 5
    assert torch.allclose(sums.summed["weight"], each.sum(0))
    assert torch.allclose(sums.squares["weight"], each.square().sum(0))


def test_a_layer_that_does_not_see_the_examples_is_blind():
    layer = nn.Linear(3, 2)
    evidence = Evidence.of(
        rule_for(layer), layer, torch.randn(5, 3), torch.randn(5, 2), None
    )
    assert evidence.blind


def test_a_second_run_sums_over_its_chunks():
    parts = [{"w": torch.tensor([[1.0], [2.0]])}, {"w": torch.tensor([[3.0]])}]
    call = ModuleCall((), {}, {}, {})
    evidence = RerunEvidence(nn.PReLU(), call, lambda *_: iter(parts), 3)
    sums = evidence.sums(["w"])
    assert (sums.summed["w"].item(), sums.squares["w"].item()) == (6, 14)


def test_autocast_is_off_in_full_precision_and_back_afterwards():
    x = torch.randn(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with full_precision(x):
            assert not torch.is_autocast_enabled("cpu")
        assert torch.is_autocast_enabled("cpu")
