"""Tests of a predictor as a process: its answers, its failures and its ends."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from tests.trainers.examples import wait_for
from trainers.jobs.processes import role_of, with_role
from trainers.jobs.start import REPOSITORY
from trainers.predictor.process import (
    Predictor,
    PredictorError,
    RefusedError,
    predictor_role,
)
from trainers.predictor.protocol import Message
from trainers.runs import Run


@pytest.fixture
def started(tmp_path):
    """Starts predictors, and ends them."""
    opened = []

    def start(run):
        opened.append(Predictor(run, tmp_path / "logs" / f"{len(opened)}.log"))
        return opened[-1]

    yield start
    for each in opened:
        each.end()


def asked(predictor, images, **options):
    request = Message({"op": "predict"}, {"inputs": images})
    return predictor.ask(request, **options).arrays["probabilities"]


def test_it_answers_refuses_goes_on_and_ends(digits, images, started):
    predictor = started(digits)
    with np.load(digits.predictions) as arrays:
        expected = arrays["probabilities"][:, : len(images)]
    np.testing.assert_allclose(asked(predictor, images), expected, atol=1e-6)
    with pytest.raises(RefusedError, match="op must be one of"):
        predictor.ask(Message({"op": "train"}))
    np.testing.assert_allclose(asked(predictor, images), expected, atol=1e-6)
    assert role_of(psutil.Process(predictor.pid)) == predictor_role(digits)
    begun = time.monotonic()
    predictor.end()
    assert not predictor.alive
    assert time.monotonic() - begun < 10
    with pytest.raises(PredictorError, match="ended"):
        asked(predictor, images)


def test_a_run_that_cannot_be_loaded_is_told_why(tmp_path, started):
    folder = tmp_path / "empty"
    folder.mkdir()
    predictor = started(Run(folder))
    with pytest.raises(PredictorError, match="There is no run"):
        predictor.ask(Message({"op": "predict"}))


def test_one_that_is_killed_is_told_with_its_last_words(digits, images, started):
    predictor = started(digits)
    asked(predictor, images)
    os.kill(predictor.pid, signal.SIGKILL)
    with pytest.raises(PredictorError, match=r"process ended\. Its last words"):
        asked(predictor, images)
    assert not predictor.alive


def test_one_that_takes_too_long_is_ended(digits, images, started):
    predictor = started(digits)
    asked(predictor, images)
    os.kill(predictor.pid, signal.SIGSTOP)
    with pytest.raises(PredictorError, match=r"more than 0\.3 s"):
        asked(predictor, images, timeout=0.3)
    assert not predictor.alive


def test_it_ends_by_itself_when_nobody_asks(digits, images, started, monkeypatch):
    monkeypatch.setenv("VOGN_PREDICTOR_IDLE", "0.5")
    predictor = started(digits)
    asked(predictor, images)
    wait_for(lambda: not predictor.alive)


def test_a_request_to_end_is_obeyed(digits, images, started):
    predictor = started(digits)
    asked(predictor, images)
    os.kill(predictor.pid, signal.SIGTERM)
    wait_for(lambda: not predictor.alive)


def test_no_orphan_is_left_by_a_kill_of_who_asks(digits, tmp_path, ended):
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from trainers.predictor.process import Predictor\n"
        "from trainers.runs import Run\n"
        f"run = Run(Path({str(digits.path)!r}))\n"
        f"each = Predictor(run, Path({str(tmp_path)!r}, 'log'))\n"
        "each._exchange(None, 100)\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout.readline() == "ready\n"
        (child,) = with_role(predictor_role(digits))
        server.kill()
        server.wait()
    wait_for(lambda: not with_role(predictor_role(digits)))
    assert not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE
