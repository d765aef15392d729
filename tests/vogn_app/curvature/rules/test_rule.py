"""Chunks of contributions, and sums from any rule."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import assert_close
from vogn_app.curvature.rules import LayerRule, contribution_chunks, layer_sums, rule
from vogn_app.curvature.rules.rule import Sums


def rows(module, x, g):
    return {"weight": x[:, None] * g[:, :, None], "bias": g.clone()}


def everything(module, x):
    return True


PLAIN = LayerRule("plain", rows, everything)


def sample(num=7):
    return nn.Linear(4, 3), torch.randn(num, 4), torch.randn(num, 3)


@pytest.mark.parametrize(("elements", "sizes"), [(12, [1] * 7), (35, [2, 2, 2, 1])])
def test_chunks_bound_the_elements_of_the_largest_parameter(
    elements, sizes, monkeypatch
):
    monkeypatch.setattr(rule, "CHUNK_ELEMENTS", elements)
    parts = list(contribution_chunks(PLAIN, *sample()))
    assert [len(part["weight"]) for part in parts] == sizes


def test_a_rule_of_the_whole_batch_is_not_chunked(monkeypatch):
    monkeypatch.setattr(rule, "CHUNK_ELEMENTS", 1)
    whole = LayerRule("whole", rows, everything, whole_batch=True)
    (part,) = contribution_chunks(whole, *sample())
    assert len(part["bias"]) == 7


@pytest.mark.parametrize("elements", [1, 30, 2**24])
@pytest.mark.parametrize("num", [0, 1, 7])
def test_sums_come_from_contributions(elements, num, monkeypatch):
    monkeypatch.setattr(rule, "CHUNK_ELEMENTS", elements)
    module, x, g = sample(num)
    expected = rows(module, x, g)
    summed, squares = layer_sums(PLAIN, module, x, g)
    assert_close(summed, {k: v.sum(0) for k, v in expected.items()})
    assert_close(squares, {k: v.square().sum(0) for k, v in expected.items()})


def test_a_rules_own_sums_come_first():
    own = Sums({"weight": torch.ones(1)}, {"weight": torch.ones(1)})
    quick = LayerRule("quick", rows, everything, sums=lambda module, x, g: own)
    assert layer_sums(quick, *sample()) is own
