"""Tests of the dispatcher's decisions, tick by tick, without a process of its own."""

import json
import os
import subprocess
import time
from contextlib import contextmanager

import pytest

from tests.trainers.examples import wait_for
from tests.trainers.jobs.conftest import fake
from trainers.jobs import devices, dispatcher, local, nvml
from trainers.jobs.dispatcher import Dispatcher
from trainers.jobs.locks import FileLock, is_held
from trainers.jobs.processes import ROLE, run_role, supervisor_role, with_role
from trainers.jobs.start import spawn
from trainers.status import (
    ENDED,
    RUNNING,
    STARTING,
    STOPPED,
    Process,
    Supervision,
    read_status,
    write_status,
    write_supervision,
)


class Started(list):
    """Takes note of what would be started, and starts nothing."""

    def __call__(self, module, arguments, environment, log, *, detached):
        assert detached
        self.append((module, arguments, environment))
        return Ended()


class Ended:
    """A process that ended at once."""

    def poll(self):
        return 1


@pytest.fixture
def started(monkeypatch):
    noted = Started()
    monkeypatch.setattr(dispatcher, "spawn", noted)
    return noted


@pytest.fixture
def dispatch(engine, monkeypatch):
    monkeypatch.setattr(local, "ensure_dispatcher", lambda home, **_: True)
    made = Dispatcher(engine.home, engine.store)
    made.engine = engine
    return made


def stage(dispatch, run):
    return dispatch.store.get(run.path).stage


def test_the_first_in_the_queue_gets_the_slot_and_a_supervisor(dispatch, started):
    first, second = dispatch.engine.submit([fake("ok"), fake("ok")])
    dispatch.tick()
    ((module, words, variables),) = started
    assert module == "trainers.jobs.supervisor"
    claimed = dispatch.store.get(first.path).claimed
    assert words == [
        str(first.path), "--num-processes", "1", "--start", repr(claimed),
    ]  # fmt: skip
    assert variables["VOGN_ROLE"] == supervisor_role(first)
    assert (stage(dispatch, first), stage(dispatch, second)) == ("active", "queued")
    (lease,) = dispatch.store.leases(dispatch.host)
    assert (lease.device, lease.path) == ("cpu:0", str(first.path))


def test_an_idle_tick_is_one_question(dispatch, monkeypatch):
    dispatch.tick()
    monkeypatch.setattr(dispatch.store, "queued", None)
    monkeypatch.setattr(dispatch.store, "active", None)
    dispatch.tick()  # nothing changed: neither is asked


def test_a_run_with_a_living_supervisor_is_left_alone(dispatch, started):
    (run,) = dispatch.engine.submit([fake("ok")])
    dispatch.tick()
    with FileLock(dispatch.home.run_lock(run)) as lock:
        assert lock.acquire()
        for _ in range(3):
            dispatch.tick()
    assert stage(dispatch, run) == "active"
    assert len(started) == 1


def test_a_supervisor_that_never_began_is_tried_thrice(dispatch, started):
    (run,) = dispatch.engine.submit([fake("ok")])

    def ended():
        dispatch.tick()
        return stage(dispatch, run) == "ended"

    wait_for(ended)
    assert len(started) == dispatcher.MAX_STARTS
    status = read_status(run)
    assert (status.state, status.error_class) == ("failed", "other")
    assert "could not be started" in status.message
    assert dispatch.store.leases(dispatch.host) == []


def test_a_run_that_is_alone_gets_a_new_supervisor_but_not_every_tick(
    dispatch, started
):
    (run,) = dispatch.engine.submit([fake("ok")])
    dispatch.tick()
    alive = Process.current()
    write_supervision(run, watch(dispatch, run, launcher=alive))
    for _ in range(3):
        dispatch.tick()
    assert [words[-1] for _, words, _ in started][1:] == ["--attach"]
    assert stage(dispatch, run) == "active"


def dead():
    """Describe a process that is no more."""
    return Process(pid=2**22 - 1, started=1.0)


def abandoned(dispatch, state):
    """Return an active run whose supervisor and launcher are gone."""
    (run,) = dispatch.engine.submit([fake("ok")])
    dispatch.tick()
    status = read_status(run)
    write_status(run, type(status)(**vars(status) | {"state": state}))
    write_supervision(run, watch(dispatch, run))
    return run


def watch(dispatch, run, **details):
    """What a supervisor of this start, now dead, left."""
    start = dispatch.store.get(run.path).claimed
    values = {"supervisor": dead(), "launcher": dead(), "start": start}
    return Supervision(**(values | details))


@pytest.mark.parametrize("state", [STARTING, RUNNING])
def test_a_dead_run_is_lost_with_the_end_of_its_log(dispatch, started, state):
    run = abandoned(dispatch, state)
    run.log.parent.mkdir(exist_ok=True)
    run.log.write_text("\n" * 50 + "the last words\n")
    dispatch.tick()
    status = read_status(run)
    assert (status.state, stage(dispatch, run)) == ("lost", "ended")
    assert status.error_tail.endswith("the last words")
    assert dispatch.store.leases(dispatch.host) == []
    assert dispatch.store.get(run.path).outcome == "lost"
    assert not dispatch.home.run_lock(run).exists()


def test_a_dead_run_that_was_to_stop_is_stopped(dispatch, started):
    run = abandoned(dispatch, RUNNING)
    run.stop_request.touch()
    dispatch.tick()
    assert read_status(run).state == "stopped"


def test_a_stop_that_nobody_asked_for_is_a_loss(dispatch, started):
    """Ranks end in order when their torchrun is killed."""
    run = abandoned(dispatch, STOPPED)
    dispatch.tick()
    status = read_status(run)
    assert (status.state, stage(dispatch, run)) == ("lost", "ended")
    assert "were killed" in status.message


def test_what_a_supervisor_concluded_stays(dispatch, started):
    run = abandoned(dispatch, STOPPED)
    write_supervision(run, watch(dispatch, run, concluded=True))
    dispatch.tick()
    assert read_status(run).state == "stopped"
    assert stage(dispatch, run) == "ended"


def test_leftovers_of_a_dead_run_are_ended_before_its_device_is_free(dispatch, started):
    run = abandoned(dispatch, RUNNING)
    log = run.log.with_name("x.log")
    variables = {"VOGN_ROLE": run_role(run)}
    sleeper = spawn("http.server", ["0"], variables, log)
    wait_for(lambda: with_role(run_role(run)))
    dispatch.tick()
    assert with_role(run_role(run)) == []
    sleeper.wait(timeout=10)
    assert stage(dispatch, run) == "ended"


def test_a_folder_that_was_removed_ends_its_job(dispatch, started):
    run = abandoned(dispatch, RUNNING)
    for path in sorted(run.path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run.path.rmdir()
    dispatch.tick()
    assert dispatch.store.get(run.path).outcome == "lost"
    assert dispatch.store.leases(dispatch.host) == []


def test_gpus_are_leased_by_uuid_and_a_busy_one_waits(dispatch, started, monkeypatch):
    gib = 2**30
    gpus = [
        nvml.Gpu("GPU-a", 0, "H200", 141 * gib, 140 * gib),
        nvml.Gpu("GPU-b", 1, "H200", 141 * gib, 3 * gib, (os.getpid(),)),
    ]
    monkeypatch.setattr(nvml, "gpus", lambda: gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    one, two = dispatch.engine.submit([fake("ok"), fake("ok")])
    dispatch.tick()
    ((_, words, variables),) = started
    assert words[0] == str(one.path)
    assert json.loads(variables["VOGN_HANDED"])["CUDA_VISIBLE_DEVICES"] == "GPU-a"
    assert "CUDA_VISIBLE_DEVICES" not in variables  # a supervisor may start dispatchers
    assert [lease.device for lease in dispatch.store.leases(dispatch.host)] == ["GPU-a"]
    reason = dispatch.store.get(two.path).reason
    assert reason.startswith("Waits for GPU 0 (H200): leased by run")
    assert devices.occupied(gpus, set(), 0.8)["GPU-b"].startswith(
        "GPU 1 (H200) is used"
    )


def test_a_queued_job_whose_folder_was_taken_waits_and_says_so(dispatch, started):
    (run,) = dispatch.engine.submit([fake("ok")])
    dispatch.engine.pause()
    run.config.unlink()
    run.status.unlink()
    (run.path / "something else").touch()
    dispatch.tick()
    assert dispatch.store.get(run.path).reason.startswith("Its folder cannot be made")
    assert [p.name for p in run.path.iterdir()] == ["something else"]
    assert started == []
    dispatch.engine.stop(run)
    assert stage(dispatch, run) == "ended"


def test_a_real_supervisor_is_known_while_it_boots(dispatch):
    (run,) = dispatch.engine.submit([fake("ok")])
    began = time.monotonic()
    while not is_held(dispatch.home.run_lock(run)):
        dispatch.tick()  # none of these starts a second one
        assert time.monotonic() - began < 30
    assert dispatch.store.get(run.path).starts == 1

    def ended():
        dispatch.tick()
        return read_status(run).state in ENDED and stage(dispatch, run) == "ended"

    wait_for(ended)
    for child in dispatch._children.values():  # it leaves after its run has ended
        child.wait(timeout=10)
    dispatch._looked = -dispatcher.LOOK
    dispatch.tick()
    assert dispatch._children == {}
    assert read_status(run).state == "finished"


def test_a_frozen_supervisor_is_killed(dispatch, started, monkeypatch):
    (run,) = dispatch.engine.submit([fake("ok")])
    dispatch.tick()
    monkeypatch.setattr(dispatcher, "FROZEN", 1.0)
    with (
        sleeping(supervisor_role(run)) as sleeper,
        FileLock(dispatch.home.run_lock(run)) as lock,
    ):
        assert lock.acquire()
        began = time.monotonic()
        while time.monotonic() < began + 2.0:  # it gives signs of life
            os.utime(dispatch.home.run_lock(run))
            dispatch.tick()
            time.sleep(0.1)
        assert sleeper.poll() is None
        # Also when the run has its end, and all that is left is to go.
        write_supervision(run, watch(dispatch, run, concluded=True))
        wait_for(lambda: dispatch.tick() or sleeper.poll() == -9)


def test_a_supervisor_that_freezes_while_it_boots_is_killed(
    dispatch, started, monkeypatch
):
    (run,) = dispatch.engine.submit([fake("ok")])
    dispatch.tick()
    with sleeping(supervisor_role(run)) as sleeper:
        dispatch.tick()
        assert sleeper.poll() is None
        assert stage(dispatch, run) == "active"
        monkeypatch.setattr(dispatcher, "FROZEN", 0.0)
        dispatch.tick()
        assert sleeper.wait(timeout=10) == -9
    dispatch.tick()
    assert stage(dispatch, run) == "queued"  # it never began


@contextmanager
def sleeping(role):
    """A process of a role that does nothing."""
    with subprocess.Popen(["sleep", "60"], env={ROLE: role}) as process:
        wait_for(lambda: with_role(role))
        try:
            yield process
        finally:
            process.kill()


def test_a_run_that_cannot_be_seen_to_holds_up_no_other(dispatch, started, monkeypatch):
    monkeypatch.setenv("VOGN_CPU_SLOTS", "2")
    first, second = dispatch.engine.submit([fake("ok"), fake("ok")])
    dispatch.tick()
    for run in (first, second):
        write_supervision(run, watch(dispatch, run))
    real = dispatcher.read_supervision

    def read(run):
        if run == first:
            raise OSError(5, "Input/output error")
        return real(run)

    monkeypatch.setattr(dispatcher, "read_supervision", read)
    dispatch.tick()
    assert (stage(dispatch, first), stage(dispatch, second)) == ("active", "ended")


@pytest.mark.parametrize(
    ("error", "state", "error_class"),
    [
        (OSError(28, "No space left on device"), "failed", "disk"),
        (PermissionError(13, "Permission denied"), "lost", ""),
    ],
)
def test_the_store_keeps_an_end_that_its_folder_does_not_take(
    dispatch, started, monkeypatch, error, state, error_class
):
    run = abandoned(dispatch, RUNNING)

    def closed(*_, **__):
        raise error

    monkeypatch.setattr(dispatcher, "end_status", closed)
    dispatch.tick()
    assert stage(dispatch, run) == "ended"
    status = dispatch.engine.state(run).status
    assert (status.state, status.error_class) == (state, error_class)
    assert status.message.startswith("The processes of this run ended without a word")
    assert status.message.endswith(str(error))
    assert status.ended is not None
    assert dispatch.store.leases(dispatch.host) == []


def test_a_folder_that_cannot_be_looked_into_holds_up_no_other(
    dispatch, started, monkeypatch
):
    first, second = dispatch.engine.submit([fake("ok"), fake("ok")])
    real, prepare = os.stat, dispatcher.prepare_folder

    def stat(path, *words, **more):
        if str(path).startswith(f"{first.path}/"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *words, **more)

    def unreadable(job):
        if job.run == first:
            raise PermissionError(13, "Permission denied", job.path)
        prepare(job)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(dispatcher, "prepare_folder", unreadable)
    dispatch.tick()
    assert stage(dispatch, second) == "active"
    assert stage(dispatch, first) == "queued"
    reason = dispatch.store.get(first.path).reason
    assert reason.startswith("Its folder cannot be made: ")
    assert set(dispatch.engine.states([first, second])) == {first, second}


def test_a_configuration_that_was_removed_is_made_again(dispatch, started):
    (run,) = dispatch.engine.submit([fake("ok")])
    before = run.config.read_bytes()
    run.config.unlink()
    dispatch.tick()
    assert run.config.read_bytes() == before
    assert stage(dispatch, run) == "active"
