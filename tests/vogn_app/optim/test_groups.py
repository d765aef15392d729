"""Settings of parameter groups, BatchNorm members, shapes of a state."""

import pytest
from torch import nn

from vogn_app.optim.groups import batch_norm_parameters, check_group

GOOD = {
    "num_data": 10, "lr": 0.1, "momentum": 0.9, "curvature_decay": 0.9,
    "initial_curvature": 0.1, "prior_precision": 1.0, "temperature": 1.0,
    "damping": 0.0, "augmentation_factor": 1.0, "temperature_warmup": 0,
    "initial_temperature": 0.1, "weight_decay": 0.0, "sampled": True,
}  # fmt: skip


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"momentum": 0, "prior_precision": 0},
        {"curvature_decay": 0, "prior_precision": 0, "damping": 0.1},
    ],
)
def test_good_settings_pass(setting):
    check_group(GOOD | setting)


@pytest.mark.parametrize(("name", "value"), [("num_data", 0), *((k, -1) for k in GOOD)])
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*, got {value}\."):
        check_group(GOOD | {name: value})


def test_a_precision_that_could_vanish_is_an_error():
    with pytest.raises(
        ValueError, match="precision of an unused weight would be 0"
    ) as e:
        check_group(GOOD | {"curvature_decay": 0, "prior_precision": 0})
    assert str(e.value) == (
        "damping must be > 0 when curvature_decay and prior_precision are 0 (the "
        "precision of an unused weight would be 0), got 0."
    )


def test_parameters_of_all_batch_norms_and_of_nothing_else_are_found():
    model = nn.ModuleList([
        nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.BatchNorm3d(2), nn.SyncBatchNorm(2),
        nn.InstanceNorm2d(2, affine=True), nn.GroupNorm(1, 2), nn.LayerNorm(2),
        nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False),
    ])  # fmt: skip
    expected = {id(p) for norm in model[:4] for p in norm.parameters()}
    assert len(expected) == 8
    assert batch_norm_parameters(model) == expected
