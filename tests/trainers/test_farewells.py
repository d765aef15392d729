"""Tests of what the ranks leave behind when they go."""

import subprocess
import sys
import time
from dataclasses import asdict

import pytest
import torch.distributed as dist

from trainers.farewells import Farewells
from trainers.ranks import Ranks
from trainers.status import Process


@pytest.fixture
def store():
    return dist.HashStore()


def farewells(store, rank=0, size=3):
    return Farewells(Ranks(rank, size), store)


def gone():
    """Describe a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return Process(pid=process.pid, started=time.time())


def everybody(*processes, host=None):
    from socket import gethostname

    return [(host or gethostname(), asdict(process)) for process in processes]


def test_the_words_of_the_guilty_rank_are_found(store):
    farewells(store, rank=1).say("")  # left because of the other
    farewells(store, rank=2).say("OverflowError: too much")
    assert farewells(store).culprit() == "Rank 2 failed: OverflowError: too much"


def test_one_is_not_ones_own_culprit(store):
    ours = farewells(store)
    ours.say("ValueError: x")
    ours.know(everybody(gone(), Process.current(), Process.current()))
    assert ours.culprit() == ""


def test_a_rank_that_ended_without_a_word_is_named(store):
    ours, dead = farewells(store), gone()
    ours.know(everybody(Process.current(), Process.current(), dead))
    text = f"Rank 2 (process {dead.pid}) ended without a word, as when it is killed."
    assert ours.culprit() == text
    farewells(store, rank=2).say("")
    assert ours.culprit() == ""


def test_processes_of_other_machines_cannot_be_seen(store):
    ours = farewells(store)
    ours.know(everybody(gone(), gone(), gone(), host="elsewhere"))
    assert ours.culprit() == ""


def test_patience_waits_for_a_sign_and_no_longer(store):
    start = time.monotonic()
    assert farewells(store).culprit(0.2) == ""
    assert 0.2 <= time.monotonic() - start < 5
    farewells(store, rank=1).say("x")
    start = time.monotonic()
    assert farewells(store).culprit(60) == "Rank 1 failed: x"
    assert time.monotonic() - start < 5


def test_a_launcher_that_is_gone_is_no_error():
    class Gone:
        def check(self, keys):
            raise dist.DistNetworkError("Broken pipe")

        def set(self, key, value):
            raise dist.DistNetworkError("Broken pipe")

    ours = farewells(Gone())
    ours.say("x")
    assert ours.culprit(1) == ""
