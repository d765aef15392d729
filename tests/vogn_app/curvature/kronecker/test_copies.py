"""Hooks and forwards that a copy does without."""

import copy
import pickle

import pytest
import torch
from torch import nn

from vogn_app.curvature.kronecker.copies import Forward, Hook

COPIED = pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)


@COPIED
def test_a_hook_runs_but_its_copy_does_not(copied):
    seen = []
    module, x = nn.Linear(2, 2), torch.randn(3, 2)
    module.register_forward_hook(Hook(lambda m, a, o: seen.append(m)))
    other = copied(module)
    assert torch.equal(other(x), module(x))
    assert seen == [module]


@COPIED
def test_a_forward_runs_but_its_copy_is_the_module_s_own(copied):
    module, x = nn.Linear(2, 2), torch.randn(3, 2)
    plain = module(x)
    vars(module)["forward"] = Forward(
        module, lambda module, watches, x, *, factor=1: factor * plain
    )
    other = copied(module)
    assert torch.equal(module(x, factor=2), 2 * plain)
    other.weight.data.zero_()
    assert torch.equal(other(x), other.bias.expand(3, 2))
    assert "forward" not in vars(other)
    assert "forward" in vars(module)
