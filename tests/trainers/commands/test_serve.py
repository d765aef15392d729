"""Tests of keeping and ending the dispatcher from the command line."""

import signal
import subprocess
import time

import pytest

from tests.trainers.examples import command_line, config, wait_for, wait_for_state
from tests.trainers.jobs.conftest import dispatchers, fake
from trainers.jobs.locks import is_held


@pytest.fixture
def served(engine, tmp_path):
    """`serve` in a process of its own, whose dispatcher has begun, and what it says."""
    said = tmp_path / "said"
    with said.open("w") as file:
        process = subprocess.Popen(command_line("serve"), stdout=file, stderr=file)
    wait_for(lambda: said.read_text().count(" begins.") == 1)
    yield process, said
    process.kill()
    process.wait()


def test_the_dispatcher_is_kept_alive_and_heard(engine, served):
    _, said = served
    assert said.read_text().startswith("The dispatcher's log is ")
    (first,) = dispatchers(engine.home)
    first.kill()
    wait_for(lambda: said.read_text().count(" begins.") == 2)
    (second,) = dispatchers(engine.home)
    assert second != first


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_when_it_goes_the_dispatcher_stays(engine, served, signum):
    process, said = served
    process.send_signal(signum)
    assert process.wait(timeout=20) == 0
    assert "The dispatcher and all runs go on" in said.read_text().splitlines()[-1]
    assert len(dispatchers(engine.home)) == 1


def test_ending_the_dispatcher_leaves_runs_at_work(working, say):
    runs = working.submit([fake("long"), fake("long")])
    wait_for_state(runs[0], "running")
    assert say("serve", "--stop")[:2] == (
        0,
        [
            "The dispatcher has ended.",
            "At work and going on: 1. Waiting in the queue: 1.",
            "What waits starts again with: python -m trainers serve",
        ],
    )
    beat = runs[0].supervision.stat().st_mtime
    wait_for(lambda: runs[0].supervision.stat().st_mtime > beat)  # it looks just then
    time.sleep(0.2)
    assert dispatchers(working.home) == []
    assert working.state(runs[0]).status.state == "running"
    assert working.state(runs[1]).status.state == "queued"


def test_a_kept_dispatcher_can_be_ended_from_elsewhere(served, working, say):
    process, said = served
    say("serve", "--stop")
    assert process.wait(timeout=20) == 0
    assert "ended by somebody else" in said.read_text()
    assert not is_held(working.home.dispatcher_lock)


def test_without_a_dispatcher_there_is_nothing_to_end(still, say):
    still.submit([config()])
    assert say("serve", "--stop")[1][:2] == [
        "No dispatcher was there.",
        "At work and going on: 0. Waiting in the queue: 1.",
    ]
    assert still.home.switched_off.exists()
