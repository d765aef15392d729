"""Tests of what is checked of AdamW's settings and states."""

import copy

import pytest
import torch
from torch import nn

from vogn_app.optim.adamw import check_adamw, check_adamw_state

DEFAULTS = {"lr": 0.1, "eps": 1e-8, "weight_decay": 0.0, "betas": (0.9, 0.99)}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"lr": -1}, r"lr must be a finite number in \[0, inf\), got -1"),
        ({"eps": -1}, "eps must be a finite number"),
        ({"weight_decay": -1}, "weight_decay must be a finite number"),
        ({"betas": (1.0, 0.9)}, r"beta1 must be a finite number in \[0, 1\), got 1.0"),
        ({"betas": (0.9, -0.1)}, "beta2 must be a finite number"),
    ],
)
def test_settings_out_of_range_are_told(settings, told):
    check_adamw(DEFAULTS)
    with pytest.raises(ValueError, match=told):
        check_adamw({**DEFAULTS, **settings})


def trained(*sizes, amsgrad=False):
    layer = nn.Linear(*sizes)
    optimizer = torch.optim.AdamW(
        layer.named_parameters(), **DEFAULTS, amsgrad=amsgrad, foreach=False
    )
    layer(torch.ones(1, sizes[0])).sum().backward()
    optimizer.step()
    return optimizer


def test_states_of_others_are_told():
    ours, theirs = trained(2, 3), trained(2, 3).state_dict()
    check_adamw_state(ours.param_groups, theirs)
    renamed, lacking = copy.deepcopy(theirs), copy.deepcopy(theirs)
    renamed["param_groups"][0]["param_names"] = ["weight", "shift"]
    del lacking["param_groups"][0]["eps"]
    alone = torch.optim.AdamW([nn.Parameter(torch.ones(3))]).state_dict()
    wider = trained(4, 3, amsgrad=True).state_dict()
    for each in wider["state"].values():  # only what amsgrad adds is left
        del each["exp_avg"], each["exp_avg_sq"]
    for state, told in (
        (renamed, r"must hold \['weight', 'bias'\], got \['weight', 'shift'\]"),
        (lacking, "must have eps, got none"),
        (alone, "must hold 2 parameters, got 1"),
        (trained(4, 3).state_dict(), r"exp_avg must have shape \(3, 2\)"),
        (wider, r"max_exp_avg_sq must have shape \(3, 2\)"),
    ):
        with pytest.raises(ValueError, match=told):
            check_adamw_state(ours.param_groups, state)
