"""benchmarks/peers/cost.py."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from benchmarks.peers import cost
from benchmarks.peers.cost import Effort, Runner

CPU = torch.device("cpu")
MIB = 2**18  # floats


def runner_of(step, cycle=1):
    return Runner(step, cycle, "-", CPU)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when steps say so."""
    now = [0.0]
    monkeypatch.setattr(cost.time, "perf_counter", lambda: now[0])
    return now


def lasting(clock, *seconds):
    """A step that lasts as long as each of these in turn."""
    calls = [0]

    def step():
        clock[0] += seconds[calls[0] % len(seconds)]
        calls[0] += 1

    return runner_of(step, cycle=len(seconds))


def test_a_repeat_of_a_cycle_is_its_mean(clock):
    runners = {"even": lasting(clock, 2.0), "uneven": lasting(clock, 10.0, *[1.0] * 9)}
    seconds = cost.time_steps(runners, Effort(60, 1000.0))
    assert seconds["even"] == [2.0] * 60
    assert seconds["uneven"] == pytest.approx([1.9] * 6)


def test_slow_methods_make_fewer_steps_and_at_least_three_cycles(clock):
    effort = Effort(60, 8.0)
    assert cost.affordable(lasting(clock, 0.1), effort) == 60
    assert cost.affordable(lasting(clock, 1.0), effort) == 8
    assert cost.affordable(lasting(clock, 100.0), effort) == 3
    assert cost.affordable(lasting(clock, 100.0), replace(effort, fewest=1)) == 1
    assert cost.affordable(lasting(clock, *[1.0] * 10), effort) == 30


def test_a_window_is_one_repeat_and_is_cut_to_the_efforts(clock):
    runners = {"long": lasting(clock, 5.0, *[1.0] * 299)}
    for window in (300, 60):
        effort = Effort(60, 8.0, window)
        assert cost.affordable(runners["long"], effort) == window
        (mean,) = cost.time_steps(runners, effort)["long"]
        assert mean == pytest.approx(1.0, abs=0.07)


def test_steps_are_spread_evenly_whatever_their_number():
    turns = cost.schedule({"many": 60, "few": 6})
    assert turns.count("many") == 60
    assert turns.count("few") == 6
    for part in range(6):  # each part of the run has its share, but for the borders
        share = turns[11 * part : 11 * (part + 1)]
        assert 0 <= share.count("few") <= 2
    assert turns == cost.schedule({"many": 60, "few": 6})


def test_no_method_always_follows_the_same_one():
    turns = cost.schedule(dict.fromkeys("abc", 60))
    before_a = {x for x, y in pairwise(turns) if y == "a"}
    assert before_a >= {"b", "c"}


def test_the_peak_is_what_a_step_holds_at_once(capfd):
    def step():
        first = torch.empty(3 * MIB)
        del first
        torch.empty(MIB)

    assert cost.peak_mib(runner_of(step)) == pytest.approx(3, abs=0.01)
    assert not capfd.readouterr().err


def test_what_was_held_before_does_not_count():
    held = [torch.empty(2 * MIB)]

    def step():
        held.clear()
        held.append(torch.empty(2 * MIB))
        torch.empty(MIB)

    assert cost.peak_mib(runner_of(step)) == pytest.approx(1, abs=0.01)


def test_of_a_window_ten_steps_are_looked_at():
    calls = []
    assert cost.peak_mib(runner_of(lambda: calls.append(0), cycle=300)) == 0
    assert len(calls) == 1 + 10


@pytest.mark.parametrize("large", range(4))
def test_the_peak_of_a_cycle_is_its_largest_wherever_that_is(large):
    calls = [0]

    def step():
        torch.empty((4 if calls[0] % 4 == large else 1) * MIB)
        calls[0] += 1

    assert cost.peak_mib(runner_of(step, cycle=4)) == pytest.approx(4, abs=0.01)


def test_a_gpu_is_waited_for_and_asked_for_its_peak(monkeypatch):
    calls, held = [], iter([2**20, 3 * 2**20, 2**20, 2**20])
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(
            torch.cuda, name, lambda device, name=name: calls.append(name)
        )
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: next(held))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 4 * 2**20)
    runner = Runner(lambda: calls.append("step"), 2, "-", torch.device("cuda"))
    assert cost.peak_mib(runner) == 3
    once = ["synchronize", "reset_peak_memory_stats", "step", "synchronize"]
    assert calls == once * 2
    calls.clear()
    assert cost.timed(runner) >= 0
    assert calls == ["synchronize", "step", "synchronize"]
