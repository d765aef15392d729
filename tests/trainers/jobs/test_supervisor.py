"""Tests of the process that watches a trainer; the trainers are small scripts."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.trainers.examples import run_of, wait_for
from tests.trainers.jobs.conftest import dispatchers
from trainers.jobs import logs
from trainers.jobs import supervisor as module
from trainers.jobs.failures import Report, write_report
from trainers.jobs.locks import FileLock, is_held
from trainers.jobs.processes import ROLE, run_role, supervisor_role, with_role
from trainers.jobs.start import REPOSITORY
from trainers.jobs.supervisor import TAKEN, UNKNOWN, Adopted, Supervisor
from trainers.status import (
    ENDED,
    FAILED,
    FINISHED,
    QUEUED,
    RUNNING,
    STOPPED,
    Process,
    Status,
    Supervision,
    end_status,
    read_status,
    read_supervision,
    write_status,
    write_supervision,
)

LEAVING_CHILDREN = """
import os, signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
child += "print('up', flush=True); time.sleep(600)"
processes = [
    subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE,
                     start_new_session=True, env=env)
    for env in (None, {})
]
for process in processes:
    process.stdout.readline()
(Path(sys.argv[2]) / "children").write_text(" ".join(str(p.pid) for p in processes))
"""
# Starts a process through one that ends, in a session and an environment of its own.
HIDING = """
import subprocess, sys, time
from pathlib import Path
code = "import subprocess; print(subprocess.Popen(['sleep', '600'], env={}, "
code += "start_new_session=True, stdout=subprocess.DEVNULL).pid)"
hidden = subprocess.check_output([sys.executable, "-c", code], text=True)
(Path(sys.argv[2]) / "children").write_text(hidden.strip())
time.sleep(600)
"""
STUBBORN = LEAVING_CHILDREN + "time.sleep(600)"


@pytest.fixture
def run(tmp_path, engine, monkeypatch):
    """A queued run, and an engine in which nobody wakes a dispatcher."""
    engine.home.prepare()
    engine.home.switched_off.touch()
    monkeypatch.setenv("VOGN_STOP_GRACE", "0.5")
    run = run_of(tmp_path / "a run")
    write_status(run, Status(state=QUEUED, created=1.0))
    return run


@pytest.fixture
def supervise(run, tmp_path, monkeypatch, engine):
    """Start a supervisor over a trainer that is a script."""
    begun = []

    def start(script, *words):
        if not words:  # one that attends starts none
            (tmp_path / "scripted.py").write_text(textwrap.dedent(script))
        path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
        environment = os.environ | {
            "VOGN_TRAINER": "scripted", "PYTHONPATH": path, ROLE: supervisor_role(run),
        }  # fmt: skip
        command = [sys.executable, "-m", "trainers.jobs.supervisor", str(run.path)]
        begun.append(subprocess.Popen([*command, *words], env=environment))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


def wait_for_end(run):
    return wait_for(
        lambda: read_status(run).state in ENDED and read_status(run), seconds=60
    )


def children_of(run):
    """Wait for the processes that the stubborn trainer started."""
    path = run.path / "children"
    text = wait_for(lambda: path.exists() and path.read_text())
    return [int(word) for word in text.split()]


def gone(run, pids):
    """Whether neither the run's processes nor the given ones are alive."""
    alive = {p.pid for p in with_role(run_role(run), "")}
    return not alive & set(pids) and not with_role(run_role(run))


def test_a_trainer_that_ignores_the_signal_is_killed_with_its_children(run, supervise):
    supervisor = supervise(STUBBORN)
    children = children_of(run)
    assert len(children) == 2
    assert read_status(run).state == "starting"
    run.stop_request.touch()
    status = wait_for_end(run)
    assert supervisor.wait(timeout=20) == 0
    assert (status.state, status.message) == ("stopped", "Stopped on request.")
    wait_for(lambda: gone(run, children))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_supervisor_stops_the_run(run, supervise, number):
    supervisor = supervise(STUBBORN)
    children = children_of(run)
    supervisor.send_signal(number)
    supervisor.send_signal(number)
    assert wait_for_end(run).state == "stopped"
    assert supervisor.wait(timeout=20) == 0
    assert gone(run, children)


def test_what_a_trainer_leaves_behind_is_ended(run, supervise):
    supervisor = supervise(LEAVING_CHILDREN + "raise SystemExit(3)")
    children = children_of(run)
    status = wait_for_end(run)
    assert supervisor.wait(timeout=20) == 0
    assert (status.state, status.error_class) == ("failed", "other")
    assert gone(run, children)


def test_a_crash_is_told_with_the_end_of_the_log(run, supervise):
    supervisor = supervise("print('\\n' * 50)\nraise RuntimeError('it broke')")
    status = wait_for_end(run)
    supervisor.wait(timeout=20)
    assert (status.state, status.error_class) == ("failed", "other")
    assert status.message.startswith("The training process ended with exit code 1")
    assert status.error_tail.endswith("RuntimeError: it broke")
    assert len(status.error_tail.splitlines()) <= 20


def test_bytes_that_are_no_text_in_the_log_are_borne(run, supervise):
    script = "import os; os.write(2, b'\\xff\\xfe broken \\x00\\n'); os._exit(4)"
    supervise(script).wait(timeout=20)
    status = read_status(run)
    assert status.state == "failed"
    assert "broken" in status.error_tail


@pytest.mark.parametrize(
    ("name", "kind"), [("SIGKILL", "killed"), ("SIGSEGV", "crashed")]
)
def test_the_signal_that_ended_a_trainer_is_named(run, supervise, name, kind):
    number = signal.Signals[name]
    supervise(f"import os; os.kill(os.getpid(), {number:d})").wait(timeout=20)
    status = read_status(run)
    assert (status.state, status.error_class) == ("failed", kind)
    assert name in status.message


def test_an_end_that_the_trainer_wrote_stays(run, supervise):
    script = """
    import sys
    from pathlib import Path
    from trainers.runs import Run
    from trainers.status import FINISHED, begin_status, end_status
    run = Run(Path(sys.argv[2]))
    end_status(run, begin_status(run), FINISHED, message="Mine.")
    run.stop_request.touch()
    sys.exit(1)
    """
    supervise(script).wait(timeout=20)
    status = read_status(run)
    assert (status.state, status.message) == ("finished", "Mine.")
    watch = read_supervision(run)
    assert watch.concluded
    assert watch.launcher == status.trainer != watch.supervisor


def test_a_run_that_is_to_stop_already_does_not_start(run, supervise):
    run.stop_request.touch()
    supervise("raise SystemExit('started')").wait(timeout=20)
    assert read_status(run).state == "stopped"
    assert not run.log.exists()


def test_a_run_has_one_supervisor(run, supervise, engine):
    with FileLock(engine.home.run_lock(run)) as lock:
        assert lock.acquire()
        assert supervise("").wait(timeout=20) == TAKEN
    assert read_status(run).state == "queued"


def test_another_supervisor_attends_to_a_trainer_that_goes_on(run, supervise, engine):
    script = """
    import signal, sys, time
    from pathlib import Path
    from trainers.runs import Run
    from trainers.status import FINISHED, STOPPED, begin_status, end_status
    run = Run(Path(sys.argv[2]))
    def stop(*ignored):
        end_status(run, status, STOPPED, message="Mine.")
        raise SystemExit(130)
    signal.signal(signal.SIGTERM, stop)
    status = begin_status(run)
    time.sleep(600)
    """
    first = supervise(script)
    trainer = wait_for(lambda: read_status(run).trainer)
    first.kill()
    first.wait()
    wait_for(lambda: not is_held(engine.home.run_lock(run)))
    assert trainer.handle() is not None
    second = supervise(script, "--attach")
    wait_for(lambda: is_held(engine.home.run_lock(run)))
    wait_for(lambda: read_supervision(run).supervisor.pid == second.pid)
    assert read_supervision(run).launcher == trainer
    run.stop_request.touch()
    assert second.wait(timeout=20) == 0
    assert (read_status(run).state, read_status(run).message) == ("stopped", "Mine.")


def test_an_attending_supervisor_calls_an_unseen_end_lost(run, supervise):
    first = supervise("import time; time.sleep(600)")
    launcher = wait_for(
        lambda: read_supervision(run) and read_supervision(run).launcher
    )
    first.kill()
    first.wait()
    second = supervise("", "--attach")
    wait_for(lambda: read_supervision(run).supervisor.pid == second.pid)
    launcher.handle().kill()
    assert second.wait(timeout=20) == 0
    status = read_status(run)
    assert (status.state, status.message) == ("lost", module.UNSEEN)


def test_nothing_to_attend_to_is_an_error(run, supervise):
    assert supervise("", "--attach").wait(timeout=20) == 1
    assert read_status(run).state == "queued"


def test_a_supervisor_gives_signs_of_life_and_wakes_the_dispatcher(
    run, supervise, engine
):
    engine.home.switched_off.unlink()
    supervise("import time; time.sleep(600)")
    first = wait_for(lambda: read_supervision(run) and read_supervision(run).heartbeat)
    wait_for(lambda: read_supervision(run).heartbeat > first + 1)
    wait_for(lambda: is_held(engine.home.dispatcher_lock))
    run.stop_request.touch()
    assert wait_for_end(run).state == "stopped"
    wait_for(lambda: not is_held(engine.home.run_lock(run)))
    assert is_held(engine.home.dispatcher_lock)  # it was spared
    (dispatcher,) = dispatchers(engine.home)
    assert str(dispatcher.pid) == engine.home.dispatcher_lock.read_text()


def test_a_sign_of_life_cuts_a_log_that_floods(run, engine, monkeypatch):
    monkeypatch.setattr(logs, "LOG_LIMIT", 1000)
    monkeypatch.setattr(logs, "LOG_KEPT", 250)
    run.log.parent.mkdir()
    run.log.write_bytes(b"flood\n" * 1000)
    Supervisor(run, engine.home)._beat(Adopted(Process.current()))
    assert run.log.stat().st_size < 400
    assert read_supervision(run).supervisor.pid == os.getpid()


def test_on_a_full_disk_it_still_moves_cuts_and_wakes(run, engine, monkeypatch):
    monkeypatch.setattr(logs, "LOG_LIMIT", 1000)
    monkeypatch.setattr(logs, "LOG_KEPT", 250)
    run.log.parent.mkdir()
    run.log.write_bytes(b"flood\n" * 1000)
    woken = []

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_supervision", full)
    monkeypatch.setattr(module, "ensure_dispatcher", lambda home, **_: woken.append(1))
    lock = engine.home.run_lock(run)
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    os.utime(lock, (1.0, 1.0))
    Supervisor(run, engine.home)._beat(Adopted(Process.current()))
    assert run.log.stat().st_size < 400
    assert woken == [1]
    assert lock.stat().st_mtime > 1.0  # the dispatcher's measure of its life


def test_a_signal_is_heeded_when_the_folder_takes_no_request(run, engine, monkeypatch):
    supervisor = Supervisor(run, engine.home)
    assert not supervisor._is_asked()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(run.path), "touch", full)
        supervisor._request_stop(signal.SIGTERM, None)
    assert supervisor._is_asked()
    write_status(run, Status(state=RUNNING, created=1.0))
    assert supervisor._conclude(-15, 0).state == STOPPED


def test_what_its_family_hides_is_noted_for_the_next_supervisor(run, supervise):
    supervisor = supervise(HIDING)
    (hidden,) = children_of(run)
    wait_for(lambda: hidden in [s.pid for s in read_supervision(run).strays])
    supervisor.kill()
    supervisor.wait()
    supervise("", "--attach")
    run.stop_request.touch()
    assert wait_for_end(run).state == "stopped"
    wait_for(lambda: gone(run, [hidden]))


def conclude(run, engine, code, report=None):
    supervisor = Supervisor(run, engine.home)
    if report is not None:
        run.log.parent.mkdir(exist_ok=True)
        write_report(run, report)
    return supervisor._conclude(code, 10**9)


@pytest.mark.parametrize(
    ("state", "code", "asked", "expected"),
    [
        (RUNNING, 1, False, FAILED),
        (RUNNING, 1, True, STOPPED),
        (RUNNING, UNKNOWN, False, "lost"),
        (STOPPED, 130, False, STOPPED),  # by a signal to the trainer itself
        (STOPPED, -9, True, STOPPED),
        (STOPPED, -9, False, FAILED),  # its torchrun was killed
        (STOPPED, UNKNOWN, False, "lost"),
        (FINISHED, UNKNOWN, False, FINISHED),
        (FINISHED, 1, True, FINISHED),
        (FAILED, -9, False, FAILED),
    ],
)
def test_what_is_concluded(run, engine, state, code, asked, expected):
    own = Status(state=state, created=1.0)
    write_status(run, own) if state not in ENDED else end_status(run, own, state)
    write_supervision(run, Supervision(supervisor=Process.current()))
    if asked:
        run.stop_request.touch()
    assert conclude(run, engine, code).state == expected
    assert read_supervision(run).concluded


def test_the_rank_that_failed_first_is_named_with_its_log(run, engine):
    write_status(run, Status(state=RUNNING, created=1.0))
    run.log.parent.mkdir()
    run.log_of(0).write_text("I only lost my neighbour\n")
    run.log_of(1).write_text("CUDA out of memory\n")
    report = Report(1, 1, 1, 4242, 5.0, "")
    status = conclude(run, engine, 1, report)
    assert (status.state, status.error_class) == ("failed", "out of memory")
    assert "Rank 1" in status.message
    assert status.error_tail == "CUDA out of memory"


def test_a_folder_without_a_status_is_an_error(tmp_path, engine):
    engine.home.prepare()
    engine.home.switched_off.touch()
    folder = tmp_path / "empty"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "trainers.jobs.supervisor", str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "status.json does not exist" in done.stderr
    assert "Traceback" not in done.stderr
