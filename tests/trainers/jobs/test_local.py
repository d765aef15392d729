"""Tests of the engine as its clients use it, with a dispatcher and fake trainers."""

import json
from types import SimpleNamespace

import psutil
import pytest

from tests.trainers.examples import wait_for
from tests.trainers.jobs.conftest import dispatchers, fake, processes_below
from tests.trainers.jobs.waiting import state_of, wait_for_state, wait_until_settled
from trainers.jobs.launcher import Archive, Launcher, Queue
from trainers.jobs.local import Engine
from trainers.runs import RunError, list_runs
from trainers.status import ENDED, read_status


def test_the_engine_is_a_launcher_with_a_queue_that_keeps_runs(engine):
    launcher: Launcher = engine
    assert isinstance(launcher, Queue)
    assert isinstance(launcher, Archive)


def test_runs_on_one_slot_go_one_after_the_other_in_order(engine):
    runs = engine.submit([fake("ok") for _ in range(3)], group="three")
    assert [run.id for run in runs] == sorted(run.id for run in runs)
    reasons = set()

    def watch():
        states = [engine.state(run) for run in runs]
        alive = [s.status.state in ("starting", "running") for s in states]
        assert sum(alive) <= 1
        reasons.update(state.reason for state in states)
        return all(s.status.state in ENDED for s in states)

    wait_for(watch)
    assert [state_of(engine, run) for run in runs] == ["finished"] * 3
    assert reasons == {
        "",
        f"Waits for CPU slot 0: leased by run {runs[0].id}.",
        f"Waits for CPU slot 0: leased by run {runs[1].id}.",
        f"Waits behind run {runs[1].id}.",
    }
    begun = [read_status(run).started for run in runs]
    assert begun == sorted(begun)
    wait_until_settled(engine, *runs)
    assert {engine.state(run).group for run in runs} == {"three"}
    assert {run.id for run in list_runs()} == {run.id for run in runs}


def test_a_run_is_stopped_and_goes_on_where_it_was(engine):
    (run,) = engine.submit([fake("long")])
    wait_for(lambda: (run.path / "progress").exists())
    with pytest.raises(RunError, match="cannot be resumed: it is"):
        engine.resume(run)
    with pytest.raises(RunError, match="cannot be deleted: it is"):
        engine.delete(run)
    engine.stop(run)
    assert state_of(engine, run) in ("stopping", "stopped")
    first = wait_for_state(engine, run, "stopped")
    done = int((run.path / "progress").read_text())
    engine.resume(run)  # at once, while the old supervisor may still be there
    assert not run.stop_request.exists()
    wait_for_state(engine, run, "running")
    wait_for(lambda: int((run.path / "progress").read_text()) > done)
    engine.stop(run)
    second = wait_for_state(engine, run, "stopped")
    assert second.created == first.created
    wait_until_settled(engine, run)
    engine.delete(run)
    assert not run.path.exists()
    assert engine.store.get(run.path) is None
    engine.delete(run)  # a second click


def test_a_stop_right_after_the_submit(engine):
    (run,) = engine.submit([fake("long")])
    engine.stop(run)
    status = wait_for_state(engine, run, "stopped")
    assert status.step == 0
    wait_until_settled(engine, run)


@pytest.mark.parametrize("manner", ["stubborn", "fork"])
def test_a_stop_leaves_nothing_behind(engine, manner):
    (run,) = engine.submit([fake(manner)])
    wait_for_state(engine, run, "running")
    if manner == "fork":
        wait_for(lambda: (run.path / "progress").exists())
    engine.stop(run)
    assert wait_for_state(engine, run, "stopped").message == "Stopped on request."
    wait_until_settled(engine, run)
    (dispatcher,) = processes_below(engine.home.folder.parent)
    assert dispatcher.pid in [p.pid for p in dispatchers(engine.home)]


def test_a_crash_is_a_failure_with_the_end_of_the_log(engine):
    (run,) = engine.submit([fake("crash")])
    status = wait_for_state(engine, run, "failed")
    assert status.error_class == "other"
    assert status.message.startswith("The training process ended with exit code 1")
    assert "the fake trainer crashes" in status.error_tail
    assert "the fake trainer crashes" in engine.logs(run)
    wait_until_settled(engine, run)


def test_a_paused_queue_waits_and_says_so(engine):
    engine.pause()
    (run,) = engine.submit([fake("ok")])
    wait_for(lambda: engine.state(run).reason == "The queue is paused.")
    assert engine.paused
    assert state_of(engine, run) == "queued"
    engine.unpause()
    wait_for_state(engine, run, "running", "finished")


def test_the_submitter_s_variables_reach_the_trainer(engine, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOGN_CACHE", "here")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    (run,) = engine.submit([fake("hang")])
    handed = json.loads(engine.store.get(run.path).environment)
    assert "SECRET_TOKEN" not in handed
    assert "VOGN_JOBS" not in handed
    trainer = wait_for_state(engine, run, "running").trainer.handle()
    variables = trainer.environ()
    assert variables["VOGN_CACHE"] == str(tmp_path / "here")
    assert variables["OMP_NUM_THREADS"] == "1"
    assert variables["CUDA_VISIBLE_DEVICES"] == ""


def test_several_ranks_are_one_job_below_torchrun(engine):
    (run,) = engine.submit([fake("ok", num_processes=2)])
    wait_for_state(engine, run, "finished")
    wait_until_settled(engine, run)
    assert "I am ok" in run.log_of(0).read_text()
    assert run.log_of(1).exists()


def test_an_engine_on_a_network_file_system_refuses(engine, monkeypatch):
    disks = [SimpleNamespace(mountpoint="/", fstype="nfs4")]
    told = r"on a network file system \(nfs4\).*VOGN_JOBS"
    with monkeypatch.context() as patch:
        patch.setattr(psutil, "disk_partitions", lambda **_: disks)
        with pytest.raises(RunError, match=told):
            Engine(engine.home).queue()
