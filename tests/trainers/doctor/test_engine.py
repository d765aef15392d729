"""Tests of the checks of the job engine."""

import os
import time

import psutil
import pytest

from tests.trainers.doctor.test_processes import left
from tests.trainers.examples import config, run_of, wait_for, wait_for_state
from tests.trainers.jobs.conftest import dispatchers, fake
from trainers.doctor import FAIL, OK, WARN
from trainers.doctor import engine as module
from trainers.doctor.findings import run_checks
from trainers.jobs import local
from trainers.jobs.locks import FileLock
from trainers.jobs.start import ensure_dispatcher
from trainers.status import FINISHED, begin_status, end_status


def only(findings):
    (finding,) = findings
    return finding


@pytest.fixture
def still(engine, monkeypatch):
    """An engine with two queued runs on which nobody works."""
    monkeypatch.setattr(local, "ensure_dispatcher", lambda *_, **__: True)
    engine.submit([config(), config()])
    return engine


@pytest.fixture
def busy(engine):
    """An engine with a run at work."""
    (run,) = engine.submit([fake("long")])
    wait_for_state(run, "running")
    return engine, run


def claim(engine, run):
    """Make a queued job active on the first slot, as a dispatcher would."""
    job, store = engine.store.get(run.path), engine.store
    store.claim(store.host, lambda queue, held: ([(job, ["cpu:0"])], {}))


def test_before_the_first_submit_there_is_nothing_to_find(engine):
    checks = (module.store, module.dispatcher, module.leases, module.processes)
    findings = [finding for check in checks for finding in check()]
    assert {finding.level for finding in findings} == {OK}
    assert list(module.locks()) == []
    assert not engine.home.folder.exists()


def test_a_sound_store_is_counted_and_left_as_it_was(still):
    before = still.store.setting("revision")
    finding = only(module.store())
    assert finding.level == OK
    assert str(still.home.database) in finding.text
    assert "Jobs: 2 queued." in finding.text
    assert still.store.setting("doctor") is None
    assert still.store.setting("revision") == before


def test_a_damaged_store_is_told(still):
    still.store.close()
    still.home.database.write_bytes(b"no database at all" * 1000)
    for name in ("jobs.db-wal", "jobs.db-shm"):
        (still.home.folder / name).unlink(missing_ok=True)
    finding = only(module.store())
    assert finding.level == FAIL
    assert finding.text.endswith("jobs.db: file is not a database.")
    assert finding.advice.startswith("Move the file away: ")
    still.home.database.unlink()


def test_a_store_that_is_damaged_inside_is_told(still):
    still.store.close()
    file = still.home.database
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    finding = only(module.store())
    assert finding.level == FAIL
    assert finding.advice.startswith("Move the file away: ")
    file.unlink()


def test_a_newer_store_is_told(still):
    with still.store._writing.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    finding = only(module.store())
    assert finding.level == FAIL
    assert "was made by a newer version" in finding.text
    assert finding.advice == ("Update VOGN App, or set VOGN_JOBS to another folder.")


def test_a_file_in_the_place_of_the_engine_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("VOGN_JOBS", str(tmp_path / "file"))
    others = (module.dispatcher, module.leases, module.processes, module.locks)
    finding, *rest = run_checks([module.store, *others])
    assert (finding.level, finding.name) == (FAIL, "store")
    assert f"{tmp_path}/file is a file" in finding.text
    assert "VOGN_JOBS" in finding.advice
    assert {each.level for each in rest} <= {OK}  # told once is enough


def test_a_server_that_is_down_is_told_without_its_password(engine, monkeypatch):
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/jobs"
    monkeypatch.setenv("VOGN_JOBS_URL", url)
    finding = only(module.store())
    assert finding.level == FAIL
    assert "secret" not in finding.text
    assert "server is down" in finding.advice
    others = (module.dispatcher, module.leases, module.processes, module.locks)
    findings = [finding for check in others for finding in check()]
    assert {finding.level for finding in findings} == {OK}  # told once is enough


def test_a_dispatcher_is_described(engine):
    engine.home.prepare()
    ensure_dispatcher(engine.home)
    (process,) = wait_for(lambda: dispatchers(engine.home))
    finding = module._described(process)
    assert f"Process {process.pid}, version " in finding.text
    assert " MiB, " in finding.text
    (finding,) = module.dispatcher()
    assert finding.text.startswith(f"Process {process.pid},")


def test_a_dispatcher_older_than_the_code_is_told(monkeypatch):
    process = psutil.Process()
    monkeypatch.setattr(module, "_newest", lambda folder: time.time() + 10)
    assert module._described(process).level == WARN
    monkeypatch.setattr(module, "_newest", lambda folder: 0.0)
    assert module._described(process).level == OK


def test_settings_that_only_this_terminal_has_are_told():
    ours = {"VOGN_CPU_SLOTS": "4", "VOGN_WEBHOOK": "https://secret", "HOME": "/a"}
    finding = only(module._drifted({"HOME": "/b"}, ours))
    assert finding.level == WARN
    assert "another VOGN_CPU_SLOTS, VOGN_WEBHOOK than" in finding.text
    assert "secret" not in finding.text
    assert list(module._drifted(ours, dict(ours))) == []


def test_a_queue_without_a_dispatcher_is_told(still):
    finding = only(module.dispatcher())
    assert (finding.level, finding.text) == (
        WARN, "None runs. 2 queued runs wait for it.",
    )  # fmt: skip
    still.home.switched_off.touch()
    assert only(module.dispatcher()).text.startswith("It was switched off. 2")
    with FileLock(still.home.dispatcher_lock) as lock:
        assert lock.acquire()
        assert only(module.dispatcher()).level == OK


def test_a_paused_queue_is_told(still):
    still.pause()
    assert next(module.leases()).text == "It is paused: nothing starts."


def test_leases_of_the_living_and_of_the_dead(still):
    assert only(module.leases()).text == "No device is held."
    run = still.queue()[0]
    claim(still, run)
    begin_status(run)  # by this very process
    finding = only(module.leases())
    assert (finding.level, finding.text) == (
        OK, f"cpu:0 is held by run {run.id}, which is running.",
    )  # fmt: skip
    run.status.unlink()
    finding = only(module.leases())
    assert finding.level == WARN
    assert finding.text.endswith("which is lost.")


def test_what_ended_runs_left_behind_is_told(engine, tmp_path, monkeypatch):
    run = run_of(tmp_path / "runs" / "x")
    end_status(run, begin_status(run), FINISHED)
    orphan = left(f"run {run.path}", engine.home.folder)
    works_on = left(f"predictor {run.path}", engine.home.folder)
    engine.home.prepare()
    try:
        assert only(module.processes()).level == OK  # it may be about to end
        monkeypatch.setattr(module, "SETTLING", -1.0)
        finding = only(module.processes())
        assert finding.level == WARN
        assert f"Process {orphan.pid} (run x)" in finding.text
        assert finding.advice == f"End it: kill -9 {orphan.pid}"
    finally:
        for process in (orphan, works_on):
            process.kill()
            process.wait()
    assert only(module.processes()).text == "No run has left a process behind."


def test_an_errand_of_a_deleted_run_is_told(engine, tmp_path):
    places = [tmp_path / name / "log" / "shift" for name in ("here", "gone")]
    errands = [left(f"errand {place}", engine.home.folder) for place in places]
    places[0].parent.mkdir(parents=True)  # of which the errand may be at work
    engine.home.prepare()
    try:
        finding = only(module.processes())
        assert finding.level == WARN
        assert f"Process {errands[1].pid} (errand shift)" in finding.text
        assert finding.text.endswith("goes on although its folder is gone.")
    finally:
        for process in errands:
            process.kill()
            process.wait()


def test_processes_of_runs_at_work_are_no_orphans(busy, monkeypatch):
    monkeypatch.setattr(module, "SETTLING", -1.0)
    assert only(module.processes()).level == OK
    assert only(module.leases()).text.startswith("cpu:0 is held by run ")
    assert only(module.locks()).level == OK


def test_lock_files_of_ended_runs_are_told(still):
    wanted = still.home.run_lock(still.queue()[0])
    stale = wanted.with_name("other-0123.lock")
    held = wanted.with_name("held-0123.lock")
    for path in (wanted, stale):
        path.touch()
    with FileLock(held) as lock:
        assert lock.acquire()
        finding = only(module.locks())
    assert finding.level == WARN
    assert finding.text.startswith("1 files")
    assert str(stale) in finding.advice
    stale.unlink()
    os.unlink(held)
    assert only(module.locks()).level == OK
