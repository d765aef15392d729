"""Tests of the folders that jobs get."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.trainers.examples import config, run_of
from trainers.jobs.folders import leave_queue, prepare_folder
from trainers.jobs.store import Job
from trainers.runs import RunError, load_config, read_json
from trainers.status import (
    ENDED,
    RUNNING,
    STARTING,
    Process,
    Status,
    read_status,
    write_status,
)

# Makes the folder of a job, but is killed while it writes its N-th file.
KILLED = """
import os, signal, sys
from trainers.jobs.folders import prepare_folder
from trainers.jobs.store import Job
left = int(sys.argv[3])

def fsync(descriptor):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

os.fsync = fsync
prepare_folder(Job(path=sys.argv[1], config=sys.argv[2]))
"""
CONTENT = {**config().to_dict(), "code_version": "1.2"}


@pytest.fixture
def job(tmp_path):
    path = tmp_path / "runs" / "a run ü"
    return Job(path=str(path), config=json.dumps(CONTENT), submitted=5.0)


def files(job):
    return sorted(path.name for path in job.run.path.iterdir())


def gone():
    """Describe a process that is not there."""
    return Process(pid=2**22 - 1, started=1.0)


def test_a_folder_is_made_with_all_that_a_run_needs(job):
    prepare_folder(job)
    assert files(job) == ["config.json", "status.json"]
    assert load_config(job.run) == config()
    assert read_json(job.run.config) == CONTENT
    status = read_status(job.run)
    assert (status.state, status.created) == ("queued", 5.0)


def test_preparing_twice_changes_nothing(job):
    prepare_folder(job)
    contents = [path.read_bytes() for path in sorted(job.run.path.iterdir())]
    prepare_folder(job)
    assert [p.read_bytes() for p in sorted(job.run.path.iterdir())] == contents


def test_an_empty_folder_is_taken(job):
    job.run.path.mkdir(parents=True)
    prepare_folder(job)
    assert read_status(job.run).state == "queued"


@pytest.mark.parametrize("name", ["x", ".hidden", ".config.jsonx", "status.json"])
def test_a_folder_of_something_else_is_left_alone(job, name):
    job.run.path.mkdir(parents=True)
    (job.run.path / name).write_text("mine")
    with pytest.raises(RunError, match="run folder must be new or empty, got"):
        prepare_folder(job)
    assert files(job) == [name]
    assert (job.run.path / name).read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_left_alone(job):
    job.run.path.parent.mkdir(parents=True)
    job.run.path.write_text("mine")
    with pytest.raises(RunError, match="run folder must be new or empty, got"):
        prepare_folder(job)
    assert job.run.path.read_text() == "mine"


@pytest.mark.parametrize(
    ("number", "left"), [(1, [".config.json."]), (2, [".status.json.", "config.json"])]
)
def test_what_a_killed_submitter_left_half_written_is_no_obstacle(job, number, left):
    words = [sys.executable, "-c", KILLED, job.path, job.config, str(number)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert len(files(job)) == len(left)
    assert all(map(str.startswith, files(job), left))
    prepare_folder(job)
    assert read_status(job.run).state == "queued"
    assert load_config(job.run) == config()


def test_a_submitter_and_a_dispatcher_make_the_folder_at_once(tmp_path):
    errors = []
    for number in range(30):
        path = tmp_path / str(number)
        job = Job(path=str(path), config=json.dumps(CONTENT), submitted=5.0)
        barrier = threading.Barrier(3)

        def make(job=job, barrier=barrier):
            barrier.wait(20)
            try:
                prepare_folder(job)
            except (RunError, OSError) as error:
                errors.append(error)

        threads = [threading.Thread(target=make) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert files(job) == ["config.json", "status.json"]
        assert read_status(job.run).state == "queued"
    assert errors == []


@pytest.mark.parametrize("state", [*ENDED, STARTING, RUNNING])
def test_a_resumed_run_keeps_what_it_did(tmp_path, state):
    run = run_of(tmp_path / "a")
    config_before = run.config.read_bytes()
    write_status(run, Status(
        state=state, created=1.0, started=2.0, ended=3.0, step=7, total_steps=9,
        trainer=gone(), workers=(gone(),), phase="training",
        error_class="data", message="m", error_tail="t",
    ))  # fmt: skip
    prepare_folder(Job(path=str(run.path), config="{}", submitted=99.0))
    status = read_status(run)
    assert (status.state, status.created, status.started) == ("queued", 1.0, 2.0)
    assert (status.step, status.total_steps) == (7, 9)
    assert (status.ended, status.trainer, status.workers) == (None, None, ())
    told = (status.phase, status.error_class, status.message, status.error_tail)
    assert told == ("", "", "", "")
    assert run.config.read_bytes() == config_before


@pytest.mark.parametrize("state", [STARTING, RUNNING])
def test_a_slow_submitter_does_not_overwrite_a_run_that_began(job, state):
    prepare_folder(job)
    begun = write_status(
        job.run, Status(state=state, created=5.0, trainer=Process.current())
    )
    prepare_folder(job)
    assert read_status(job.run) == begun


@pytest.mark.parametrize("content", ["{", "[]", '{"state": "odd"}'])
def test_a_damaged_status_is_replaced(job, content):
    prepare_folder(job)
    job.run.status.write_text(content)
    prepare_folder(job)
    assert (read_status(job.run).state, read_status(job.run).created) == ("queued", 5.0)


def test_a_full_disk_is_told_and_the_next_one_goes_on(job, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            prepare_folder(job)
    assert files(job) == []
    prepare_folder(job)
    assert read_status(job.run).state == "queued"


# --- leaving ---


def test_a_run_that_left_the_queue_says_so(job):
    prepare_folder(job)
    leave_queue(job)
    status = read_status(job.run)
    assert status.state == "stopped"
    assert status.message == "Taken from the queue before it started."
    assert status.ended == pytest.approx(time.time(), abs=10)


def test_a_run_that_ended_before_keeps_its_end(job):
    prepare_folder(job)
    failed = Status(state="failed", created=1.0, message="why", error_class="data")
    written = write_status(job.run, failed)
    leave_queue(job)
    assert read_status(job.run) == written


def test_a_run_may_leave_the_queue_before_its_folder_was_made(job):
    leave_queue(job)
    assert read_status(job.run).state == "stopped"
    assert load_config(job.run) == config()


def test_leaving_takes_no_folder_of_something_else(job):
    job.run.path.mkdir(parents=True)
    (job.run.path / "other.json").write_text("{}")
    with pytest.raises(RunError, match="must be new or empty"):
        leave_queue(job)
    assert files(job) == ["other.json"]


def test_a_configuration_that_went_missing_is_written_again(job):
    prepare_folder(job)
    (job.run.path / "log").mkdir()
    job.run.config.unlink()
    prepare_folder(job)
    assert read_json(job.run.config) == CONTENT
    assert read_status(job.run).state == "queued"
