"""Tests of making many configurations of one."""

import itertools

import pytest

from tests.trainers.examples import config
from trainers import sweep as module
from trainers.catalogue import OPTIMIZERS
from trainers.config import RunConfig
from trainers.sweep import (
    SETTINGS,
    differing,
    label,
    new_group,
    setting,
    sweep,
)

BASE = {"dataset": {"name": "moons"}, "model": {"name": "mlp"}}
VOGN = BASE | {"optimizer": {"name": "vogn"}}
RACE = {"optimizer": list(OPTIMIZERS)}


def values(configs, *names):
    return [tuple(setting(each, name) for name in names) for each in configs]


def test_a_grid_is_every_combination_the_last_axis_fastest():
    axes = {"optimizer": ["adamw", "sgd"], "seed": [0, 1, 2], "lr": [0.1, 0.01]}
    configs = sweep(BASE, axes)
    assert values(configs, *axes) == list(itertools.product(*axes.values()))
    assert all(each.dataset.name == "moons" for each in configs)


def test_the_order_of_the_axes_is_the_order_of_the_runs():
    configs = sweep(
        BASE | {"optimizer": {"name": "sgd"}}, {"lr": [1, 2], "seed": [0, 1]}
    )
    assert values(configs, "lr", "seed") == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_list_takes_the_values_together():
    axes = {"optimizer": ["vogn", "sgd"], "batch_size": [32, 64], "lr": [0.3, 0.2]}
    configs = sweep(BASE, axes, "list")
    assert values(configs, *axes) == [("vogn", 32, 0.3), ("sgd", 64, 0.2)]


def test_in_a_list_one_value_holds_for_all():
    axes = {"lr": (0.3,), "seed": (1, 2), "batch_size": (64,)}
    assert values(sweep(VOGN, axes, "list"), *axes) == [(0.3, 1, 64), (0.3, 2, 64)]
    single = {"lr": [0.3], "seed": [1]}
    assert values(sweep(VOGN, single, "list"), *single) == [(0.3, 1)]
    with pytest.raises(ValueError, match=r"point 2 of 2 \(seed -1\): seed must be"):
        sweep(VOGN, {"lr": [0.3], "seed": [1, -1]}, "list")


def test_no_axes_make_the_base_itself():
    for mode in module.MODES:
        assert sweep(VOGN, {}, mode) == [RunConfig.from_dict({"schema": 1, **VOGN})]


def test_every_setting_can_be_an_axis():
    base = config().to_dict()
    for name in SETTINGS:
        owner = next(
            (s.name for s in OPTIMIZERS.values() if name in s.defaults()), None
        )
        content = base | ({"optimizer": {"name": owner}} if owner else {})
        value = setting(RunConfig.from_dict(content), name)
        (made,) = sweep(content, {name: [value]}) if value is not None else [None]
        assert made is None or setting(made, name) == value


def test_the_base_is_left_alone():
    base = config().to_dict()
    before = str(base)
    sweep(base, {"dataset": ["blobs"], "optimizer": ["sgd"], "lr": [1], "seed": [7]})
    assert str(base) == before


def test_a_hyper_parameter_goes_to_those_that_have_it_and_makes_no_duplicates():
    axes = {"optimizer": ["vogn", "adamw"], "damping": [0.1, 0.2, 0.3]}
    configs = sweep(BASE, axes)
    assert values(configs, *axes) == [
        ("vogn", 0.1), ("vogn", 0.2), ("vogn", 0.3), ("adamw", None),
    ]  # fmt: skip


def test_a_list_drops_it_as_well():
    axes = {"optimizer": ["vogn", "adamw"], "damping": [0.1, 0.2]}
    assert values(sweep(BASE, axes, "list"), *axes) == [("vogn", 0.1), ("adamw", None)]


def test_one_that_nobody_has_is_refused():
    axes = {"optimizer": ["sgd", "adamw"], "temperature": [1.0]}
    with pytest.raises(
        ValueError, match="temperature must be a hyper-parameter of sgd"
    ):
        sweep(BASE, axes)
    with pytest.raises(ValueError, match="hyper-parameter of sgd must be one of"):
        sweep(BASE, {"optimizer": ["sgd"], "temperature": [1.0]})
    with pytest.raises(ValueError, match="got 'beta1'"):
        sweep(VOGN, {"beta1": [0.5, 0.6]})


def test_a_race_starts_each_optimizer_from_its_own_defaults():
    tuned = {"name": "vogn", "hyperparameters": {"lr": 0.3, "momentum": 0.5}}
    configs = sweep(BASE | {"optimizer": tuned}, RACE)
    found = {each.optimizer.name: each.optimizer.hyperparameters for each in configs}
    assert list(found) == list(OPTIMIZERS)
    assert (found["vogn"]["lr"], found["vogn"]["momentum"]) == (0.3, 0.5)
    for name in set(OPTIMIZERS) - {"vogn"}:
        assert found[name] == OPTIMIZERS[name].defaults()


def test_a_whole_configuration_can_race():
    configs = sweep(config().to_dict() | {"code_version": "1"}, RACE)
    assert [each.optimizer.name for each in configs] == list(OPTIMIZERS)


def test_hyper_parameters_of_nobody_go_to_all_that_have_them():
    base = BASE | {"optimizer": {"hyperparameters": {"momentum": 0.5}}}
    configs = sweep(base, {"optimizer": ["sgd", "adamw"]})
    assert values(configs, "momentum") == [(0.5,), (None,)]


def test_without_a_race_foreign_hyper_parameters_are_refused():
    base = BASE | {"optimizer": {"name": "sgd", "hyperparameters": {"damping": 1}}}
    with pytest.raises(ValueError, match=r"hyper-parameter of sgd .* got 'damping'"):
        sweep(base, {"seed": [0]})


def test_duplicates_are_removed_keeping_the_first():
    axes = {"seed": [1, 0, 1], "lr": ["0.1", 0.1]}
    configs = sweep(BASE | {"optimizer": {"name": "sgd"}}, axes)
    assert values(configs, *axes) == [(1, 0.1), (0, 0.1)]


def test_a_folder_goes_to_the_dataset_that_is_one():
    axes = {"dataset": ["folder", "digits"], "folder": ["images"]}
    configs = sweep(VOGN, axes)
    assert values(configs, *axes) == [("folder", "images"), ("digits", None)]
    base = VOGN | {"dataset": {"name": "folder", "folder": "a", "split_seed": 4}}
    (other,) = sweep(base, {"dataset": ["digits"]})
    assert (other.dataset.folder, other.dataset.split_seed) == (None, 4)


@pytest.mark.parametrize(
    ("axes", "mode", "text"),
    [
        ({"speed": [1]}, "grid", "axis must be one of dataset, .*, got 'speed'"),
        ({"name": ["x"]}, "grid", "axis must be one of"),
        ({"seed": []}, "grid", "seed must be a list of values"),
        ({"optimizer": "vogn"}, "grid", "optimizer must be a list of values"),
        ({"seed": 3}, "grid", "seed must be a list of values"),
        (
            {"seed": range(3), "lr": [1, 2], "epochs": [1]},
            "list",
            "got seed 3, lr 2\\.",
        ),
        ({"seed": [0, 1], "epochs": []}, "list", "epochs must be a list of values"),
        ({"seed": [0]}, "random", "sweep must be one of grid, list, got 'random'"),
        ({"seed": [-1]}, "grid", "^seed must be a whole number"),
        ({"seed": [0, -1]}, "grid", r"point 2 of 2 \(seed -1\): seed must be a whole"),
        (
            {"optimizer": ["adamw", "sgd"], "seed": [0], "lr": [0.1, -1]},
            "grid",
            r"point 2 of 4 \(adamw, lr -1\): lr must be a number",
        ),
        ({"optimizer": ["vogn", "x"]}, "grid", r"\(x\): optimizer must be one of"),
        ({"optimizer": [["vogn"], "x"]}, "grid", "optimizer must be a text"),
        ({"dataset": ["moons", "x"]}, "grid", r"\(x\): dataset must be one of"),
        ({"model": ["lenet5", "mlp"]}, "grid", r"\(lenet5\): model must take points"),
    ],
)
def test_mistakes_name_the_axis_or_the_point(axes, mode, text):
    with pytest.raises(ValueError, match=text):
        sweep(VOGN, axes, mode)


@pytest.mark.parametrize("part", ["dataset", "optimizer", "training"])
def test_a_base_that_is_no_configuration_is_refused(part):
    with pytest.raises(ValueError, match=f"{part} must be an object, got 3"):
        sweep(VOGN | {part: 3}, {"seed": [0], "dataset": ["moons"]})


def test_a_sweep_has_at_most_a_thousand_runs():
    assert len(sweep(VOGN, {"seed": range(1000)})) == 1000
    with pytest.raises(ValueError, match="at most 1000 configurations, got 1001"):
        sweep(VOGN, {"seed": range(1001)})
    huge = {"seed": range(10**4), "split_seed": range(10**4), "epochs": range(10**4)}
    with pytest.raises(ValueError, match=f"got {10**12}"):
        sweep(VOGN, huge)


def test_what_is_counted_are_the_runs_and_not_the_points():
    axes = {"optimizer": ["adamw", "sgd"], "seed": range(400), "beta1": [0.8, 0.9]}
    assert len(sweep(BASE, axes | {"seed": range(300)})) == 900
    with pytest.raises(ValueError, match="got 1200"):
        sweep(BASE, axes)


def test_a_label_tells_a_point_from_its_siblings():
    axes = {"optimizer": ["adamw", "vogn"], "seed": [1], "lr": [0.01], "damping": [0.1]}
    adamw, vogn = sweep(BASE, axes)
    assert label(adamw, axes) == "adamw, seed 1, lr 0.01"
    assert label(vogn, axes) == "vogn, seed 1, lr 0.01, damping 0.1"
    assert label(vogn, ["batch_size", "sampled"]) == "batch size 128, sampled true"
    assert label(vogn, []) == ""


def test_the_settings_that_differ_are_found():
    axes = {"optimizer": ["adamw", "vogn"], "seed": [1, 2], "damping": [0.1, 0.2]}
    assert differing(sweep(BASE, axes)) == ["optimizer", "seed", "damping"]
    assert differing(sweep(BASE, RACE)) == ["optimizer"]
    assert differing([config()]) == []
    assert differing([]) == []


def test_groups_have_names_of_their_own():
    names = {new_group() for _ in range(20)}
    assert len(names) > 1
    assert all(name.startswith("s20") and len(name) < 24 for name in names)


TIMM = {"dataset": {"name": "digits"}, "optimizer": {"name": "sgd"}}


def test_pretrained_is_for_the_networks_of_timm():
    axes = {"model": ["lenet5", "timm:resnet18"], "pretrained": [True]}
    assert values(sweep(TIMM, axes), "model", "pretrained") == [
        ("lenet5", False), ("timm:resnet18", True),
    ]  # fmt: skip
    both = {"model": ["lenet5", "timm:resnet18"], "pretrained": [True, False]}
    assert values(sweep(TIMM, both), "model", "pretrained") == [
        ("lenet5", False), ("timm:resnet18", True), ("timm:resnet18", False),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="pretrained must be false for model 'lenet5'"):
        sweep(TIMM | {"model": {"name": "lenet5"}}, {"pretrained": [True]})


def test_another_model_leaves_weights_behind_and_keeps_what_it_can():
    model = {"name": "timm:resnet18", "pretrained": True, "weights": "/w.safetensors"}
    base = TIMM | {"model": model}
    (other,) = sweep(base, {"model": ["timm:resnet26"]})
    assert (other.model.pretrained, other.model.weights) == (True, None)
    (ours,) = sweep(base, {"model": ["lenet5"]})
    assert (ours.model.pretrained, ours.model.weights) == (False, None)
    (same,) = sweep(base, {"seed": [3]})
    assert same.model.weights == "/w.safetensors"
