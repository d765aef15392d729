"""Tests of `ui/views/launch/order.py`; the launch page's tests fill in the form."""

import pytest

from trainers.catalogue import OPTIMIZERS
from trainers.config import (
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from ui.views.launch import order
from ui.views.launch.order import Form, checked, forget_group, sections
from ui.views.launch.plans import RACE, SWEEP, Plan

DEFAULTS = {
    **vars(TrainingConfig()), **vars(EvaluationConfig()),
    **vars(DatasetConfig(name="digits")),
}  # fmt: skip


def form(data=None, plan=None, priority=0, hyperparameters=None, **settings):
    """What stands in the form: the defaults, but for what is given."""
    spec = OPTIMIZERS["vogn"]
    parts = sections(
        {"name": "digits"} | (data or {}), {"name": "mlp"}, spec,
        spec.defaults() | (hyperparameters or {}), DEFAULTS | settings,
    )  # fmt: skip
    return Form(parts, [], plan or Plan(), priority)


def problems(**given):
    found, told = checked(form(**given))
    assert found is None
    return "\n".join(told)


def test_the_defaults_make_one_run():
    found, told = checked(form(epochs=7, priority=3))
    assert told == []
    assert found.base == RunConfig(
        dataset=DatasetConfig(name="digits"),
        model=ModelConfig(name="mlp"),
        optimizer=OptimizerConfig(name="vogn"),
        training=TrainingConfig(epochs=7),
        evaluation=EvaluationConfig(),
    )
    assert (found.configs, found.priority) == ([found.base], 3)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"batch_size": -1}, "batch_size must be a whole number"),
        ({"epochs": None}, "epochs must be a whole number"),
        ({"validation_fraction": 0.9}, "must be a number in [0, 0.5], got 0.9."),
        ({"mixup": -1.0}, "mixup must be a number in [0, 100], got -1.0."),
        ({"random_erasing": 2.0}, "random_erasing must be a number in [0, 1], got 2"),
        ({"hyperparameters": {"momentum": -0.5}}, "momentum must be a number in [0, 1"),
        ({"priority": 10**9}, "priority must be"),
        ({"data": {"name": "folder", "folder": " "}}, "Choose images of yours"),
        ({"data": {"name": "folder", "folder": "/nowhere"}}, "There is no folder or"),
        (
            {"plan": Plan(kind=SWEEP, typed={"lr": ["x"]})},
            "Learning rate, x: lr must be a",
        ),
        (
            {"plan": Plan(kind=SWEEP, typed={"seed": [*map(str, range(1001))]})},
            "must have at most 1000 configurations, got 1001.",
        ),
        ({"plan": Plan(kind=RACE, problems=["Seeds: no."])}, "Seeds: no."),
    ],
)
def test_what_cannot_be_is_told(given, told):
    assert told in problems(**given)


def test_what_is_wrong_in_two_sections_is_told_of_both():
    told = problems(batch_size=0, test_samples=0)
    assert "batch_size" in told
    assert "test_samples" in told


def test_viewers_name_no_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(order, "may_name", lambda path: False)
    told = problems(data={"name": "folder", "folder": str(tmp_path)})
    assert told == "Only editors may name folders of this machine."


def test_a_made_up_group_stays_while_the_runs_do(monkeypatch):
    monkeypatch.setattr(order.st, "session_state", {})
    names = iter(["first", "second", "third"])
    monkeypatch.setattr(order, "new_group", lambda: next(names))

    def group(values):
        found, _ = checked(form(plan=Plan(kind=SWEEP, typed={"lr": values})))
        return found.plan.name

    assert [group(["0.1", "0.2"]), group(["0.1", "0.2"])] == ["first", "first"]
    assert group(["0.1", "0.3"]) == "second"
    forget_group()
    assert group(["0.1", "0.3"]) == "third"
