"""Tests of the process that watches a trainer; the trainers are small scripts."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.trainers.examples import run_of, state_of, wait_for, wait_for_end
from trainers.jobs.supervisor import Supervisor
from trainers.status import (
    FINISHED,
    STARTING,
    Process,
    Status,
    end_status,
    read_status,
    write_status,
)

pytestmark = pytest.mark.usefixtures("ended")

# Supervises a script instead of a training, with a grace of half a second.
HARNESS = """
import sys
from pathlib import Path
from trainers.jobs.supervisor import Supervisor
from trainers.runs import Run
run, script = Run(Path(sys.argv[1])), sys.argv[2]
arguments = [sys.executable, "-u", "-c", script, str(run.path)]
Supervisor(run, arguments=arguments, grace=0.5).supervise()
"""

LEAVING_CHILDREN = """
import signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
child += "print('up', flush=True); time.sleep(600)"
processes = [
    subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE,
                     start_new_session=True)
    for _ in range(2)
]
for process in processes:
    process.stdout.readline()
(Path(sys.argv[1]) / "children").write_text(" ".join(str(p.pid) for p in processes))
"""
STUBBORN = LEAVING_CHILDREN + "time.sleep(600)"


@pytest.fixture
def run(tmp_path):
    run = run_of(tmp_path / "a run")
    write_status(run, Status(state=STARTING, created=1.0))
    return run


def supervise(run, script):
    return subprocess.Popen([sys.executable, "-c", HARNESS, str(run.path), script])


def children_of(run):
    """Wait for the processes that the stubborn trainer started."""
    path = run.path / "children"
    text = wait_for(lambda: path.exists() and path.read_text())
    return [int(word) for word in text.split()]


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pids):
    return not any(map(is_alive, pids))


def test_a_trainer_that_ignores_the_signal_is_killed_with_its_children(run):
    supervisor = supervise(run, STUBBORN)
    children = children_of(run)
    assert len(children) == 2
    assert all(map(is_alive, children))
    assert state_of(run) == "starting"
    run.stop_request.touch()
    assert state_of(run) == "stopping"
    status = wait_for_end(run)
    assert supervisor.wait(timeout=20) == 0
    assert (status.state, status.message) == ("stopped", "Stopped on request.")
    wait_for(lambda: gone(children))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_supervisor_stops_the_run(run, number):
    supervisor = supervise(run, STUBBORN)
    children = children_of(run)
    supervisor.send_signal(number)
    supervisor.send_signal(number)
    assert wait_for_end(run).state == "stopped"
    assert supervisor.wait(timeout=20) == 0
    assert gone(children)


def test_what_a_trainer_leaves_behind_is_ended(run):
    supervisor = supervise(run, LEAVING_CHILDREN + "raise SystemExit(3)")
    children = children_of(run)
    status = wait_for_end(run)
    assert supervisor.wait(timeout=20) == 0
    assert (status.state, status.error_class) == ("failed", "other")
    wait_for(lambda: gone(children))


def test_a_crash_is_told_with_the_end_of_the_log(run):
    supervisor = supervise(run, "print('\\n' * 50)\nraise RuntimeError('it broke')")
    status = wait_for_end(run)
    supervisor.wait(timeout=20)
    assert (status.state, status.error_class) == ("failed", "other")
    assert status.message == "The training process ended with exit code 1."
    assert status.error_tail.endswith("RuntimeError: it broke")
    assert len(status.error_tail.splitlines()) <= 20


def test_bytes_that_are_no_text_in_the_log_are_borne(run):
    script = "import os; os.write(2, b'\\xff\\xfe broken \\x00\\n'); os._exit(4)"
    supervise(run, script).wait(timeout=20)
    status = read_status(run)
    assert (status.state, status.message[-1:]) == ("failed", ".")
    assert "broken" in status.error_tail


def test_a_killed_trainer_was_most_likely_out_of_memory(run):
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    supervise(run, script).wait(timeout=20)
    status = read_status(run)
    assert (status.state, status.error_class) == ("failed", "out of memory")
    assert "was killed, most likely for want of memory" in status.message


def test_an_end_that_the_trainer_wrote_stays(run):
    script = """
import sys
from pathlib import Path
from trainers.runs import Run
from trainers.status import FINISHED, begin_status, end_status
run = Run(Path(sys.argv[1]))
end_status(run, begin_status(run), FINISHED, message="Mine.")
run.stop_request.touch()
sys.exit(1)
"""
    supervise(run, script).wait(timeout=20)
    status = read_status(run)
    assert (status.state, status.message) == ("finished", "Mine.")
    assert status.supervisor is not None
    assert status.trainer != status.supervisor


def test_a_run_that_was_resumed_meanwhile_is_not_touched(run):
    """The new supervisor's status lies there when the old one concludes."""
    supervisor = Supervisor(run)
    supervisor._own = Process.current()
    write_status(run, Status(state=STARTING, created=1.0))
    assert supervisor._conclude(130).state == "starting"
    own = Status(state=STARTING, created=1.0, supervisor=Process.current())
    write_status(run, own)
    assert supervisor._conclude(130).state == "failed"
    end_status(run, own, FINISHED)
    assert supervisor._conclude(130).state == "finished"


def test_the_trainer_is_this_project_s_own(run):
    assert Supervisor(run).arguments == [
        sys.executable, "-m", "trainers", "train", str(run.path),
    ]  # fmt: skip


def test_a_folder_without_a_status_is_an_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "trainers.jobs.supervisor", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "status.json does not exist" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []
