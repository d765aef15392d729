"""Tests of the job store, each on SQLite and on PostgreSQL."""

import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainers.jobs.stores import KINDS, first, home_on, job, names, path
from trainers.jobs.schema import ACTIVE, ENDED, QUEUED
from trainers.jobs.store import REVISION, Lease, Store
from trainers.runs import Run, RunError

# --- adding and finding ---


def test_an_empty_store(store):
    assert store.queued() == store.active("h") == store.leases("h") == []
    assert store.unannounced("h") == []
    assert store.get("/runs/a") is None
    assert store.find(["/runs/a"]) == {}
    assert store.setting("paused") is None
    assert store.cancel("/runs/a") is False
    store.forget("/runs/a")


def test_a_job_comes_back_as_it_was_added(store, stores):
    added = job(
        "a ü'\"%", priority=-3, group="sweep ü", device="cuda:1", num_processes=4,
        environment='{"OMP_NUM_THREADS": "2"}', submitted=1700000000.123456,
    )  # fmt: skip
    store.add([added])
    expected = replace(added, position=1)
    assert store.get(added.path) == store.get(Path(added.path)) == expected
    assert stores().queued() == [expected]
    assert expected.run == Run(Path(added.path))
    assert (expected.stage, expected.starts, expected.announced) == (QUEUED, 0, False)


def test_the_queue_is_in_the_order_of_submission_and_of_priority(store):
    store.add([job("a"), job("b")])
    store.add([job("c", priority=1), job("d")])
    store.add([job("e", priority=-1), job("f", priority=1)])
    assert names(store.queued()) == ["c", "f", "a", "b", "d", "e"]


def test_all_or_none_are_added(store):
    store.add([job("b")])
    with pytest.raises(RunError, match="Run b is queued already"):
        store.add([job("a"), job("b"), job("c")])
    assert names(store.queued()) == ["b"]
    with pytest.raises(RunError, match="Run x is queued already"):
        store.add([job("x"), job("x")])
    assert names(store.queued()) == ["b"]
    store.add([])


def test_an_active_job_is_not_added_and_an_ended_one_is_added_anew(store):
    store.add([job("a"), job("b")])
    (claimed,) = store.claim("h", first(1))
    with pytest.raises(RunError, match="Run a is active already"):
        store.add([job("a")])
    store.settle(claimed, "failed", announced=False)
    store.add([job("a", priority=0, group="again")])
    again = store.get(path("a"))
    assert names(store.queued()) == ["b", "a"]
    assert (again.group, again.starts, again.outcome) == ("again", 0, "")
    assert (again.claimed, again.ended, again.host) == (None, None, "")
    assert store.unannounced("h") == []


def test_many_jobs_are_found_at_once(store):
    store.add([job(f"{number:04}") for number in range(1203)])
    wanted = [path(f"{number:04}") for number in range(0, 1203, 2)]
    found = store.find([*wanted, Path("/runs/none"), *wanted])
    assert set(found) == set(wanted)
    assert all(found[name].path == name for name in wanted)
    assert len(store.find(path(f"{number:04}") for number in range(1300))) == 1203


@pytest.mark.parametrize("bad", [{"path": "/runs/\udcff"}, {"group": "x\udcff"}])
def test_what_no_database_can_keep_is_refused(store, bad):
    with pytest.raises(RunError, match=r"the job store: .*surrogates not allowed"):
        store.add([job("a"), replace(job("b"), **bad)])
    assert store.queued() == []


def test_a_store_of_one_machine_does_not_mind_its_name(stores, home, monkeypatch):
    assert stores().host == (socket.gethostname() if home.url else "here")
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")
    assert stores().host == ("renamed" if home.url else "here")


# --- claiming ---


def test_a_claim_makes_jobs_active_and_leases_their_devices(store, stores):
    store.add([job("a"), job("b"), job("c")])
    seen = []

    def decide(queue, leases):
        seen.append((names(queue), leases))
        return [(queue[0], ["gpu:0", "gpu:1"]), (queue[2], ["cpu:0"])], {
            queue[1].path: "It waits for more."
        }

    claimed = store.claim("h", decide)
    assert seen == [(["a", "b", "c"], [])]
    assert names(claimed) == ["a", "c"]
    for each in claimed:
        assert (each.stage, each.host, each.starts) == (ACTIVE, "h", 1)
        assert each.claimed == pytest.approx(time.time(), abs=10)
    other = stores()
    assert other.active("h") == claimed
    assert other.active("elsewhere") == other.leases("elsewhere") == []
    assert sorted(other.leases("h"), key=str) == [
        Lease("cpu:0", path("c")), Lease("gpu:0", path("a")), Lease("gpu:1", path("a")),
    ]  # fmt: skip
    (waiting,) = other.queued()
    assert (waiting.run.id, waiting.reason) == ("b", "It waits for more.")
    store.claim("h", lambda queue, leases: (seen.append(leases), ([], {}))[1])
    assert sorted(seen[-1], key=str) == sorted(other.leases("h"), key=str)


def test_a_started_job_has_no_reason_any_more(store):
    store.add([job("a")])
    store.claim("h", first(0))
    assert store.get(path("a")).reason == "It waits."
    (claimed,) = store.claim("h", first(1))
    assert claimed.reason == ""


def test_a_device_is_leased_once_on_a_host(store):
    store.add([job("a"), job("b"), job("c")])
    store.claim("h", first(1))
    with pytest.raises(RunError, match="another process was faster"):
        store.claim("h", first(2, ["cpu:1", "cpu:0"]))
    assert names(store.queued()) == ["b", "c"]  # neither was claimed
    assert store.leases("h") == [Lease("cpu:0", path("a"))]
    (claimed,) = store.claim("other", first(1))
    assert claimed.run.id == "b"
    assert store.leases("other") == [Lease("cpu:0", path("b"))]


def test_a_decision_that_fails_leaves_everything(store):
    store.add([job("a")])
    before = store.setting(REVISION)

    def decide(queue, leases):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.claim("h", decide)
    assert store.setting(REVISION) == before
    assert names(store.queued()) == ["a"]
    store.cancel(path("a"))  # nothing is locked


def test_a_claim_without_devices_is_one(store):
    store.add([job("a")])
    claimed = store.claim("h", lambda queue, leases: ([(queue[0], [])], {}))
    assert names(claimed) == ["a"]
    assert store.leases("h") == []


# --- the end of a job ---


def test_a_settled_job_gives_its_devices_back(store):
    store.add([job("a"), job("b")])
    one, two = store.claim("h", first(2, ["gpu:0", "gpu:1"]))
    store.settle(one, "finished", announced=False)
    ended = store.get(one.path)
    assert (ended.stage, ended.outcome, ended.host) == (ENDED, "finished", "h")
    assert ended.ended == pytest.approx(time.time(), abs=10)
    assert store.leases("h") == [Lease("gpu:1", two.path)]
    assert store.active("h") == [two]
    assert store.unannounced("h") == [ended]
    assert store.unannounced("other") == []
    store.announce(ended)
    assert store.unannounced("h") == []
    store.settle(two, "lost", announced=True)
    assert store.unannounced("h") == store.leases("h") == []


def test_a_requeued_job_has_its_place_again(store):
    store.add([job("a"), job("b"), job("c")])
    one, two = store.claim("h", first(2, ["gpu:0", "gpu:1"]))
    store.requeue(two)
    assert names(store.queued()) == ["b", "c"]
    store.requeue(one)
    waiting = store.queued()
    assert names(waiting) == ["a", "b", "c"]
    assert [(each.host, each.claimed, each.starts) for each in waiting[:2]] == [
        ("", None, 1), ("", None, 1),
    ]  # fmt: skip
    assert store.leases("h") == []
    (again,) = store.claim("h", first(1))
    assert (again.run.id, again.starts) == ("a", 2)


@pytest.mark.parametrize("late", ["settle", "requeue"])
def test_a_dispatcher_that_comes_late_does_no_harm(store, late):
    """Another one settled the job meanwhile, and it was resumed and claimed anew."""

    def come_late():
        if late == "settle":
            store.settle(stale, "lost", announced=True)
        else:
            store.requeue(stale)

    store.add([job("a")])
    (stale,) = store.claim("h", first(1))
    store.settle(stale, "failed", announced=False)
    come_late()
    assert store.get(stale.path).outcome == "failed"
    assert store.queued() == []
    store.add([job("a")])
    come_late()
    assert names(store.queued()) == ["a"]
    (fresh,) = store.claim("h", first(1))
    come_late()
    assert store.active("h") == [fresh]
    assert store.leases("h") == [Lease("cpu:0", fresh.path)]


def test_an_announcer_that_comes_late_does_not_hide_the_next_end(store):
    store.add([job("a")])
    store.settle(*store.claim("h", first(1)), "failed", announced=False)
    (stale,) = store.unannounced("h")
    store.add([job("a")])
    store.announce(stale)
    store.settle(*store.claim("h", first(1)), "finished", announced=False)
    store.announce(stale)
    (left,) = store.unannounced("h")
    assert left.outcome == "finished"


def test_only_a_queued_job_is_cancelled(store):
    store.add([job("a"), job("b")])
    (active,) = store.claim("h", first(1))
    assert store.cancel(active.path) is False
    assert store.active("h") == [active]
    assert store.cancel(Path(path("b"))) is True
    assert store.cancel(path("b")) is False
    cancelled = store.get(path("b"))
    assert (cancelled.stage, cancelled.outcome) == (ENDED, "stopped")
    assert cancelled.announced  # nobody has to be told what he did
    assert cancelled.reason == ""
    assert store.queued() == []


def test_only_an_ended_job_is_forgotten(store):
    store.add([job("a"), job("b")])
    (active,) = store.claim("h", first(1))
    for name in "ab":
        store.forget(path(name))
    assert len(store.find([path("a"), path("b")])) == 2
    store.settle(active, "finished", announced=True)
    store.forget(active.path)
    store.forget(active.path)
    assert store.get(active.path) is None
    assert names(store.queued()) == ["b"]


# --- order, settings, changes ---


def test_the_queue_is_arranged_anew(store):
    store.add([job(name) for name in "abcd"])
    store.claim("h", first(1))
    store.arrange(lambda queue: [replace(each, priority=7) for each in queue[::-1]])
    queue = store.queued()
    assert names(queue) == ["d", "c", "b"]
    assert [(each.priority, each.position) for each in queue] == [
        (7, 1),
        (7, 2),
        (7, 3),
    ]
    store.add([job("e", priority=7)])
    assert names(store.queued()) == ["d", "c", "b", "e"]
    with pytest.raises(ZeroDivisionError):
        store.arrange(lambda queue: queue[::-1] + [1 // 0])
    assert names(store.queued()) == ["d", "c", "b", "e"]
    store.arrange(lambda queue: queue)
    assert names(store.queued()) == ["d", "c", "b", "e"]


def test_a_setting_is_kept_and_replaced(store, stores):
    store.set("paused", "1")
    assert stores().setting("paused") == "1"
    store.set("paused", "0 ü")
    assert stores().setting("paused") == "0 ü"
    assert store.setting("other") is None


def test_every_change_is_noticed_by_the_revision(store):
    seen = {store.setting(REVISION)}

    def noticed(change, *words):
        result = change(*words)
        assert store.setting(REVISION) not in seen
        seen.add(store.setting(REVISION))
        return result

    noticed(store.add, [job("a"), job("b"), job("c")])
    noticed(store.set, "paused", "0")
    noticed(store.arrange, lambda queue: queue)
    (one,) = noticed(store.claim, "h", first(1))
    noticed(store.requeue, one)
    (one,) = noticed(store.claim, "h", first(1))
    noticed(store.settle, one, "lost", False)
    noticed(store.announce, one)
    noticed(store.cancel, path("b"))
    noticed(store.forget, path("b"))
    quiet = store.setting(REVISION)
    # Only reasons: two hosts that see other ones would wake each other for ever.
    store.claim("h", first(0))
    assert store.get(path("c")).reason != ""
    store.claim("h", lambda queue, leases: ([], {}))
    store.queued()
    assert store.setting(REVISION) == quiet


def test_a_closed_store_opens_again(store):
    store.add([job("a")])
    store.close()
    store.close()
    assert names(store.queued()) == ["a"]


def test_a_store_whose_database_is_broken_tells_it(store):
    with store._writing.begin() as connection:
        connection.exec_driver_sql("DROP TABLE leases")
    for fails in (lambda: store.leases("h"), lambda: store.claim("h", first(1))):
        with pytest.raises(RunError, match=r"the job store: .*leases"):
            fails()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_watched_only_where_the_database_is_one(kind, tmp_path, monkeypatch):
    store = Store(home_on(kind, tmp_path))
    monkeypatch.chdir(tmp_path)
    name = store._writing.url.database
    if kind == "postgresql":
        (tmp_path / name).mkdir()  # a folder of the database's name
        assert store.is_there()
    else:
        os.unlink(name)
        assert not store.is_there()
    store.close()


def test_what_its_folder_does_not_say_is_kept(store):
    store.add([job("a")])
    (claimed,) = store.claim("h", first(1))
    store.settle(claimed, "failed", announced=True, told="No space left on device")
    ended = store.get(path("a"))
    assert (ended.outcome, ended.reason) == ("failed", "No space left on device")
