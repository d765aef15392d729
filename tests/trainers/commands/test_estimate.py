"""Tests of `python -m trainers estimate`."""

import json
import subprocess
import time

import pytest

from tests.trainers.examples import command_line, config, start
from trainers.commands.estimate import _ending_in_time, seconds, told
from trainers.costs import Cost, Span
from trainers.sizes import Sizes

MOONS = ("--dataset", "moons", "--model", "mlp", "--optimizer", "vogn", "--device",
         "cpu", "--seconds", "0.2")  # fmt: skip
COST = Cost(
    device="the CPU", parameters=61_706, batch_size=100, step=Span(0.005, 0.01, 0.02),
    num_steps=40, predict=0.001, start=2.0, memory=2_000_000_000,
    available=4_000_000_000,
    sizes=Sizes(input_shape=(2,), num_classes=2, train=700, validation=100, test=200),
)  # fmt: skip


def test_it_tells_what_a_run_takes(tmp_path):
    words = command_line("estimate", *MOONS, "--output", tmp_path / "c.json")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "parameters" in done.stdout
    cost = Cost.from_json((tmp_path / "c.json").read_text())
    assert f"{cost.parameters:,}" in done.stdout
    assert cost.num_steps > 1


def test_json_is_one_line_that_can_be_read(tmp_path, say, monkeypatch):
    monkeypatch.setattr("trainers.memory.limit_memory", lambda: None)  # of the tests
    (tmp_path / "c.json").write_text(json.dumps(config().to_dict()))
    words = ("--config", tmp_path / "c.json", "--json", "--seconds", "0.2")
    code, lines, _ = say("estimate", *words)
    assert code == 0
    cost = Cost.from_json(lines[-1])
    assert cost.fits
    assert cost.batch_size == 100


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--model", "lenet"), "model must be one of"),
        (("--seconds", "0"), "--seconds must be in (0, 86400], got 0.0."),
        (("--limit", "-3"), "--limit must be in"),
    ],
)
def test_mistakes_are_told(say, words, told):
    code, _, (error,) = say("estimate", *MOONS, *words)
    assert code == 2
    assert told in error


def test_it_gives_up_in_time():
    begin = time.monotonic()
    with start("estimate", *MOONS, "--seconds", "600", "--limit", "3") as process:
        assert process.wait(60) in (0, 124)
    assert time.monotonic() - begin < 60


def test_it_ends_when_who_needs_it_is_gone(monkeypatch):
    left = []
    monkeypatch.setattr("trainers.commands.estimate.WATCH", 0.01)
    monkeypatch.setattr("os._exit", left.append)
    with _ending_in_time(100):
        time.sleep(0.1)
        assert left == []
        monkeypatch.setenv("VOGN_LAUNCHER", "1234567")
        time.sleep(0.1)
    assert 124 in left


def test_figures_are_told_with_their_range():
    text = told(config(dataset="digits", optimizer="sgd"), COST)
    assert "61,706" in text
    assert "10 ms (5 to 20), 100 examples" in text
    assert "2.00 GB of 4.0 GB free" in text
    assert "Measured in 40 steps on the CPU." in text


def test_what_is_not_counted_is_said_and_whose_the_parameters_are():
    text = told(config(dataset="digits", optimizer="laplace"), COST)
    assert text.splitlines()[-1].startswith("Not counted: Laplace's pass over the")
    assert "Not counted" not in told(config(dataset="digits", optimizer="sgd"), COST)
    text = told(config(dataset="digits", optimizer="ensemble"), COST)
    assert "61,706 in each of 5 networks" in text


def test_what_does_not_fit_is_said():
    from dataclasses import replace

    chosen = config(dataset="digits", optimizer="sgd")
    assert told(chosen, replace(COST, memory=5_000_000_000)).endswith(
        "It would not fit into the memory."
    )
    assert told(chosen, replace(COST, problem="Too large.")) == "Too large."
    assert "alone it is faster" in told(chosen, replace(COST, load=3.0))


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.5, "0.5 s"), (59, "59 s"), (90, "1.5 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_times_are_in_the_unit_that_suits_them(value, words):
    assert seconds(value) == words
