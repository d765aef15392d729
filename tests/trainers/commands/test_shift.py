"""Tests of judging a run on corrupted images from the command line."""

import os
import signal

import pytest

from calibration.shift import shift_summary
from tests.trainers.examples import run_of
from trainers import shift
from trainers.session import train_run
from trainers.shift import predict_shift


@pytest.fixture
def run(tmp_path):
    run = run_of(
        tmp_path / "runs" / "a", dataset="digits", optimizer="adamw",
        training={"epochs": 1, "batch_size": 100, "device": "cpu"},
    )  # fmt: skip
    assert train_run(run, show_bar=False).state == "finished"
    return run


def test_it_prints_a_table_and_the_path(run, say):
    words = ("--examples", "50", "--samples", "2", "--kinds", "fog", "snow")
    code, lines, _ = say("shift", "a", *words)
    assert code == 0
    assert lines[-1] == str(run.shift)
    assert lines[0].split() == ["severity", "kinds", "accuracy", "NLL", "ECE"]
    kinds = ("fog", "snow")
    summary = shift_summary(predict_shift(run, 50, 2, kinds, show_bar=False))
    assert len(lines) == 1 + len(summary) + 2
    for line, row in zip(lines[1:], summary, strict=False):
        assert line.split()[0] == (str(row.severity) if row.severity else "clean")
        for spread in (row.accuracy, row.nll, row.ece):
            assert f"{spread.mean:.4f}" in line
            assert f"{spread.largest:.4f}" in line


def test_mistakes_are_told(run, say, tmp_path):
    for words, told in (
        (("b",), "There is no run 'b'"),
        (("a", "--kinds", "rain"), "got 'rain'"),
        (("a", "--examples", "0"), "examples must be"),
    ):
        code, _, (error,) = say("shift", *words)
        assert code == 2
        assert told in error
    run_of(tmp_path / "runs" / "c")
    code, _, (error,) = say("shift", "c")
    assert code == 2
    assert "status.json does not exist" in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing(run, say, monkeypatch, number):
    real, calls = shift.corrupt, []

    def corrupt(*given, **named):
        calls.append(1)
        if len(calls) == 7:
            os.kill(os.getpid(), number)
        return real(*given, **named)

    monkeypatch.setattr(shift, "corrupt", corrupt)
    names = {path.name for path in run.path.iterdir()}
    code, lines, _ = say("shift", "a", "--examples", "20")
    assert (code, lines) == (130, [])
    assert {path.name for path in run.path.iterdir()} == names
    assert len(calls) == 7
