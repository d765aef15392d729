"""Which modules have a rule."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

from vogn_app.curvature.rules import RULES, rule_for


def test_every_type_in_the_table_has_its_rule():
    assert rule_for(nn.Linear(2, 3)) is RULES[nn.Linear]
    assert rule_for(nn.BatchNorm2d(3)) is RULES[nn.BatchNorm2d]
    assert rule_for(nn.ReLU()) is None


def test_a_subclass_has_no_rule_since_its_forward_may_differ():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    assert rule_for(Doubled(2, 3)) is None


def test_a_module_with_a_forward_of_its_own_has_no_rule():
    module = nn.Linear(2, 3)
    module.forward = lambda x: x
    assert rule_for(module) is None


def test_a_weight_made_from_other_parameters_has_no_rule():
    assert rule_for(spectral_norm(nn.Linear(2, 3))) is None
    assert rule_for(parametrizations.weight_norm(nn.Linear(2, 3))) is None
    replaced = nn.Linear(2, 3)
    weight = replaced.weight.detach()
    del replaced.weight
    replaced.weight = weight
    assert rule_for(replaced) is None


def test_a_parameter_beside_the_usual_ones_takes_the_rule_away():
    module = nn.Linear(2, 3)
    module.gain = nn.Parameter(torch.ones(1))
    assert rule_for(module) is None


@pytest.mark.parametrize("kind", RULES)
def test_rules_have_names_for_people(kind):
    assert RULES[kind].name
