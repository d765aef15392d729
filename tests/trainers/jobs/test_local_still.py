"""Tests of the engine's queue and states of runs while no dispatcher works on them."""

import signal
import time

import psutil
import pytest

from tests.trainers.examples import config, run_of
from tests.trainers.jobs.conftest import fake
from tests.trainers.jobs.waiting import state_of
from trainers import errands
from trainers.jobs import local
from trainers.runs import RunError, find_run, list_runs, load_config
from trainers.status import (
    STARTING,
    Process,
    Status,
    end_status,
    read_status,
    write_status,
)


@pytest.fixture
def still(engine, monkeypatch):
    """An engine whose queue nobody works on."""
    monkeypatch.setattr(local, "ensure_dispatcher", lambda home, **_: True)
    return engine


def test_a_queued_run_tells_its_place_and_is_taken_from_the_queue(still):
    first, second = still.submit([fake("ok"), fake("ok")])
    assert [still.state(run).position for run in (first, second)] == [1, 2]
    assert read_status(second).state == "queued"
    with pytest.raises(RunError, match="cannot be deleted: it is queued"):
        still.delete(first)
    still.stop(first)
    state = still.state(first)
    assert (state.status.state, state.position) == ("stopped", None)
    assert "Taken from the queue" in state.status.message
    assert still.state(second).position == 1
    assert read_status(first).state == "stopped"
    still.stop(first)  # nothing happens
    assert still.queue() == [second]


def test_a_run_that_is_being_measured_is_not_deleted(still, tmp_path):
    (run,) = still.submit([fake("ok")])
    still.stop(run)
    place = run.path / "log" / "shift"
    place.parent.mkdir()
    place.with_name(".shift.begin").touch()
    errands.note(place, ["x"], time.time())
    with pytest.raises(RunError, match=r"is being made\. Stop that first\."):
        still.delete(run)
    assert still.store.get(run.path) is not None
    errands.note(place, ["x"], time.time(), 0)
    still.delete(run)
    assert not run.path.exists()


def test_a_claimed_run_is_not_what_it_was_before(still):
    (run,) = still.submit([fake("ok")], priority=3, group="g")
    still.stop(run)
    still.resume(run)
    job = still.store.get(run.path)
    assert (job.priority, job.group) == (3, "g")
    # As between the dispatcher's claim and its first word in the folder.
    end_status(run, read_status(run), "stopped", message="the last time")
    still.store.claim(still.store.host, lambda queue, _: ([(queue[0], [])], {}))
    status = still.state(run).status
    assert (status.state, status.message, status.ended) == ("starting", "", None)
    with pytest.raises(RunError, match="cannot be resumed: it is starting"):
        still.resume(run)
    still.stop(run)
    assert run.stop_request.exists()
    assert state_of(still, run) == "stopping"


def test_a_stop_that_comes_with_the_claim_is_not_lost(still, monkeypatch):
    (run,) = still.submit([fake("ok")])
    end_status(run, read_status(run), "stopped")  # it was stopped and resumed
    real = still.store.cancel

    def late(path):
        still.store.claim(still.store.host, lambda queue, _: ([(queue[0], [])], {}))
        return real(path)

    monkeypatch.setattr(still.store, "cancel", late)
    still.stop(run)
    assert still.store.get(run.path).stage == "active"
    assert run.stop_request.exists()


def test_a_run_that_is_still_ending_is_not_resumed_yet(still, monkeypatch):
    monkeypatch.setattr(local, "SETTLING", 0.1)
    (run,) = still.submit([fake("ok")])
    still.store.claim(still.store.host, lambda queue, _: ([(queue[0], [])], {}))
    end_status(run, read_status(run), "failed")
    with pytest.raises(RunError, match=r"is still ending; resume it in a moment"):
        still.resume(run)


@pytest.mark.parametrize("content", [None, "{"])
def test_a_run_without_a_status_goes_on_if_the_store_knows_it(still, content):
    (run,) = still.submit([fake("ok")])
    (job,) = still.store.claim(still.store.host, lambda q, _: ([(q[0], [])], {}))
    still.store.settle(job, "lost", announced=True, told="status.json is damaged")
    run.status.unlink() if content is None else run.status.write_text(content)
    status = still.state(run).status
    assert (status.state, status.message) == ("lost", "status.json is damaged")
    assert run in still.states([run])
    still.resume(run)
    assert state_of(still, run) == "queued"
    assert still.queue() == [run]


def test_all_or_nothing_is_queued(still, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(RunError, match="run folder must be new or empty"):
        still.submit([fake("ok")] * 2, paths=[tmp_path / "new", tmp_path / "full"])
    cuda = config(training={"device": "cuda"})
    with pytest.raises(ValueError, match="device must be auto or cpu without a GPU"):
        still.submit([fake("ok"), cuda])
    with pytest.raises(ValueError, match="paths must be as many as configs, 2, got 1"):
        still.submit([fake("ok")] * 2, paths=[tmp_path / "new"])
    with pytest.raises(ValueError, match="priority must be a whole number"):
        still.submit([fake("ok")], priority=10**7)
    with pytest.raises(ValueError, match="group must be a name of 1 to 128"):
        still.submit([fake("ok")], group="a\nb")
    with pytest.raises(RunError, match="is queued already"):
        still.submit([fake("ok")] * 2, paths=[tmp_path / "new"] * 2)
    assert still.queue() == []
    assert not (tmp_path / "new").exists()
    assert list_runs() == []


def test_the_queue_is_arranged(still):
    a, b, c = still.submit([fake("ok")] * 3)
    (urgent,) = still.submit([fake("ok")], priority=5)
    assert still.queue() == [urgent, a, b, c]
    still.move(c, 1)
    assert still.queue() == [c, urgent, a, b]
    assert still.state(c).priority == 5
    still.set_priority(b, 9)
    assert still.queue() == [b, c, urgent, a]
    still.move(b, 99)
    assert still.queue() == [c, urgent, a, b]
    still.stop(a)
    with pytest.raises(RunError, match="must be queued"):
        still.move(a, 1)
    with pytest.raises(RunError, match="must be queued"):
        still.set_priority(a, 1)


def test_states_of_many_runs_at_once(still, tmp_path):
    queued = still.submit([fake("ok")] * 3)
    damaged = run_of(tmp_path / "damaged")
    alone = run_of(tmp_path / "alone")
    end_status(alone, Status(state=STARTING, created=1.0), "finished")
    states = still.states([*queued, damaged, alone])
    assert [states[run].position for run in queued] == [1, 2, 3]
    assert states[alone].status.state == "finished"
    assert damaged not in states
    with pytest.raises(RunError, match="status"):
        still.state(damaged)


def test_a_run_that_is_in_no_queue_does_not_wait_for_ever(still, tmp_path):
    run = run_of(tmp_path / "a")
    write_status(run, Status(state="queued", created=1.0))
    status = still.state(run).status
    assert status.state == "lost"
    assert "in no queue" in status.message
    still.resume(run)
    assert still.state(run).position == 1


def test_what_cannot_be_resumed_or_deleted_is_told(still, tmp_path):
    run = run_of(tmp_path / "a")
    end_status(run, Status(state=STARTING, created=1.0), "finished")
    with pytest.raises(RunError, match="Run a cannot be resumed: it is finished"):
        still.resume(run)
    run.config.write_text("{")
    with pytest.raises(RunError, match=r"config\.json cannot be read"):
        still.resume(run)
    still.delete(run)
    assert not run.path.exists()


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_damaged_runs_are_deleted_and_not_resumed(still, tmp_path, content):
    run = run_of(tmp_path / "runs" / "a")
    if content is not None:
        run.status.write_text(content)
    with pytest.raises(RunError, match=r"status\.json"):
        still.resume(run)
    with pytest.raises(RunError, match=r"status\.json"):
        still.stop(run)
    still.delete(run)
    assert list_runs() == []


def test_a_run_of_a_terminal_is_stopped_by_a_signal(still, tmp_path):
    run = run_of(tmp_path / "a")
    process = psutil.Popen(["sleep", "600"])
    trainer = Process.of(process.pid)
    write_status(run, Status(state="running", created=1.0, trainer=trainer))
    still.stop(run)
    assert process.wait(timeout=10) == -signal.SIGTERM
    assert state_of(still, run) == "stopped"


def test_clients_find_the_same_run(still):
    (run,) = still.submit([fake("crash")])
    assert find_run(run.id) == run
    assert load_config(run) == fake("crash")


def test_a_submission_on_a_full_disk_leaves_nothing(still, monkeypatch):
    def prepare(job, real=local.prepare_folder):
        if len(list_runs()) == 2:
            raise OSError(28, "No space left on device")
        real(job)

    monkeypatch.setattr(local, "prepare_folder", prepare)
    with pytest.raises(RunError, match=r"nothing was queued: .*No space left"):
        still.submit([fake("ok")] * 4)
    assert still.queue() == []
    assert list_runs() == []


@pytest.mark.parametrize(
    ("name", "value"), [("VOGN_STOP_GRACE", "x"), ("VOGN_MIRRORS", "nonsense")]
)
def test_rubbish_in_a_variable_is_refused_before_anything_is_queued(
    still, monkeypatch, name, value
):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name} must"):
        still.submit([fake("ok")])
    assert still.queue() == []


def test_a_run_is_one_by_any_path(still, tmp_path, monkeypatch):
    (run,) = still.submit([fake("ok")])
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    monkeypatch.setenv("VOGN_RUNS", str(tmp_path / "link"))
    assert find_run(run.id) == run
    with pytest.raises(RunError, match="cannot be resumed: it is queued"):
        still.resume(find_run(run.id))


def test_a_store_that_was_removed_is_made_anew(still):
    (run,) = still.submit([fake("ok")])
    for path in still.home.folder.glob("jobs.db*"):
        path.unlink()
    assert still.queue() == []
    assert state_of(still, run) == "lost"
    still.resume(run)
    assert still.queue() == [run]


def test_the_store_s_word_stands_where_a_folder_could_not_be_written(still):
    (run,) = still.submit([fake("ok")])
    (job,) = still.store.claim(
        still.store.host, lambda queue, leases: ([(queue[0], ["cpu:0"])], {})
    )
    still.store.settle(job, "failed", announced=True)
    assert read_status(run).state == "queued"
    assert state_of(still, run) == "failed"


def test_a_queued_run_with_a_damaged_status_can_be_taken_from_the_queue(still):
    (run,) = still.submit([fake("ok")])
    run.status.write_text("{")
    assert still.state(run).position == 1
    still.stop(run)
    assert still.queue() == []
