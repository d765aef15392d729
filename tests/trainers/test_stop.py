"""Ctrl-C and SIGTERM end a training in a terminal, whenever they come."""

import json
import signal
import subprocess

import psutil
import pytest
import torch

from tests.trainers.examples import (
    command_line,
    config,
    long_config,
    start,
    state_of,
    wait_for,
    wait_for_step,
)
from trainers.runs import Run
from trainers.status import read_status

pytestmark = pytest.mark.usefixtures("ended")


def start_run(tmp_path, settings):
    """Start a run in a folder with a space; return the run and its process."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings.to_dict()))
    run = Run(tmp_path / "a run")
    return run, start("run", "--config", path, "--run-dir", run.path)


def ends_as_stopped(run, process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    lines = out.splitlines()
    assert lines[-1] == str(run.path)
    assert "stopped: Stopped on request." in lines
    assert f"Go on with: python -m trainers run --resume {run.path}" in out
    status = read_status(run)
    assert (status.state, status.message) == ("stopped", "Stopped on request.")
    assert status.trainer.handle() is None
    return status


# `timeout` signals the process and its group: two signals are one wish.
@pytest.mark.parametrize("numbers", [[signal.SIGINT] * 2, [signal.SIGTERM]])
def test_a_signal_in_the_training_leaves_a_checkpoint_at_its_step(tmp_path, numbers):
    run, process = start_run(tmp_path, long_config())
    wait_for_step(run, 3)
    for number in numbers:
        process.send_signal(number)
    status = ends_as_stopped(run, process)
    saved = torch.load(run.checkpoint / "last.pt", weights_only=True)["progress"]
    assert saved["step"] == status.step >= 3
    assert not run.evaluation.exists()
    left = [p for p in run.path.rglob(".*") if p.is_file()]
    assert left == []


def test_a_signal_in_the_import_stops_too(tmp_path):
    run, process = start_run(tmp_path, long_config())
    wait_for(lambda: state_of(run) == "running")
    process.send_signal(signal.SIGTERM)
    status = ends_as_stopped(run, process)
    assert status.step == 0
    assert not run.metrics.exists()


def test_a_signal_in_the_evaluation_stops_and_resume_only_evaluates(tmp_path):
    settings = config(
        training={"epochs": 1}, evaluation={"test_samples": 4096}
    )  # fmt: skip
    run, process = start_run(tmp_path, settings)
    wait_for(lambda: state_of(run) and read_status(run).phase == "evaluating", 60)
    before = run.metrics.read_bytes()
    process.send_signal(signal.SIGTERM)
    status = ends_as_stopped(run, process)
    assert status.step == status.total_steps == 7
    content = json.loads(run.config.read_text())
    content["evaluation"]["test_samples"] = 2
    run.config.write_text(json.dumps(content))
    resumed = start("run", "--resume", run.path)
    out, err = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, err
    assert out.splitlines()[-1] == str(run.path)
    assert run.metrics.read_bytes() == before
    assert read_status(run).state == "finished"


def test_a_killed_run_is_seen_as_lost_and_resumed(tmp_path):
    run, process = start_run(tmp_path, config(training={"epochs": 5000}))
    wait_for_step(run, 3)
    assert state_of(run) == "running"
    process.kill()
    process.communicate(timeout=20)
    assert state_of(run) == "lost"
    content = json.loads(run.config.read_text())
    content["training"]["epochs"] = 1
    run.config.write_text(json.dumps(content))
    with_timeout = subprocess.run(
        ["timeout", "60", *command_line("run", "--resume", run.path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert with_timeout.returncode == 0, with_timeout.stderr
    assert read_status(run).state == "finished"
    assert not psutil.pid_exists(process.pid)
