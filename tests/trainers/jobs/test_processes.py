"""Tests of which processes belong to what, with real ones."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.trainers.examples import wait_for
from trainers.jobs import processes
from trainers.jobs.processes import (
    ROLE,
    belonging_to,
    descendants,
    end_all,
    in_session,
    is_alive,
    mirror_role,
    role_of,
    run_role,
    strays_among,
    supervisor_role,
    with_role,
)
from trainers.runs import Run
from trainers.status import Process, Supervision

SLEEP = "import time; time.sleep(60)"

# Starts a child in a session of its own, tells its number, and sleeps.
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""

# The family of a supervisor: tells who belongs to its run, ends those, and tells who is
# left.
FAMILY = f"""
import json, os, subprocess, sys, time
from contextlib import suppress
from pathlib import Path
import psutil
from trainers.jobs.processes import *
from trainers.runs import Run

children, members = [], {{}}

def start(name, role, code={SLEEP!r}, **options):
    env = {{**os.environ, ROLE: role}} if role else {{}}
    child = subprocess.Popen([sys.executable, "-c", code], env=env, **options)
    children.append(child)
    members[name] = psutil.Process(child.pid)

def orphan(name, env):
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', "
    code += "{SLEEP!r}], env=" + env + ", stdout=subprocess.DEVNULL).pid)"
    pid = int(subprocess.check_output([sys.executable, "-c", code]))
    members[name] = psutil.Process(pid)

def wait(condition):
    while not condition():
        time.sleep(0.01)

run, other = Run(Path(sys.argv[1])), Run(Path(sys.argv[1] + "2"))
os.environ[ROLE] = supervisor_role(run)
adopt_orphans()

def find():
    return [each for each in belonging_to(run) if each in members.values()]

try:
    start("trainer", run_role(run))
    start("far trainer", run_role(run), start_new_session=True)
    start("bare", "")
    orphan("bare orphan", "{{}}")
    orphan("own helper", "None")
    start("dispatcher", DISPATCHER)
    start("mirror", mirror_role(run))
    start("other supervisor", supervisor_role(other))
    start("other trainer", run_role(other))
    wait(lambda: all(len(each.cmdline()) == 3 for each in members.values()))
    start("zombie", run_role(run), "")
    wait(lambda: not is_alive(members["zombie"]))
    names = {{each: name for name, each in members.items()}}
    print(json.dumps({{
        "adopted": [each.ppid() == os.getpid() for each in names],
        "found": [names[each] for each in find()],
        "ended": end_all(find),
        "left": [names[each] for each in names if is_alive(each)],
    }}))
finally:
    for each in members.values():
        with suppress(psutil.Error):
            each.kill()
"""

# Starts another process every moment, each of which does the same for a while.
FORKING = """
import os, subprocess, sys, time
depth = int(sys.argv[1])
print("up", flush=True)
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    if depth:
        words = [sys.executable, "-S", "-c", sys.argv[2], str(depth - 1), sys.argv[2]]
        subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL)
    time.sleep(0.1)
"""

# Has two children that ended with codes of their own, and reaps all but the first.
REAPING = """
import os, subprocess, sys, time
import psutil
from trainers.jobs.processes import is_alive, reap
command = [sys.executable, "-S", "-c"]
spared, reaped = (
    subprocess.Popen([*command, f"raise SystemExit({code})"]) for code in (3, 4)
)
living = subprocess.Popen([*command, "import time; time.sleep(60)"])
while any(is_alive(psutil.Process(each.pid)) for each in (spared, reaped)):
    time.sleep(0.01)
reap(psutil.Process().children(), spared=spared.pid)
reap(psutil.Process().children(), spared=spared.pid)
children = {each.pid for each in psutil.Process().children()}
assert children == {spared.pid, living.pid}, children
assert living.poll() is None
assert spared.poll() == 3
living.kill()
assert living.wait() == -9
reap(psutil.Process().children(), spared=0)
"""


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "a run")


@pytest.fixture
def start(tmp_path):
    """Return how to start scripts with a role; all of this test's end after it."""
    started = []

    def start(role, code, *words):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env={**os.environ, ROLE: role},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    assert end_all(lambda: [p for p in psutil.process_iter() if below(tmp_path, p)])
    for process in started:
        process.communicate()


def below(folder, process):
    return is_alive(process) and str(folder) in role_of(process)


def pids(found):
    return {process.pid for process in found}


def harness(code, run, *words):
    """Run code as a supervisor of the run."""
    words = [run, *words]
    role = supervisor_role(Run(Path(run)))
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60,
        env=os.environ | {ROLE: role},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_child_is_known_by_its_role_after_its_parent_was_killed(run, start):
    parent = start(run_role(run), PARENT)
    child = int(parent.stdout.readline())
    wait_for(lambda: pids(with_role(run_role(run))) == {parent.pid, child})
    parent.kill()
    parent.wait()
    assert pids(with_role(run_role(run))) == {child}
    assert role_of(psutil.Process(child)) == run_role(run)


def test_other_runs_and_other_parts_are_other_roles(run, start):
    sibling = Run(run.path.with_name("a run2"))
    roles = [
        run_role(run), supervisor_role(run), mirror_role(run), run_role(sibling),
        run_role(Run(run.path / "below")), run_role(Run(run.path.parent)),
    ]  # fmt: skip
    assert len(set(roles)) == len(roles)
    started = {role: start(role, SLEEP).pid for role in roles}
    for role, pid in started.items():
        wait_for(lambda: pids(with_role(role)) == {pid})  # noqa: B023
    assert pids(with_role(*roles[:2])) == {started[roles[0]], started[roles[1]]}
    assert with_role() == []
    assert with_role(run_role(run) + " ") == []


def test_the_dead_have_no_role(run, start):
    process = start(run_role(run), SLEEP)
    handle = psutil.Process(process.pid)
    wait_for(lambda: with_role(run_role(run)) == [handle])
    process.kill()
    wait_for(lambda: handle.status() == psutil.STATUS_ZOMBIE)
    assert not is_alive(handle)
    assert with_role(run_role(run)) == []
    process.wait()
    assert not is_alive(handle)
    assert role_of(handle) == ""
    assert descendants(handle) == []


def test_descendants_are_found_at_any_depth(run, start):
    parent = start(run_role(run), PARENT)
    child = int(parent.stdout.readline())
    assert {parent.pid, child} <= pids(descendants(psutil.Process()))
    assert pids(descendants(psutil.Process(parent.pid))) == {child}


@pytest.mark.skipif(sys.platform != "linux", reason="subreapers are Linux's")
def test_a_run_has_what_has_its_role_or_none_below_its_supervisor(run):
    told = json.loads(harness(FAMILY, run.path))
    ours = {"trainer", "far trainer", "bare", "bare orphan"}
    assert set(told["found"]) == ours
    assert told["ended"]
    others = {"dispatcher", "own helper", "mirror", "other supervisor", "other trainer"}
    assert set(told["left"]) == others
    assert all(told["adopted"])


def test_processes_that_fork_while_they_are_killed_are_all_ended(run, start):
    parent = start(run_role(run), FORKING, "2", FORKING)
    assert parent.stdout.readline() == "up\n"
    seen = wait_for(lambda: len(p := with_role(run_role(run))) >= 5 and p)
    assert end_all(lambda: with_role(run_role(run)))
    assert with_role(run_role(run)) == []
    assert not any(map(is_alive, seen))


def test_what_cannot_be_killed_is_told(monkeypatch):
    class Stuck(psutil.Process):
        kills = 0

        def kill(self):
            Stuck.kills += 1
            raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(processes, "END_PATIENCE", 0.2)
    assert not end_all(lambda: [Stuck()])
    assert Stuck.kills >= 1


def test_nothing_to_end_is_no_work():
    assert end_all(list)


def test_one_that_is_gone_already_is_no_trouble():
    process = subprocess.Popen([sys.executable, "-c", SLEEP])
    handle, found = psutil.Process(process.pid), []

    def find():
        found.append(1)
        return [handle] if len(found) == 1 else []

    process.send_signal(signal.SIGKILL)
    process.wait()
    assert end_all(find)
    assert len(found) == 2


def test_reaping_leaves_the_exit_code_of_the_spared_child():
    harness(REAPING, "any")


def test_roles_name_the_whole_folder():
    run = Run(Path("/a b/c"))
    assert run_role(run) == "run /a b/c"
    assert supervisor_role(run) == "supervisor /a b/c"


@pytest.fixture
def session() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The leader of a session of its own, and the number of a process it started."""
    code = (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'], env={})\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    leader = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    child = psutil.Process(int(leader.stdout.readline()))
    yield leader, child.pid
    child.kill()
    leader.kill()
    leader.wait()
    leader.stdout.close()


def test_the_members_of_a_session_are_known_after_its_leader_is_gone(session):
    leader, child = session
    known = Process.of(leader.pid)
    assert [p.pid for p in in_session(known)] == [child]
    leader.kill()
    leader.wait()
    assert [p.pid for p in in_session(known)] == [child]
    assert in_session(None) == []


def test_what_left_environment_and_session_is_known_once_it_was_noted(session, run):
    leader, child = session
    noted = strays_among(descendants(psutil.Process()))
    assert child in [stray.pid for stray in noted]
    assert all(role_of(psutil.Process(stray.pid)) == "" for stray in noted)
    (stray,) = [stray for stray in noted if stray.pid == child]
    leader.kill()
    leader.wait()
    watch = Supervision(supervisor=Process.current(), strays=(stray,))
    assert [process.pid for process in belonging_to(run, watch)] == [child]
    used = Supervision(
        supervisor=Process.current(), strays=(Process(pid=child, started=1.0),)
    )
    assert belonging_to(run, used) == []
    assert belonging_to(run) == []


def test_a_number_that_was_used_again_is_no_session(session):
    leader, child = session
    assert [p.pid for p in in_session(Process.of(leader.pid))] == [child]
    # Not this process's own session: in a container its leader may have number 0.
    assert in_session(Process(pid=leader.pid, started=1.0)) == []
