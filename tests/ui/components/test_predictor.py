"""Tests of `ui/components/predictor.py`; the process has tests of its own."""

import threading

import numpy as np
import pytest

from tests.trainers.examples import run_of
from tests.ui import fakes
from trainers.jobs.processes import with_role
from trainers.predictor.process import PredictorError, predictor_role
from trainers.predictor.protocol import Message
from trainers.session import train_run
from ui.components import access, predictor
from ui.components.access import AccessError
from ui.components.predictor import MAX_ALIVE, claimed, end_all, occlude, predict


class Fake:
    """A process that answers at once."""

    started = 0

    def __init__(self, run, log):
        self.run, self.alive, self.num_waiting = run, True, 0
        self.told: list[Message] = []
        Fake.started += 1

    def ask(self, request):
        self.told.append(request)
        return Message({"ok": True}, {"probabilities": np.ones((1, 1, 2))})

    def end(self):
        self.alive = False


@pytest.fixture(autouse=True)
def none_left():
    yield
    end_all()


@pytest.fixture
def faked(monkeypatch):
    monkeypatch.setattr(predictor, "Predictor", Fake)
    monkeypatch.setattr(access, "may_edit", lambda: True)
    Fake.started = 0


@pytest.fixture
def runs(root):
    return [fakes.write_run(root, name) for name in "abcd"]


def used(run):
    with claimed(run) as found:
        return found


def test_a_run_keeps_its_process(faked, runs):
    assert used(runs[0]) is used(runs[0])
    assert Fake.started == 1
    assert predict(runs[0], np.zeros((1, 2))).shape == (1, 1, 2)
    occlude(runs[0], np.zeros((1, 2, 2)), 2, 1)
    first, second = used(runs[0]).told
    assert first.content == {"op": "predict"}
    assert second.content == {"op": "occlude", "patch": 2, "stride": 1}
    assert second.arrays["inputs"].shape == (1, 1, 2, 2)


def test_the_least_recently_used_ends_for_another(faked, runs):
    first, second = used(runs[0]), used(runs[1])
    used(runs[0])
    third = used(runs[2])
    assert [each.alive for each in (first, second, third)] == [True, False, True]
    assert used(runs[0]) is first


def test_one_that_is_asked_is_not_ended(faked, runs):
    with claimed(runs[0]) as first, claimed(runs[1]) as second:
        with pytest.raises(PredictorError, match=f"{MAX_ALIVE} networks are at work"):
            used(runs[2])
        assert first.alive
        assert second.alive
    used(runs[2])
    assert not first.alive


def test_one_that_died_is_started_anew(faked, runs):
    first = used(runs[0])
    first.alive = False
    assert used(runs[0]) is not first


def test_a_run_that_went_on_is_loaded_anew(faked, runs):
    weights = runs[0].checkpoint / "last.pt"
    weights.parent.mkdir()
    weights.write_bytes(b"1")
    first = used(runs[0])
    weights.write_bytes(b"22")
    assert used(runs[0]) is not first
    assert not first.alive


def test_sessions_at_once_share_one_process(faked, runs):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(used(runs[0]))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert Fake.started == 1


def test_viewers_start_nothing(runs, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    with pytest.raises(AccessError):
        predict(runs[0], np.zeros((1, 2)))
    with pytest.raises(AccessError):
        occlude(runs[0], np.zeros((1, 2, 2)), 2, 1)
    assert not with_role(predictor_role(runs[0]))


def test_what_cannot_be_started_is_told(runs, monkeypatch):
    def refused(run, log):
        raise OSError("no room")

    monkeypatch.setattr(predictor, "Predictor", refused)
    with pytest.raises(PredictorError, match="cannot be started: no room"):
        used(runs[0])


@pytest.mark.slow
def test_a_real_run_is_asked_and_left_without_a_process(tmp_path, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: True)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("VOGN_JOBS", str(tmp_path / "jobs"))
    training = {"epochs": 1, "batch_size": 200, "device": "cpu"}
    run = run_of(
        tmp_path / "run", dataset="digits", optimizer="vogn", training=training
    )
    train_run(run, show_bar=False)
    with np.load(run.images) as images, np.load(run.predictions) as arrays:
        inputs, expected = images["images"][:3, None], arrays["probabilities"][:, :3]
    np.testing.assert_allclose(predict(run, inputs), expected, atol=1e-6)
    answer = occlude(run, inputs[0], 3, 1)
    assert answer.arrays["confidence"].shape == (8, 8)
    assert len(with_role(predictor_role(run))) == 1
    end_all()
    assert not with_role(predictor_role(run))
    assert list((tmp_path / "jobs" / "predictors").iterdir())
