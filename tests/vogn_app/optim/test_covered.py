"""Parameters wanted, and blocks that cover them."""

import pytest
import torch
from torch import nn

from vogn_app.curvature.kronecker.capture import FactorCapture
from vogn_app.optim.covered import kinds_of, named_parameters, warn_of_uncovered


class Scaled(nn.Module):
    """A layer and a free parameter."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        return self.head(x * self.scale)


def test_all_that_is_trained_is_wanted_by_default():
    model = Scaled()
    model.head.bias.requires_grad_(False)
    assert list(named_parameters(model, None)) == ["scale", "head.weight"]


def test_names_are_those_within_wrappers():
    model = Scaled()
    wrapped = torch.compile(model)
    found = named_parameters(wrapped, [model.head.weight])
    assert found == {"head.weight": model.head.weight}


def test_a_stranger_is_refused():
    stranger = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match=r"^params must be .* got 1 that are not"):
        named_parameters(Scaled(), [stranger])


def test_what_no_block_has_is_told_with_its_share():
    model = Scaled()
    parameters = named_parameters(model, None)
    capture = FactorCapture(model, parameters)
    kinds = kinds_of(capture.blocks, parameters)
    assert kinds["scale"] == ""
    assert kinds["head.weight"] == kinds["head.bias"] != ""
    with pytest.warns(UserWarning, match=r"^scale \(18\.2% of the parameters\)"):
        warn_of_uncovered(kinds, parameters)
    warn_of_uncovered({"head.weight": "kronecker"}, parameters)
