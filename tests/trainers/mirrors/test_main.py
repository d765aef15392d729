"""The command: several mirrors, broken ones, hanging ones, a run that really trains."""

import signal
import time
from dataclasses import replace

import psutil
import pytest

from tests.trainers.examples import long_config, wait_for
from tests.trainers.mirrors.examples import (
    a_run,
    append,
    fake,
    following,
    memory_of,
    mirror,
    set_state,
    step_row,
    ten_steps,
    training,
)
from trainers.mirrors import MIRRORS
from trainers.mirrors.__main__ import CLASSES, main
from trainers.mirrors.memory import recall
from trainers.runs import new_run, read_metrics

BROKEN = {
    "at import": ("raise RuntimeError('no')", "mirror 'mlflow' failed: RuntimeError"),
    "exits": ("raise SystemExit('bye')", "mirror 'mlflow' failed: SystemExit: bye"),
    "crashes": ("import os; os.abort()", "mirror 'mlflow' ended with exit code -6"),
}
HANGS = "import time\ntime.sleep(600)\n"


@pytest.fixture
def run(tmp_path):
    return a_run(tmp_path / "run", rows=ten_steps())


def steps_in_tensorboard(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = {"size_guidance": {"scalars": 0}}  # all of them, not a sample
    events = EventAccumulator(str(run.path / "mirrors" / "tensorboard"), **settings)
    found = events.Reload()
    if "train_loss" not in found.Tags()["scalars"]:
        return []
    return [event.step for event in found.Scalars("train_loss")]


def memory_step(run):
    return recall(run, "tensorboard").step


def steps_on_disk(run):
    return [row["step"] for row in read_metrics(run)[0] if row["kind"] == "step"]


def test_every_mirror_of_the_catalogue_has_a_class():
    assert list(CLASSES) == list(MIRRORS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "mlflow"], "There is no run 'nowhere'"),
        ([".", "neptune"], "NAME must name some of tensorboard, mlflow, wandb, got"),
    ],
)
def test_a_wrong_command_is_named(run, words, message, monkeypatch, capsys):
    monkeypatch.chdir(run.path)
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (run.path / "mirrors").exists()


def test_a_missing_package_is_said_and_nothing_else_happens(run, monkeypatch, capsys):
    absent = replace(MIRRORS["mlflow"], module="no_such_package_anywhere")
    monkeypatch.setitem(MIRRORS, "mlflow", absent)
    assert main([str(run.path), "mlflow"]) == 3
    assert capsys.readouterr().err == (
        "mirror 'mlflow' needs the package mlflow-skinny or mlflow: "
        "pip install mlflow-skinny\n"
    )
    assert not (run.path / "mirrors").exists()


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_mirror_does_not_stop_the_others(run, kind, tmp_path):
    pytest.importorskip("tensorboard")
    source, message = BROKEN[kind]
    folder = fake(tmp_path / "fakes", "mlflow", source)
    done = mirror(run, "mlflow", "tensorboard", path=[folder])
    assert done.returncode == 1
    assert message in done.stderr
    assert "tensorboard" not in done.stderr
    assert steps_in_tensorboard(run) == list(range(1, 11))


def test_a_hanging_mirror_leaves_when_asked_and_the_others_took_all(run, tmp_path):
    pytest.importorskip("tensorboard")
    folder = fake(tmp_path / "fakes", "mlflow", HANGS)
    with following(run, "mlflow,tensorboard", path=[folder]) as process:
        ended = run.path / "mirrors" / "tensorboard.json"
        wait_for(lambda: ended.exists() and memory_of(run, "tensorboard")["ended"])
        wait_for((run.path / "mirrors" / "mlflow.lock").exists)
        began = time.monotonic()
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert time.monotonic() - began < 10
    assert "mirror 'mlflow' did not come to an end within 5 seconds" in errors
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert steps_in_tensorboard(run) == list(range(1, 11))


@pytest.mark.slow
def test_a_training_is_mirrored_live_stopped_and_resumed(tmp_path):
    pytest.importorskip("tensorboard")
    run = new_run(long_config(), "test", tmp_path / "run")
    last = 0
    for _ in range(2):
        with training(run) as trainer, following(run, "tensorboard") as follower:
            wait_for(lambda last=last: memory_step(run) > last)
            assert trainer.poll() is None
            trainer.send_signal(signal.SIGTERM)
            _, errors = follower.communicate(timeout=60)
        assert (follower.returncode, errors) == (0, "")
        assert steps_in_tensorboard(run) == steps_on_disk(run)
        last = steps_on_disk(run)[-1]
    assert steps_on_disk(run) == list(range(1, last + 1))


def test_a_mirror_that_is_killed_goes_on_without_repeats(tmp_path):
    pytest.importorskip("tensorboard")
    run = a_run(tmp_path / "run", "running", ten_steps())
    with following(run, "tensorboard") as killed:
        wait_for(lambda: memory_step(run) == 10)
        killed.kill()
    append(run, step_row(11))
    set_state(run, "finished")
    assert mirror(run, "tensorboard").returncode == 0
    assert steps_in_tensorboard(run) == list(range(1, 12))
