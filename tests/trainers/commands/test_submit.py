"""Tests of queueing from the command line."""

import json
import re
import signal

import pytest

from tests.trainers.commands.conftest import MOONS
from tests.trainers.examples import config, start, wait_for, wait_for_state
from tests.trainers.jobs.conftest import fake
from tests.trainers.jobs.fake_trainer import seed_of
from trainers.runs import Run, list_runs, load_config

SGD = [*MOONS, "--optimizer", "sgd"]


def test_one_run_is_queued_and_its_folder_is_the_last_line(still, say, tmp_path):
    code, lines, errors = say("submit", *SGD, "--epochs", 3, "--priority", 2)
    (run,) = list_runs(tmp_path / "runs")
    assert (code, errors) == (0, [])
    assert lines == [
        f"state      run{' ' * len(run.id[3:])}  what",
        f"queued #1  {run.id}  sgd on moons",
        str(run.path),
    ]
    assert load_config(run).training.epochs == 3
    (job,) = still.store.queued()
    assert (job.group, job.priority) == ("", 2)


def test_a_sweep_is_one_group_with_a_folder_a_line(still, say, tmp_path):
    words = ["--optimizer", "vogn", "adamw", "--seed", 0, 1, "--damping", 0.1, 0.2]
    code, lines, _ = say("submit", *MOONS, *words)
    jobs = still.store.queued()
    assert code == 0
    assert len(jobs) == 6
    assert lines[-6:] == [job.path for job in jobs]
    (group,) = {job.group for job in jobs}
    assert lines[0] == f"6 runs in group {group}"
    assert re.match(
        rf"queued #1  {jobs[0].run.id}  vogn on moons, seed 0, damp", lines[2]
    )
    assert lines[-7].endswith("adamw on moons, seed 1")
    configs = [load_config(job.run) for job in jobs]
    assert [c.training.seed for c in configs] == [0, 0, 1, 1, 0, 1]


def test_a_list_and_a_group_of_ones_own(still, say):
    words = ["--optimizer", "vogn", "sgd", "--seed", 3, 4, "--sweep", "list"]
    assert say("submit", *MOONS, *words, "--group", "my own")[0] == 0
    jobs = still.store.queued()
    assert [json.loads(job.config)["training"]["seed"] for job in jobs] == [3, 4]
    assert {job.group for job in jobs} == {"my own"}


def test_a_later_submit_stands_behind(still, say):
    still.submit([config(), config()])
    _, lines, _ = say("submit", *SGD)
    assert lines[1].startswith("queued #3")


def test_a_saved_configuration_is_queued_in_a_folder_of_ones_own(
    still, say, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(config().to_dict()))
    _, lines, _ = say("submit", "--config", "c.json", "--run-dir", "a b")
    assert lines[-1] == str(tmp_path / "a b")
    assert load_config(Run(tmp_path / "a b")) == config()


def test_a_paused_queue_is_told(still, say):
    still.pause()
    _, lines, _ = say("submit", *SGD)
    assert "The queue is paused" in lines[-2]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["--seed", 0, 1, "--run-dir", "x"],
            "--run-dir must be for one run, got 2",
        ),
        (["--seed", 0, -1], r"point 2 of 2 \(seed -1\): seed must be"),
        (["--priority", "high"], "priority must be a whole number"),
        (["--group", ""], "group must be a name"),
        (["--lr", 1, 2, "--seed", 1, 2, 3, "--sweep", "list"], "got seed 3, lr 2"),
        (["--config", "none.json"], "none.json does not exist"),
        (["--device", "cpu", "cuda:7"], "device must be one that this machine has"),
    ],
)
def test_mistakes_queue_nothing(still, say, tmp_path, monkeypatch, words, text):
    monkeypatch.setattr("trainers.jobs.nvml.gpus", list, raising=True)
    code, lines, (error,) = say("submit", *SGD, *words)
    assert (code, lines) == (2, [])
    assert re.search(text, error)
    assert still.queue() == []
    assert not (tmp_path / "runs").exists()


def test_following_tells_each_state_and_whether_all_finished(working, say):
    words = ["--seed", seed_of("ok"), seed_of("crash"), "--follow"]
    code, lines, _ = say("submit", *SGD, *words)
    runs = list_runs()[::-1]
    assert code == 1
    assert lines[-2:] == [str(run.path) for run in runs]
    told = [
        line.split(None, 1)[1] for line in lines if re.match(r"\d\d:\d\d:\d\d ", line)
    ]
    states = [re.search(r": (\w+)", line)[1] for line in told if runs[0].id in line]
    assert states[0] == "queued"
    assert states[-1] == "finished"
    assert told[-1] == (
        f"Run {runs[1].id} (sgd on moons): failed. "
        f"{working.state(runs[1]).status.message}"
    )
    assert "RuntimeError" in told[-1] or "exit code" in told[-1]


def test_one_that_finishes_is_a_success(working, say):
    assert say("submit", *SGD, "--seed", seed_of("ok"), "--follow")[0] == 0


def test_ctrl_c_leaves_the_runs_alone(working):
    process = start("submit", *SGD, "--seed", seed_of("long"), "--follow")
    try:
        (run,) = wait_for(list_runs)
        wait_for_state(run, "running")
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert out.splitlines()[-1] == str(run.path)
    assert "The runs go on" in out
    assert "Traceback" not in errors
    assert working.state(run).status.state == "running"


def test_a_fake_run_is_what_the_flags_say(still, say):
    say("submit", *SGD, "--seed", seed_of("crash"))
    assert load_config(still.queue()[0]).training.seed == fake("crash").training.seed
