"""Everything is killed at random, and the engine still tells the truth.

Runs with all manners share three CPU slots while a dispatcher, a supervisor, a
torchrun, a rank or the server is killed with SIGKILL, again and again. After each blow,
all that `wrongs` looks at must be right within ten seconds.
`VOGN_TORTURE_SEED` gives the blows of another random seed.
"""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.trainers.jobs.conftest import dispatchers, fake, processes_below
from trainers.jobs.locks import is_held
from trainers.jobs.processes import (
    ROLE,
    is_alive,
    role_of,
    run_role,
    supervisor_role,
    with_role,
)
from trainers.jobs.schema import ACTIVE, ENDED, QUEUED
from trainers.jobs.start import REPOSITORY
from trainers.status import ALIVE, FAILED, FINISHED, LOST, RUNNING, STOPPED, observed

SLOTS = 3
PATIENCE = 10.0  # seconds until everything must be right
TARGETS = ("dispatcher", "supervisor", "torchrun", "rank", "server")
# Manner and ranks of the runs: torchrun is slow to start, so there are few of it.
RUNS = [
    ("ok", 1), ("crash", 1), ("hang", 1), ("stubborn", 1), ("fork", 1), ("flood", 1),
    ("long", 2), ("ok", 2), ("fork", 2), ("long", 1),
]  # fmt: skip


class Torture:
    """The engine, what was done to it, and what must be true of it."""

    def __init__(self, engine, seed):
        self.engine = engine
        self.random = random.Random(seed)
        self.submitted, self.stopped, self.struck = [], set(), set()
        self.server = None
        self.blows = dict.fromkeys(TARGETS, 0)

    def start_server(self):
        """Start what looks after the dispatcher, as the dashboard's server does."""
        self.server = subprocess.Popen(
            [sys.executable, "-m", "trainers", "serve"],
            cwd=REPOSITORY, env=os.environ | {ROLE: "server"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def submit(self, count):
        chosen = [self.random.choice(RUNS) for _ in range(count)]
        self.submitted += self.engine.submit([fake(*each) for each in chosen])

    def targets(self, kind):
        """The living processes of a kind."""
        if kind == "server":
            return [psutil.Process(self.server.pid)]
        if kind == "dispatcher":
            return dispatchers(self.engine.home)
        found = []
        for job in self.engine.store.active(self.engine.store.host):
            if kind == "supervisor":
                found += with_role(supervisor_role(job.run))
            else:
                members = with_role(run_role(job.run))
                torchruns = {p.pid for p in members if "trainers.launcher" in line(p)}
                wanted = kind == "torchrun"
                found += [p for p in members if (p.pid in torchruns) == wanted]
        return found

    def strike(self):
        """Kill one process of a random kind, and note whose it was."""
        # The kinds that were spared most come first, where there are any.
        kinds = sorted(TARGETS, key=lambda k: self.blows[k] + 4 * self.random.random())
        for kind in kinds:
            found = self.targets(kind)
            if not found:
                continue
            victim = self.random.choice(found)
            self.struck |= {r for r in self.submitted if role_of(victim).endswith(r.id)}
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
            self.blows[kind] += 1
            if kind == "server":
                self.server.wait()
                self.start_server()
            return kind
        return "nothing"

    def meddle(self):
        """Do what users do meanwhile: stop, resume, submit."""
        states = self.engine.states(self.submitted)
        runs = list(states)
        run = self.random.choice(runs)
        state = states[run].status.state
        if state in ALIVE and self.random.random() < 0.3:
            self.stopped.add(run)
            self.engine.stop(run)
        elif state in (STOPPED, FAILED, LOST) and self.random.random() < 0.5:
            self.stopped.discard(run)
            self.engine.resume(run)
        if sum(s.status.state in ALIVE for s in states.values()) < SLOTS + 2:
            self.submit(2)

    def wrongs(self):
        """Everything that is not as it must be."""
        store, wrong = self.engine.store, []
        rows = store.find(run.path for run in self.submitted)
        if len(rows) != len(self.submitted):
            wrong.append("runs are lost")
        active = {path for path, job in rows.items() if job.stage == ACTIVE}
        held = store.leases(self.engine.store.host)
        if {lease.path for lease in held} != active or len(held) > SLOTS:
            wrong.append(f"leases {held} for {active}")
        if not is_held(self.engine.home.dispatcher_lock):
            wrong.append("there is no dispatcher")
        if len(dispatchers(self.engine.home)) > 1:
            wrong.append("there are two dispatchers")
        states = self.engine.states(self.submitted)
        roles = roles_below(self.engine.home.folder.parent)
        for run in self.submitted:
            wrong += self.wrongs_of(run, rows[str(run.path)], states, roles)
        return wrong

    def wrongs_of(self, run, job, states, roles):
        if run not in states:
            return [f"{run.id}: damaged"]
        state, own = states[run].status.state, roles.get(run_role(run), [])
        told = f"{run.id}: {state}, {job.stage}"
        wrong = []
        if job.stage == ENDED and own:
            wrong.append(f"{told}: orphans {own}")
        if job.stage == ENDED and state in ALIVE:
            wrong.append(f"{told}: eternally alive")
        if job.stage == QUEUED and (state != "queued" or own):
            wrong.append(f"{told}: queued with {own}")
        if state == RUNNING and not is_held(self.engine.home.run_lock(run)):
            wrong.append(f"{told}: nobody watches it")
        if state == RUNNING and not own:
            wrong.append(f"{told}: nothing runs")
        if (state == FINISHED) != (run.path / "done").exists() and state not in ALIVE:
            wrong.append(f"{told}: done {(run.path / 'done').exists()}")
        if state == STOPPED and run not in self.stopped:
            wrong.append(f"{told}: nobody stopped it")
        if state == LOST and run not in self.struck:
            wrong.append(f"{told}: nobody struck it")
        return wrong

    def settle(self, after):
        """Wait until everything is right; the last wrongs are told otherwise."""
        deadline = time.monotonic() + PATIENCE
        while wrong := self.wrongs():
            assert time.monotonic() < deadline, (after, wrong, self.blows)
            time.sleep(0.1)

    def finish(self):
        """Stop everything, and see that nothing at all is left."""
        for run in self.submitted:
            self.stopped.add(run)
            self.engine.stop(run)
        deadline = time.monotonic() + 60
        while any(job.stage != ENDED for job in self.rows()):
            assert time.monotonic() < deadline, self.rows()
            time.sleep(0.2)
        self.settle("the end")
        assert self.engine.store.leases(self.engine.store.host) == []
        below = roles_below(self.engine.home.folder.parent)
        assert set(below) <= {"dispatcher", "server"}

    def rows(self):
        return self.engine.store.find(r.path for r in self.submitted).values()


def line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def roles_below(folder):
    """Process numbers by role, of all processes of the engine."""
    found = {}
    for process in processes_below(folder):
        if is_alive(process):
            found.setdefault(role_of(process), []).append(process.pid)
    return found


def torture(engine, num_blows, seed):
    tortured = Torture(engine, seed)
    tortured.start_server()
    try:
        tortured.submit(6)
        blows = 0
        while blows < num_blows:
            time.sleep(tortured.random.uniform(0.0, 0.8))
            tortured.meddle()
            several = 2 if tortured.random.random() < 0.2 else 1
            struck = [tortured.strike() for _ in range(several)]
            blows += several - struck.count("nothing")
            tortured.settle(struck)
        tortured.finish()
    finally:
        tortured.server.send_signal(signal.SIGKILL)
        tortured.server.wait()
    states = [observed(run).state for run in tortured.submitted]
    assert all(state not in ALIVE for state in states)
    assert sum(tortured.blows.values()) >= num_blows
    return tortured


@pytest.fixture
def slots(monkeypatch):
    monkeypatch.setenv("VOGN_CPU_SLOTS", str(SLOTS))


SEED = int(os.environ.get("VOGN_TORTURE_SEED", "0"))


@pytest.mark.slow
def test_forty_kills(slots, engine):
    torture(engine, 40, SEED)


@pytest.mark.torture
def test_two_hundred_kills(slots, engine):
    blows = torture(engine, 200, SEED).blows
    assert all(count > 10 for count in blows.values()), blows
