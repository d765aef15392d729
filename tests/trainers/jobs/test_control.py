"""Tests of launching, stopping, resuming and deleting runs from outside."""

import os
import signal

import psutil
import pytest

from tests.trainers.examples import (
    config,
    long_config,
    run_of,
    state_of,
    wait_for,
    wait_for_end,
    wait_for_state,
    wait_for_step,
)
from trainers import jobs
from trainers.jobs import control
from trainers.jobs.control import code_version, descendants
from trainers.runs import RunError, list_runs, read_json
from trainers.status import (
    ALIVE,
    STARTING,
    Process,
    Status,
    end_status,
    read_status,
    write_status,
)

pytestmark = pytest.mark.usefixtures("ended")


def nothing_left(run):
    """Whether no process of this machine has the run's folder on its command line."""
    for process in psutil.process_iter(["cmdline"]):
        if str(run.path) in (process.info["cmdline"] or []):
            return False
    return True


def test_a_launched_run_finishes_by_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    settings = config(dataset="digits", model="mlp", training={"epochs": 1})
    run = jobs.launch(settings)
    assert state_of(run) in ALIVE
    status = wait_for_end(run)
    assert status.state == "finished", status
    assert status.supervisor.pid != status.trainer.pid
    assert read_json(run.evaluation)["metrics"]["accuracy"] > 0.1
    assert "100%" in run.log.read_text()
    wait_for(lambda: nothing_left(run))
    assert state_of(run) == "finished"
    jobs.stop(run)
    assert not run.stop_request.exists()


def test_a_running_run_is_stopped_resumed_and_stopped_again(tmp_path):
    run = jobs.launch(long_config(), tmp_path / "a run")
    wait_for_step(run)
    with pytest.raises(RunError, match="Run a run cannot be resumed: it is running"):
        jobs.resume(run)
    with pytest.raises(RunError, match="Run a run cannot be deleted: it is running"):
        jobs.delete(run)
    jobs.stop(run)
    assert state_of(run) in ("stopping", "stopped")
    jobs.stop(run)
    first = wait_for_end(run)
    assert first.state == "stopped", first
    assert (run.checkpoint / "last.pt").exists()
    jobs.resume(run)  # at once, while the first supervisor may still be there
    wait_for_state(run, "running")
    wait_for_step(run, first.step + 5)
    assert read_status(run).state == "running"
    jobs.stop(run)
    second = wait_for_end(run)
    assert second.state == "stopped", second
    assert second.step > first.step
    assert second.created == first.created
    wait_for(lambda: nothing_left(run))
    jobs.delete(run)
    assert not run.path.exists()
    assert list(tmp_path.glob(".deleted*")) == []


def test_a_stop_right_after_the_launch(tmp_path):
    run = jobs.launch(long_config(), tmp_path / "a")
    jobs.stop(run)
    status = wait_for_end(run)
    assert status.state == "stopped", status
    wait_for(lambda: nothing_left(run))
    assert status.step == 0


def test_a_run_whose_processes_were_killed_is_lost(tmp_path):
    run = jobs.launch(long_config(), tmp_path / "a")
    wait_for_step(run)
    processes = read_status(run).processes()
    assert len(processes) == 2
    for process in processes:  # the supervisor first
        process.kill()
    assert wait_for(lambda: state_of(run) == "lost")
    jobs.delete(run)
    assert not run.path.exists()


def test_an_orphaned_trainer_is_still_stopped(tmp_path):
    run = jobs.launch(long_config(), tmp_path / "a")
    wait_for_step(run)
    read_status(run).supervisor.handle().kill()
    wait_for(lambda: read_status(run).supervisor.handle() is None)
    assert state_of(run) == "running"
    jobs.stop(run)
    assert wait_for_end(run).state == "stopped"


def test_a_launch_into_a_full_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="run folder must be new or empty"):
        jobs.launch(config(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("state", ["finished", "stopped", "failed"])
def test_ended_runs_are_deleted(tmp_path, state):
    run = run_of(tmp_path / "a")
    end_status(run, Status(state=STARTING, created=1.0), state)
    jobs.stop(run)
    assert not run.stop_request.exists()
    jobs.delete(run)
    jobs.delete(run)  # a second click
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_damaged_runs_are_deleted_and_not_resumed(tmp_path, content):
    run = run_of(tmp_path / "runs" / "a")
    if content is not None:
        run.status.write_text(content)
    with pytest.raises(RunError, match=r"status\.json"):
        jobs.resume(run)
    with pytest.raises(RunError, match=r"status\.json"):
        jobs.stop(run)
    jobs.delete(run)
    assert list_runs() == []


def test_a_finished_or_misconfigured_run_is_not_resumed(tmp_path):
    run = run_of(tmp_path / "a")
    end_status(run, Status(state=STARTING, created=1.0), "finished")
    with pytest.raises(RunError, match="Run a cannot be resumed: it is finished"):
        jobs.resume(run)
    run.config.write_text("{")
    with pytest.raises(RunError, match=r"config\.json cannot be read"):
        jobs.resume(run)


def test_a_process_that_ended_meanwhile_needs_no_signal(tmp_path, monkeypatch):
    run = run_of(tmp_path / "a")
    trainer = Process.current()
    write_status(run, Status(state="running", created=1.0, trainer=trainer))
    sent = []

    class Gone(psutil.Process):
        def send_signal(self, number):
            sent.append(number)
            raise psutil.NoSuchProcess(self.pid)

    monkeypatch.setattr(Status, "processes", lambda self: [Gone(os.getpid())])
    jobs.stop(run)
    assert sent == [signal.SIGTERM]
    assert state_of(run) == "stopping"
    jobs.stop(run)
    assert len(sent) == 1


def test_the_version_is_known_or_said_to_be_unknown(monkeypatch):
    assert code_version()[0].isdigit()

    def missing(name):
        raise control.metadata.PackageNotFoundError

    monkeypatch.setattr(control.metadata, "version", missing)
    assert code_version() == "unknown"


def test_descendants_of_a_process_that_is_gone_are_none():
    process = psutil.Popen(["sleep", "600"])
    assert process.pid in [p.pid for p in descendants(psutil.Process())]
    handle = psutil.Process(process.pid)
    process.kill()
    process.wait()
    assert descendants(handle) == []
