"""Tests of `ui/views/launch/plans.py`."""

import argparse
import shlex

import pytest

from tests.ui.fakes import config
from trainers.config import OptimizerConfig, RunConfig
from trainers.flags import add_config_flag, add_setting_flags, configs_from_options
from ui.views.launch.plans import (
    ONE,
    RACE,
    SWEEP,
    Plan,
    counting,
    distinct,
    is_whole,
    parts,
    setting_title,
    table,
)


def run_by(command):
    """The configurations that the command line makes of the words of a plan."""
    parser = argparse.ArgumentParser()
    add_config_flag(parser)
    parser.add_argument("--sweep", default="grid")
    parser.add_argument("--group")
    parser.add_argument("--priority")
    add_setting_flags(parser, nargs="+")
    options = parser.parse_args(command[4:])
    return configs_from_options(options, options.sweep)[0]


def tuned(**values):
    base = config(epochs=3, seed=5)
    return RunConfig(
        dataset=base.dataset,
        model=base.model,
        optimizer=OptimizerConfig(name="vogn", hyperparameters=values),
        training=base.training,
    )


def test_one_run_is_itself():
    base = tuned(lr=0.3)
    plan = Plan(kind=ONE)
    assert plan.configs(base) == [base]
    assert plan.name == ""
    assert not plan.is_open
    assert plan.command(base)[3] == "run"
    assert run_by(plan.command(base)) == [base]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(kind=SWEEP, typed={"lr": ["0.1", "auto"], "seed": ["0", "1"]}),
        Plan(kind=SWEEP, typed={"lr": ["1e-1", "2"], "seed": ["0", "1"]}, mode="list"),
        Plan(kind=SWEEP, typed={"epochs": ["1", "2", "3"], "seed": ["4"]}, mode="list"),
        Plan(kind=SWEEP, typed={"sampled": ["true", "false"], "model": ["mlp"]}),
        Plan(kind=SWEEP, typed={"validation_fraction": ["0", "0.25"]}, group="g 1"),
    ],
)
def test_the_command_of_a_sweep_makes_the_same_runs(plan):
    base = tuned(momentum=0.5)
    command = plan.command(base, priority=2)
    assert command[:4] == ["python", "-m", "trainers", "submit"]
    assert command[-2:] == ["--priority", "2"]
    assert run_by(command) == plan.configs(base)


def test_the_command_of_a_race_makes_the_same_runs_or_there_is_none():
    plan = Plan(kind=RACE, typed={"optimizer": ["vogn", "sgd"], "seed": ["1", "2"]})
    assert run_by(plan.command(config())) == plan.configs(config())
    # Given to all on the command line, this momentum would be SGD's too.
    assert plan.command(tuned(momentum=0.5)) == []


def test_a_plan_is_open_until_something_varies():
    assert Plan(kind=SWEEP).is_open
    assert not Plan(kind=SWEEP, typed={"seed": ["1"]}).is_open


def test_a_group_has_the_name_that_was_typed_or_else_made_up():
    assert Plan(kind=RACE, made_up="s1").name == "s1"
    assert Plan(kind=RACE, group="mine", made_up="s1").name == "mine"
    assert Plan(kind=ONE, made_up="s1").name == ""


def test_values_of_every_combination_count_once():
    assert distinct({"seed": ["1", "2", "3", "2"]}) == {"seed": ["1", "2", "3"]}


def test_lists_stand_between_commas():
    assert parts(" 0,1 , 2,, ") == ["0", "1", "2"]
    assert parts("") == []


def test_settings_have_their_titles():
    assert setting_title("lr") == "Learning rate"
    assert setting_title("batch_size") == "Batch size"


def test_the_table_tells_what_differs_in_words():
    plan = Plan(kind=RACE, typed={"optimizer": ["vogn", "adamw"]})
    assert table(plan.configs(config())) == [
        {"Optimizer": "VOGN"},
        {"Optimizer": "AdamW"},
    ]
    mixed = Plan(kind=SWEEP, typed={"optimizer": ["vogn", "sgd"], "damping": ["1"]})
    rows = table([*mixed.configs(config()), tuned(damping=2)])
    assert [row["Damping"] for row in rows] == ["1.0", "-", "2.0"]


def test_ranges_are_values_and_whole_settings_get_whole_ones():
    assert parts("0..2, 7") == ["0", "1", "2", "7"]
    assert parts("1..100 log 3", "batch_size") == ["1", "10", "100"]
    assert parts("1..10 log 3", "lr") == ["1", "3.162", "10"]
    assert parts("1..10 log 3", "num_samples") == ["1", "3", "10"]


def test_whole_settings_are_known():
    assert all(map(is_whole, ("seed", "batch_size", "epochs", "curvature_interval")))
    assert not any(map(is_whole, ("lr", "mixup", "sampled", "pretrained", "model", "")))


def test_runs_are_counted():
    typed = {"lr": ["1", "2", "3"], "seed": ["0", "1"]}
    assert counting(typed, "grid") == "Learning rate 3 × Seeds 2 = 6 runs"  # noqa: RUF001
    assert counting({"lr": ["1", "2"], "seed": ["0"]}, "list") == "2 runs"


def test_each_value_that_will_not_do_is_told_with_its_row():
    typed = {"lr": ["0.1", "0", "x"], "batch_size": ["8", "1.5"], "seed": ["-1"]}
    told = Plan(kind=SWEEP, typed=typed).faults(config())
    assert [each.split(": ")[0] for each in told] == [
        "Learning rate, 0", "Learning rate, x", "Batch size, 1.5", "Seeds, -1",
    ]  # fmt: skip
    assert "lr must be a number in (0, 1e+06]" in told[0]


def test_values_that_go_with_another_choice_of_the_sweep_are_no_fault():
    typed = {"optimizer": ["sgd", "adamw"], "nesterov": ["true"], "momentum": ["7"]}
    (told,) = Plan(kind=SWEEP, typed=typed).faults(config())
    assert told.startswith("Momentum, 7: momentum must be a number in [0, 1)")


def test_a_plan_with_problems_is_not_open():
    assert not Plan(kind=SWEEP, problems=["Seeds: no range"]).is_open


def test_commands_for_each_run_make_the_same_runs():
    plan = Plan(kind=RACE, typed={"optimizer": ["vogn", "sgd"]}, group="who wins")
    base = tuned(momentum=0.5)
    configs = plan.configs(base)
    lines = [shlex.split(line) for line in plan.commands(configs, priority=4)]
    assert [run_by(line) for line in lines] == [[each] for each in configs]
    assert all(
        line[-4:] == ["--group", "who wins", "--priority", "4"] for line in lines
    )


def test_commands_for_each_run_have_the_name_that_was_made_up():
    plan = Plan(kind=RACE, typed={"optimizer": ["vogn", "sgd"]}, made_up="s7")
    base = tuned(momentum=0.5)
    lines = [shlex.split(line) for line in plan.commands(plan.configs(base))]
    assert [line[-2:] for line in lines] == [["--group", "s7"]] * 2
    # A single command makes up its own each time.
    single = Plan(kind=RACE, typed={"seed": ["1"]}, made_up="s7")
    assert "--group" not in single.command(base)
