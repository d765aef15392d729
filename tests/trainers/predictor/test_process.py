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
from trainers.predictor import process
from trainers.predictor.process import (
    Predictor,
    PredictorError,
    RefusedError,
    predictor_role,
)
from trainers.predictor.protocol import Message, ProtocolError
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


@pytest.fixture
def bare(tmp_path, started, monkeypatch):
    """A predictor that answers at once, without torch."""
    script = tmp_path / "bare.py"
    script.write_text(
        "import sys, numpy as np\n"
        "from trainers.predictor.protocol import Message, read_message, write_message\n"
        "answer = Message({'ok': True}, {'probabilities': np.ones(1)})\n"
        "write_message(sys.stdout.buffer, answer)\n"
        "while read_message(sys.stdin.buffer):\n"
        "    write_message(sys.stdout.buffer, answer)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(process, "COMMAND", (str(script),))
    return started(Run(tmp_path))


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


def test_what_cannot_be_sent_is_refused_and_the_process_lives(bare, monkeypatch):
    monkeypatch.setattr("trainers.predictor.protocol.MAX_BYTES", 100)
    for wrong in (np.zeros(3, np.float16), np.zeros(101, np.uint8)):
        with pytest.raises(RefusedError, match="cannot be asked this: "):
            asked(bare, wrong)
    assert asked(bare, np.zeros(3)) == 1


def test_one_that_is_killed_is_told_with_its_last_words(bare):
    asked(bare, np.zeros(3))
    os.kill(bare.pid, signal.SIGKILL)
    with pytest.raises(PredictorError, match=r"process ended\. Its last words"):
        asked(bare, np.zeros(3))
    assert not bare.alive


def test_one_that_takes_too_long_is_ended(bare):
    asked(bare, np.zeros(3))
    os.kill(bare.pid, signal.SIGSTOP)
    with pytest.raises(PredictorError, match=r"more than 0\.3 s"):
        asked(bare, np.zeros(3), timeout=0.3)
    assert not bare.alive


def test_an_answer_that_is_none_ends_it(bare, monkeypatch):
    asked(bare, np.zeros(3))

    def wrong(_):
        raise ProtocolError("the header is no JSON.")

    monkeypatch.setattr(process, "read_message", wrong)
    with pytest.raises(PredictorError, match="answer is none: the header is no JSON"):
        asked(bare, np.zeros(3))
    assert not bare.alive


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
