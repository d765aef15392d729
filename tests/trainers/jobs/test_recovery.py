"""Tests of what the engine does when a part of it is killed or frozen."""

import os
import signal
import subprocess
import sys

import psutil

from tests.trainers.examples import wait_for
from tests.trainers.jobs.conftest import dispatchers, fake
from tests.trainers.jobs.waiting import state_of, wait_for_state, wait_until_settled
from trainers.jobs.locks import is_held
from trainers.jobs.processes import is_alive, run_role, supervisor_role, with_role
from trainers.runs import list_runs
from trainers.status import (
    read_status,
)


def test_a_killed_trainer_is_a_failure_that_blames_nobody(engine):
    (run,) = engine.submit([fake("hang")])
    status = wait_for_state(engine, run, "running")
    status.trainer.handle().kill()
    status = wait_for_state(engine, run, "failed")
    assert status.error_class == "killed"
    assert "signal 9 (SIGKILL)" in status.message


def test_a_killed_supervisor_is_replaced_while_the_training_goes_on(engine):
    (run,) = engine.submit([fake("long")])
    wait_for(lambda: (run.path / "progress").exists())
    trainer = read_status(run).trainer
    (supervisor,) = with_role(supervisor_role(run))
    supervisor.kill()
    wait_for(
        lambda: [p for p in with_role(supervisor_role(run)) if p.pid != supervisor.pid]
    )
    done = int((run.path / "progress").read_text())
    wait_for(lambda: int((run.path / "progress").read_text()) > done + 2)
    assert state_of(engine, run) == "running"
    assert read_status(run).trainer == trainer
    engine.stop(run)
    wait_for_state(engine, run, "stopped")
    wait_until_settled(engine, run)


def test_a_child_without_a_name_is_ended_by_another_supervisor_too(engine):
    """It emptied its environment; only its session tells whose it is."""
    (run,) = engine.submit([fake("fork")])
    wait_for(lambda: (run.path / "progress").exists())
    trainer = read_status(run).trainer.handle()
    bare = [p for p in trainer.children() if not p.environ()]
    assert len(bare) == 1
    (supervisor,) = with_role(supervisor_role(run))
    supervisor.kill()
    trainer.kill()
    wait_for(lambda: state_of(engine, run) in ("lost", "failed"))
    wait_until_settled(engine, run)
    assert not is_alive(bare[0])


def test_a_run_that_lost_everything_is_lost_and_can_be_resumed(engine):
    (run,) = engine.submit([fake("long")])
    wait_for(lambda: (run.path / "progress").exists())
    # Trainer and supervisor at the same moment, as when a machine loses its power.
    for process in with_role(supervisor_role(run), run_role(run)):
        process.kill()
    status = wait_for_state(engine, run, "lost")
    wait_until_settled(engine, run)
    assert "I am long" in read_status(run).error_tail
    assert "can be resumed" in status.message
    done = int((run.path / "progress").read_text())
    engine.resume(run)
    wait_for(lambda: int((run.path / "progress").read_text()) > done)


def test_a_killed_dispatcher_is_replaced_by_a_supervisor(engine):
    runs = engine.submit([fake("ok"), fake("ok")])
    wait_for_state(engine, runs[0], "running")
    (dispatcher,) = dispatchers(engine.home)
    dispatcher.kill()
    wait_for(lambda: state_of(engine, runs[1]) == "finished")
    wait_until_settled(engine, *runs)
    (second,) = dispatchers(engine.home)
    assert second.pid != dispatcher.pid


def test_a_submitter_that_is_killed_leaves_no_half_of_a_sweep(engine):
    """Rows come first, and the dispatcher makes folders that are missing."""
    code = (
        "import os, signal\n"
        "from tests.trainers.jobs.conftest import fake\n"
        "from trainers import jobs\n"
        "from trainers.jobs import local\n"
        "local.prepare_folder = lambda job: os.kill(os.getpid(), signal.SIGKILL)\n"
        "jobs.engine().submit([fake('ok'), fake('ok')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list_runs() == []
    queued = engine.queue()
    assert len(queued) == 2
    engine.unpause()  # wakes a dispatcher
    for run in queued:
        assert wait_for(lambda run=run: run.status.exists() and engine.state(run))
    assert list_runs() == sorted(queued, key=lambda run: run.id, reverse=True)
    wait_for_state(engine, queued[0], "running")


def test_a_rank_that_is_killed_is_named(engine):
    (run,) = engine.submit([fake("long", num_processes=2)])
    wait_for(lambda: (run.path / "progress").exists())
    ranks = [p for p in with_role(run_role(run)) if "train" in p.cmdline()]
    victim = next(p for p in ranks if p.environ().get("RANK") == "1")
    victim.kill()
    status = wait_for_state(engine, run, "failed")
    assert status.error_class == "killed"
    assert "Rank 1" in status.message
    wait_until_settled(engine, run)


def test_a_killed_torchrun_takes_its_ranks_along(engine):
    (run,) = engine.submit([fake("long", num_processes=2)])
    wait_for(lambda: (run.path / "progress").exists())
    members = with_role(run_role(run))
    (torchrun,) = [p for p in members if "trainers.launcher" in p.cmdline()]
    torchrun.kill()
    status = wait_for_state(engine, run, "failed")
    assert status.error_class == "killed"
    wait_until_settled(engine, run)
    assert with_role(run_role(run)) == []


def test_a_dispatcher_that_a_supervisor_started_is_free_of_its_run(engine):
    (run,) = engine.submit([fake("long")])
    wait_for_state(engine, run, "running")
    (first,) = dispatchers(engine.home)
    first.kill()
    second = wait_for(
        lambda: [p for p in dispatchers(engine.home) if p.pid != first.pid]
    )[0]
    variables = second.environ()
    assert not {"CUDA_VISIBLE_DEVICES", "VOGN_TRAINER", "VOGN_HANDED"} & set(variables)


def test_a_frozen_dispatcher_is_replaced(engine, monkeypatch):
    from trainers.jobs import start

    engine.unpause()
    (frozen,) = wait_for(lambda: dispatchers(engine.home))
    lock = engine.home.dispatcher_lock
    wait_for(lambda: lock.exists() and lock.read_text() == str(frozen.pid))
    frozen.suspend()
    os.utime(lock, (1.0, 1.0))
    assert start.ensure_dispatcher(engine.home)  # once is enough
    assert not frozen.is_running() or frozen.status() == psutil.STATUS_ZOMBIE
    wait_for(lambda: dispatchers(engine.home))
    wait_for(lambda: is_held(lock))
