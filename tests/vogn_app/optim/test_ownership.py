"""Owners tell all what they decided, and give all what they have."""

import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.reference import armed
from tests.vogn_app.distributed.processes import run
from tests.vogn_app.integration.test_kfac_ddp import network
from vogn_app.distributed import ranks_of
from vogn_app.optim.curvature import Verdict
from vogn_app.optim.ownership import Ownership

VERDICTS = [Verdict(False), Verdict(True, True, False), Verdict(True, False, True)]


class Scaled(nn.Module):
    """A model with parameters that no block has."""

    def __init__(self):
        super().__init__()
        self.inner = network()
        self.scales = nn.ParameterList(torch.ones(n).double() for n in (1, 2, 3))

    def forward(self, x):
        return self.inner(x) * self.scales[0]


def owned(rank):
    model = Scaled()
    capture = armed(model)
    blocks, parameters = capture.blocks, dict(model.named_parameters())
    capture.close()
    made = Ownership(parameters, blocks, ranks_of("default", model), None)
    keys = [(b.name, side) for b in blocks.values() for side in b.sides]
    own = {
        key: VERDICTS[number % 3]
        for number, key in enumerate(keys)
        if made.inverts(key[0])
    }
    mine = [name for name in parameters if made.updates(name)]
    values = {name: torch.full_like(parameters[name], rank + 1.0) for name in mine}
    products = {"any": torch.ones(1, 1, 1)}
    assert made.share_products([], products) == products
    return mine, made.agreed(keys, own), made.give(values), keys


def test_each_parameter_has_one_owner_who_speaks_for_all(tmp_path):
    results = run(owned, 3, tmp_path)
    parameters = dict(Scaled().named_parameters())
    every = [name for mine, *_ in results for name in mine]
    assert sorted(every) == sorted(parameters)
    for rank, (mine, agreed, given, keys) in enumerate(results):
        assert mine
        assert f"scales.{rank}" in mine  # in turn
        expected = [VERDICTS[number % 3] for number in range(len(keys))]
        assert agreed == dict(zip(keys, expected, strict=True))
        assert set(given) == set(parameters)
        for owner, (theirs, *_) in enumerate(results):
            for name in theirs:
                assert torch.equal(
                    given[name], torch.full_like(parameters[name], owner + 1.0)
                )
