"""Tests of `trainers/commands/study.py`, and of `submit --study`."""

import json
from dataclasses import replace

import pytest

from tests.trainers.commands.conftest import MOONS
from tests.trainers.examples import config
from trainers.commands import study_training
from trainers.commands.study import STOPPED_CODE, chosen_axis, default_group, members
from trainers.jobs.launcher import MAX_GROUP, checked_group
from trainers.runs import list_runs, load_config, write_json
from trainers.status import FINISHED, STOPPED, begin_status, end_status
from trainers.studies import STUDIES, study_configs

COLD = STUDIES["cold_posterior"]


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Trainings that write a result at once; returns the runs that were trained."""
    monkeypatch.chdir(tmp_path)
    runs = []

    def train(run):
        runs.append(run)
        config = load_config(run)
        temperature = config.optimizer.hyperparameters.get("temperature", 5.0)
        nll = 0.4 + 0.1 * temperature + 0.01 * config.training.seed
        metrics = {"nll": nll, "ece": 0.1 * nll, "accuracy": 1 - nll}
        write_json(run.evaluation, {"metrics": metrics, "mean": None})
        end_status(run, begin_status(run), FINISHED)
        return 0

    monkeypatch.setattr(study_training, "_trained", train)
    return runs


def test_a_study_is_queued_as_one_group(still, say):
    code, lines, errors = say(
        "submit", "--study", "cold_posterior", *MOONS, "--optimizer", "vogn", "adamw",
        "--seed", 0, 1,
    )  # fmt: skip
    assert (code, errors) == (0, [])
    jobs = still.store.queued()
    configs = [json.loads(job.config) for job in jobs]
    values = [c["optimizer"]["hyperparameters"].get("temperature") for c in configs]
    assert values == [*COLD.values, *COLD.values, None, None]
    assert [c["training"]["seed"] for c in configs] == [0] * 7 + [1] * 7 + [0, 1]
    assert len({job.group for job in jobs}) == 1
    assert lines[0].startswith("16 runs in group ")


def test_values_and_seeds_of_ones_own_take_the_studys_place(still, say):
    words = ["--optimizer", "vogn", "--temperature", 0.5, 1, "--seed", 4]
    assert say("submit", "--study", "cold_posterior", *MOONS, *words)[0] == 0
    configs = [load_config(job.run) for job in still.store.queued()]
    found = [
        (c.optimizer.hyperparameters["temperature"], c.training.seed) for c in configs
    ]
    assert found == [(0.5, 4), (1.0, 4)]


@pytest.mark.parametrize("command", ["submit", "study"])
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["warm", "--optimizer", "vogn"], "study must be one of cold_posterior, prior"),
        (["cold_posterior", "--optimizer", "sgd"], "optimizer must be one of vogn, "),
        (["cold_posterior", "--optimizer", "vogn", "--temperature", "x"],
         "temperature must be a number in (0, 100], got 'x'."),
        (["cold_posterior"], "--optimizer must be given"),
    ],
)  # fmt: skip
def test_what_makes_no_study_is_refused(still, say, tmp_path, command, words, problem):
    flag = ["--study"] if command == "submit" else []
    code, _, errors = say(command, *flag, *words, *MOONS)
    assert code == 2
    assert problem in errors[-1]
    assert not list_runs(tmp_path / "runs")


def test_a_study_is_trained_here_and_its_picture_drawn(still, say, trained, tmp_path):
    words = ["cold_posterior", *MOONS, "--optimizer", "vogn", "--seed", 0, 1, 2]
    code, lines, errors = say("study", *words)
    assert (code, errors) == (0, [])
    assert len(trained) == 21
    assert lines[0] == "1 of 21: vogn on moons, seed 0, temperature 0.001"
    (folder,) = (tmp_path / "studies").iterdir()
    assert folder.name.startswith("cold-posterior-moons-mlp-vogn-")
    assert set(members(still, folder.name)) == set(trained)
    assert lines[-4:] == [*(str(folder / f"study.{k}") for k in ("png", "html", "csv")),
                          str(folder)]  # fmt: skip
    assert any(line.startswith("VOGN  0.001") for line in lines)
    (told,) = [line for line in lines if line.startswith("NLL: the best of 5 colder")]
    assert "0.001, differs from temperature 1 (Bayes) by \N{MINUS SIGN}0.0999" in told


def test_the_same_command_goes_on_where_it_was_stopped(
    still, say, trained, monkeypatch
):
    words = ["cold_posterior", *MOONS, "--optimizer", "vogn", "--temperature", 0.1, 1,
             "--seed", 0, 1, "--group", "mine"]  # fmt: skip
    train = study_training._trained

    def stopped(run):
        if len(trained) == 2:
            end_status(run, begin_status(run), STOPPED)
            return STOPPED_CODE
        return train(run)

    monkeypatch.setattr(study_training, "_trained", stopped)
    code, lines, _ = say("study", *words)
    assert code == STOPPED_CODE
    assert lines[-1] == "Stopped. The same command goes on where it ended."
    runs = list(members(still, "mine"))
    assert len(runs) == 3
    monkeypatch.setattr(study_training, "_trained", train)
    code, lines, _ = say("study", *words)
    assert code == 0
    assert len(trained) == 4  # two before, the stopped one and the last after
    assert len(members(still, "mine")) == 4
    assert (
        lines[0] == "1 of 4: vogn on moons, seed 0, temperature 0.1: finished already"
    )
    assert not {run.id for run in runs} - {run.id for run in members(still, "mine")}


def named(*given, **sections):
    return default_group(COLD, study_configs(COLD, [config(**sections)], given or None))


def test_seeds_and_values_join_a_group_and_other_settings_have_their_own():
    plain = named()
    assert plain.startswith("cold-posterior-moons-mlp-vogn-")
    assert named(0.5, training={"seed": 7}) == plain
    rest = [
        named(training={"epochs": 3}), named(training={"batch_size": 7}),
        named(optimizer={"name": "vogn", "hyperparameters": {"lr": 0.5}}),
    ]  # fmt: skip
    assert len({plain, *rest}) == 4


def test_the_name_of_a_group_is_never_too_long():
    names = ("vogn", "ivon", "vadam", "noisy_kfac", "sgld", "sghmc", "laplace")
    several = [config(optimizer=name, dataset="digits") for name in names]
    long = replace(several[0].model, name="timm:" + "x" * 80)
    found = default_group(COLD, [replace(each, model=long) for each in several])
    assert len(checked_group(found)) == MAX_GROUP


def test_the_picture_is_drawn_of_any_group_that_differs_in_a_number(
    still, say, trained, tmp_path
):
    words = ["cold_posterior", *MOONS, "--optimizer", "vogn", "--group", "mine/1"]
    say("study", *words, "--temperature", 0.1, 1, "--seed", 0)
    code, lines, _ = say("study", "--of", "mine/1", "--output", tmp_path / "out")
    assert (code, lines[-1]) == (0, str(tmp_path / "out"))
    assert (tmp_path / "studies" / "mine_1" / "study.png").is_file()
    code, _, errors = say("study", "--of", "mine/1", "--against", "lr")
    assert code == 2
    assert (
        "against must be a number in which the runs differ (temperature)" in errors[0]
    )
    assert "There is no group 'no' of runs." in say("study", "--of", "no")[2][0]


def test_a_group_that_differs_in_several_numbers_needs_one_named(still, say, trained):
    words = ["cold_posterior", *MOONS, "--optimizer", "vogn", "--seed", 0]
    say("study", *words, "--temperature", 0.1, 1, "--lr", 0.1, 0.2, "--group", "two")
    configs = [load_config(run) for run in members(still, "two")]
    with pytest.raises(ValueError, match=r"^--against must be given, one of: lr, temp"):
        chosen_axis(configs, None, None)
    assert chosen_axis(configs, None, "lr") == "lr"
    assert chosen_axis(configs, COLD, None) == "temperature"
    _, lines, _ = say("study", "--of", "two", "--against", "lr")
    assert any(line.startswith("VOGN, temperature 0.1") for line in lines)


def test_runs_of_several_processes_are_for_the_queue(still, say, trained):
    words = ["cold_posterior", *MOONS, "--optimizer", "vogn", "--num-processes", 2]
    code, _, errors = say("study", *words)
    assert code == 2
    assert "num_processes must be 1 for runs that are trained here, got 2" in errors[0]
    assert not trained


def test_nothing_is_drawn_before_a_run_was_evaluated(still, say):
    say("submit", *MOONS, "--optimizer", "vogn", "--seed", 0, 1, "--group", "new")
    code, _, errors = say("study", "--of", "new")
    assert code == 2
    assert "No run of group 'new' was evaluated yet." in errors[0]


def test_a_real_run_is_trained_to_its_end(still, say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["cold_posterior", *MOONS, "--optimizer", "vogn", "--temperature", 0.1, 1]
    cheap = ["--seed", 0, "--epochs", 1, "--test-samples", 2, "--group", "mine"]
    code, lines, _ = say("study", *words, *cheap)
    assert code == 0
    states = members(still, "mine").values()
    assert [state.status.state for state in states] == [FINISHED] * 2
    assert any("1 seed tells nothing of the spread" in line for line in lines)
