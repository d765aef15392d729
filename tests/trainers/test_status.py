"""Tests of the state of a run, and whether it is believed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from tests.trainers.examples import wait_for
from trainers import status as states
from trainers.runs import Run, RunError, read_json
from trainers.status import (
    SILENCE,
    Process,
    Status,
    Supervision,
    begin_status,
    end_status,
    observed,
    processes_of,
    read_status,
    read_supervision,
    write_status,
    write_supervision,
)

FAR = Process(pid=1, started=1.0, host="another machine")


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture
def sleeper():
    """Run a process that only sleeps; ended afterwards."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def gone():
    """Describe a process that existed and does not any more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    described = Process(pid=process.pid, started=time.time())
    process.wait()
    return described


def running(**details):
    return Status(state=states.RUNNING, created=1.0, **details)


def test_a_status_survives_its_file(run):
    written = write_status(
        run, running(trainer=Process.current(), step=3, message="é", phase="training")
    )
    assert read_status(run) == written
    assert abs(written.heartbeat - time.time()) < 5
    assert list(run.path.iterdir()) == [run.status]


def test_unknown_keys_of_a_later_version_are_passed_over(run):
    write_status(run, running())
    run.status.write_text(json.dumps(read_json(run.status) | {"news": 1}))
    assert read_status(run).state == "running"


@pytest.mark.parametrize(
    "content",
    [
        [], {}, {"state": "odd"}, {"state": "running"}, {"state": ["running"]},
        {"state": "running", "created": "x"},
        {"state": "running", "created": None},
        {"state": "running", "created": 1, "step": None},
        {"state": "running", "created": 1, "heartbeat": "now"},
        {"state": "running", "created": 1, "trainer": 5},
        {"state": "running", "created": 1, "trainer": {"pid": 1}},
        {"state": "running", "created": 1, "trainer": {"pid": "1", "started": 1}},
        {"state": "running", "created": 1, "trainer": {"pid": -1, "started": 1}},
        {"state": "running", "created": 1, "trainer": {"pid": 1, "started": None}},
    ],
)  # fmt: skip
def test_a_damaged_status_is_named(run, content):
    run.status.write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"status\.json is not a status: "):
        observed(run)


def test_a_missing_status_is_named(run):
    with pytest.raises(RunError, match=r"status\.json does not exist"):
        observed(run)


def test_the_process_must_have_the_number_and_the_start_time(sleeper):
    described = Process.of(sleeper.pid)
    assert described.handle().pid == sleeper.pid
    assert Process(pid=sleeper.pid, started=described.started - 60).handle() is None
    assert gone().handle() is None
    with pytest.raises(psutil.NoSuchProcess):
        Process.of(gone().pid)


def test_a_zombie_is_not_alive():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    described = Process.of(process.pid)
    assert described.handle() is not None
    process.kill()
    zombie = psutil.Process(process.pid)
    wait_for(lambda: zombie.status() == psutil.STATUS_ZOMBIE)
    assert described.handle() is None
    process.wait()


@pytest.mark.parametrize("role", ["trainer", "worker", "supervisor", "launcher"])
def test_a_run_is_alive_while_one_of_its_processes_is(run, sleeper, role):
    process = Process.of(sleeper.pid)
    if role == "trainer":
        write_status(run, running(trainer=process))
    elif role == "worker":
        write_status(run, running(trainer=gone(), workers=(gone(), process)))
    else:
        write_status(run, running(trainer=gone()))
        write_supervision(run, Supervision(**{"supervisor": gone(), role: process}))
    assert observed(run).state == "running"
    sleeper.kill()
    sleeper.wait()
    seen = observed(run)
    assert seen.state == "lost"
    assert seen.ended == read_status(run).heartbeat
    assert "ended without a word" in seen.message
    assert read_status(run).state == "running"  # looking writes nothing


def test_a_stop_that_was_asked_for_shows(run, sleeper):
    write_status(run, running(trainer=Process.of(sleeper.pid)))
    run.stop_request.touch()
    assert observed(run).state == "stopping"
    write_status(run, running(trainer=gone()))
    assert observed(run).state == "stopped"


def test_an_ended_run_stays_as_it_ended(run):
    run.stop_request.touch()
    end_status(run, running(phase="training"), states.FAILED, error_class="diverged")
    seen = observed(run)
    assert (seen.state, seen.error_class, seen.phase) == ("failed", "diverged", "")
    assert seen.ended == pytest.approx(time.time(), abs=5)


@pytest.mark.parametrize("asked", [True, False])
def test_a_queued_run_needs_no_process(run, asked):
    """Whether it really waits somewhere is for the job engine to say."""
    write_status(run, Status(state=states.QUEUED, created=1.0))
    if asked:
        run.stop_request.touch()
    assert observed(run).state == "queued"


def test_a_start_without_a_supervisor_is_lost(run):
    write_status(run, Status(state=states.STARTING, created=1.0))
    assert observed(run).state == "lost"
    write_supervision(run, Supervision(supervisor=Process.current()))
    assert observed(run).state == "starting"
    run.stop_request.touch()
    assert observed(run).state == "stopping"


def test_the_end_written_while_we_look_is_believed(run, monkeypatch):
    write_status(run, running(trainer=gone()))
    real = states.read_status
    seen = []

    def read_then_end(which):
        status = real(which)
        if not seen:
            end_status(run, status, states.FINISHED)
        seen.append(status)
        return status

    monkeypatch.setattr(states, "read_status", read_then_end)
    assert observed(run).state == "finished"
    assert len(seen) == 2


def test_training_begins_with_a_clean_status_that_remembers_the_launch(run):
    failed = running(started=5.0, step=7, workers=(gone(),))
    end_status(run, failed, states.FAILED, message="x", error_tail="y", error_class="z")
    status = begin_status(run)
    assert status == read_status(run)
    assert (status.state, status.created, status.started) == ("running", 1.0, 5.0)
    assert (status.message, status.error_tail, status.error_class) == ("", "", "")
    assert status.ended is None
    assert (status.trainer, status.workers) == (Process.current(), ())


def test_training_begins_without_a_status_or_with_a_damaged_one(run):
    run.status.write_text("{")
    assert begin_status(run).trainer.pid == os.getpid()
    run.status.unlink()
    assert begin_status(run).created == pytest.approx(time.time(), abs=5)


def test_every_failure_class_has_a_suggestion():
    classes = {
        "out of memory", "diverged", "data", "configuration", "disk", "installation",
        "distributed", "killed", "crashed", "other",
    }  # fmt: skip
    assert set(states.SUGGESTIONS) == classes
    assert all(text.endswith(".") for text in states.SUGGESTIONS.values())


def test_what_has_ended_without_finishing_can_go_on(run):
    assert set(states.RESUMABLE) == set(states.ENDED) - {states.FINISHED}
    for state in (*states.ALIVE, states.FINISHED):
        with pytest.raises(RunError, match=f"cannot be resumed: it is {state}"):
            states.check_resumable(run, state)
    for state in states.RESUMABLE:
        states.check_resumable(run, state)


def test_handles_are_of_the_process_itself(sleeper):
    handle = Process.of(sleeper.pid).handle()
    handle.send_signal(signal.SIGTERM)
    assert sleeper.wait(timeout=10) == -signal.SIGTERM


@pytest.mark.parametrize(
    "created", [float("nan"), float("inf"), "now", True, 10**400, -(10**400)]
)
def test_a_time_that_is_no_finite_number_is_refused(created):
    with pytest.raises(ValueError, match="created must be a number, got"):
        Status.from_dict({"state": "running", "created": created})


def test_the_other_ranks_are_processes_of_the_run(run, sleeper):
    workers = (gone(), Process.of(sleeper.pid))
    written = write_status(run, running(trainer=gone(), workers=workers))
    assert read_status(run) == written
    assert written.processes() == (written.trainer, *workers)
    assert [handle.pid for handle in processes_of(run)] == [sleeper.pid]
    assert observed(run).state == "running"
    assert begin_status(run).workers == ()


@pytest.mark.parametrize("workers", [5, None, [5], [{"pid": 0, "started": 1}]])
def test_damaged_workers_are_named(run, workers):
    content = {"state": "running", "created": 1, "workers": workers}
    run.status.write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"status\.json is not a status: "):
        read_status(run)


# --- who watches a run ---


def test_strays_come_back_as_they_were_written(run, sleeper):
    strays = (Process.of(sleeper.pid), gone())
    watch = Supervision(supervisor=Process.current(), strays=strays)
    assert write_supervision(run, watch) == read_supervision(run)
    assert read_supervision(run).strays == strays
    content = json.loads(run.supervision.read_text()) | {"strays": [{"pid": 0}]}
    run.supervision.write_text(json.dumps(content))
    assert read_supervision(run) is None


def test_a_supervision_survives_its_file(run, sleeper):
    assert read_supervision(run) is None
    written = write_supervision(
        run,
        Supervision(supervisor=Process.current(), launcher=Process.of(sleeper.pid)),
    )
    assert read_supervision(run) == written
    assert abs(written.heartbeat - time.time()) < 5
    alone = write_supervision(run, Supervision(supervisor=Process.current()))
    assert read_supervision(run) == alone
    assert alone.launcher is None
    assert list(run.path.iterdir()) == [run.supervision]


def test_a_supervision_of_a_later_version_is_understood(run):
    written = write_supervision(run, Supervision(supervisor=Process.current()))
    content = read_json(run.supervision) | {"news": 1}
    run.supervision.write_text(json.dumps(content))
    assert read_supervision(run) == written


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", "5", "null", '"ab"', "[[1, 2]]", "{}", '{"supervisor": null}',
        '{"supervisor": 5}', '{"supervisor": {"pid": 1}}', '{"supervisor": []}',
        '{"supervisor": {"pid": 0, "started": 1}}',
        '{"supervisor": {"pid": 1, "started": 1}, "heartbeat": null}',
        '{"supervisor": {"pid": 1, "started": 1}, "launcher": "x"}',
        '{"supervisor": {"pid": 1, "started": 1}, "launcher": {"pid": "1"}}',
    ],
)  # fmt: skip
def test_a_damaged_supervision_is_none(run, content):
    run.supervision.write_text(content)
    assert read_supervision(run) is None
    write_status(run, running(trainer=Process.current()))
    assert observed(run).state == "running"


def test_a_supervision_is_the_supervisor_s_alone(run):
    """A trainer that writes its status does not touch it, nor the other way round."""
    watch = write_supervision(run, Supervision(supervisor=Process.current()))
    status = begin_status(run)
    assert read_supervision(run) == watch
    write_supervision(run, watch)
    assert read_status(run) == status


# --- the processes of a run ---


def test_each_living_process_is_named_once(run, sleeper):
    """A single rank is what the supervisor started, too."""
    rank = Process.of(sleeper.pid)
    watch = Supervision(supervisor=Process.current(), launcher=rank)
    write_supervision(run, watch)
    write_status(run, running(trainer=rank, workers=(rank, gone(), FAR)))
    assert [each.pid for each in processes_of(run)] == [os.getpid(), sleeper.pid]
    sleeper.kill()
    sleeper.wait()
    assert [each.pid for each in processes_of(run)] == [os.getpid()]


def test_the_processes_of_a_run_without_a_supervisor(run, sleeper):
    write_status(run, running(trainer=Process.of(sleeper.pid)))
    assert [each.pid for each in processes_of(run)] == [sleeper.pid]
    run.status.write_text("{")
    with pytest.raises(RunError, match=r"status\.json cannot be read"):
        processes_of(run)


# --- processes of other machines ---


def test_a_process_of_another_machine_has_no_handle_here():
    here = Process.current()
    assert not here.is_elsewhere
    assert not Process(pid=here.pid, started=here.started).is_elsewhere
    far = Process(pid=here.pid, started=here.started, host="another machine")
    assert far.is_elsewhere
    assert far.handle() is None


@pytest.mark.parametrize("named", ["trainer", "supervisor"])
def test_a_far_run_is_alive_while_it_gives_signs_of_life(run, monkeypatch, named):
    if named == "trainer":
        write_status(run, running(trainer=FAR))
    else:
        write_status(run, running())
        write_supervision(run, Supervision(supervisor=FAR))
    assert observed(run).state == "running"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SILENCE + 5)
    assert observed(run).state == "lost"


def test_the_sign_of_life_of_a_far_supervisor_is_enough(run, monkeypatch):
    write_status(run, running(trainer=FAR))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SILENCE + 5)
    assert observed(run).state == "lost"
    write_supervision(run, Supervision(supervisor=FAR))
    assert observed(run).state == "running"


def test_a_silence_near_by_is_judged_by_the_processes_alone(run, monkeypatch):
    write_status(run, running(trainer=gone()))
    assert observed(run).state == "lost"
    write_status(run, running(trainer=Process.current()))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SILENCE + 5)
    assert observed(run).state == "running"


def test_a_process_is_known_though_the_clock_was_set():
    own = Process.current()
    assert own.birth
    moved = replace(own, started=own.started - 3600)
    assert moved.handle() is not None
    other = replace(own, birth=own.birth[:-1] + "x")
    assert other.handle() is None
    assert replace(moved, birth="").handle() is None  # an older record
