"""A run that is stopped and resumed ends as one that never was, bit for bit."""

import numpy as np
import pytest
import torch

from tests.trainers.examples import rows_of, run_of
from trainers import session
from trainers import trainer as module
from trainers.__main__ import main
from trainers.checkpoint import LAST
from trainers.runs import read_json
from trainers.session import train_run
from trainers.status import FINISHED, STOPPED, Process, read_status, write_status
from trainers.stopping import StopSignal

OPTIMIZERS = ["vogn", "noisy_kfac", "kfac", "sp_ngd", "adamw", "sgd", "lamb"]
# moons has 700 training points: 7 steps an epoch, 14 in all, logged every third.
FIRST, MID_EPOCH, BOUNDARY, SECOND_EPOCH, END = 1, 5, 7, 11, 14


# An interval that is over neither at each stop nor at none, and steps that are safe.
TUNED = {
    "noisy_kfac": {"factor_interval": 3, "inverse_interval": 4},
    "kfac": {"damping": 0.1, "factor_interval": 3, "inverse_interval": 4},
    "sp_ngd": {"damping": 0.1},
}


def tuned(optimizer):
    return {"name": optimizer, "hyperparameters": TUNED.get(optimizer, {})}


def finish(path, optimizer, **sections):
    run = run_of(path, optimizer=tuned(optimizer), **sections)
    assert train_run(run, show_bar=False).state == FINISHED
    return run


def stop_after(monkeypatch, step):
    """Make the next training notice a stop after so many steps in all."""

    class Stopping(StopSignal):
        pass

    real = module.Trainer._step

    def step_and_stop(self, batch):
        real(self, batch)
        if self.progress.step == step:
            self.stop.requested = 15

    monkeypatch.setattr(module.Trainer, "_step", step_and_stop)
    monkeypatch.setattr(session, "StopSignal", Stopping)


def same(first, second):
    """Whether nested state is equal, bit for bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            same(first[key], second[key]) for key in first if key not in TIMES
        )
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    return first == second


TIMES = ("seconds", "interval_seconds", "epoch_seconds")


def assert_equal(first, second):
    contents = [
        torch.load(r.checkpoint / LAST, weights_only=True) for r in (first, second)
    ]
    for key in contents[0]:
        assert same(contents[0][key], contents[1][key]), key
    assert rows_of(first) == rows_of(second)
    predicted = [np.load(run.predictions) for run in (first, second)]
    assert sorted(predicted[0]) == sorted(predicted[1])
    for name in predicted[0]:
        np.testing.assert_array_equal(predicted[0][name], predicted[1][name])
    assert read_json(first.evaluation) == read_json(second.evaluation)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Give the uninterrupted run of an optimizer, made once."""
    made = {}

    def give(optimizer):
        if optimizer not in made:
            path = tmp_path_factory.mktemp("whole") / optimizer
            made[optimizer] = finish(path, optimizer)
        return made[optimizer]

    return give


@pytest.mark.parametrize("step", [FIRST, MID_EPOCH, BOUNDARY, SECOND_EPOCH, END])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stop_and_resume_change_nothing(tmp_path, monkeypatch, whole, optimizer, step):
    expected = whole(optimizer)
    run = run_of(tmp_path / "a", optimizer=tuned(optimizer))
    with monkeypatch.context() as patch:
        stop_after(patch, step)
        assert train_run(run, show_bar=False).state == STOPPED
    saved = torch.load(run.checkpoint / LAST, weights_only=True)["progress"]
    assert saved["step"] == read_status(run).step == step
    assert not run.evaluation.exists()
    assert train_run(run, show_bar=False).state == FINISHED
    assert_equal(run, expected)


def test_many_stops_change_nothing(tmp_path, monkeypatch, whole):
    run = run_of(tmp_path / "a", optimizer="vogn")
    for step in range(1, END + 1):
        with monkeypatch.context() as patch:
            stop_after(patch, step)
            assert train_run(run, show_bar=False).state == STOPPED
    assert train_run(run, show_bar=False).state == FINISHED
    assert_equal(run, whole("vogn"))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_crash_after_the_checkpoint_changes_nothing(
    tmp_path, monkeypatch, whole, optimizer
):
    run = run_of(tmp_path / "a", optimizer=tuned(optimizer))
    real = module.Trainer._step

    def save_then_crash(self, batch):
        if self.progress.step == 10:
            raise RuntimeError("crash")
        real(self, batch)
        if self.progress.step == BOUNDARY:
            self._collect()
            self.save(LAST)  # before the epoch's closing row is written

    with monkeypatch.context() as patch:
        patch.setattr(module.Trainer, "_step", save_then_crash)
        status = train_run(run, show_bar=False)
    assert (status.state, status.error_class) == ("failed", "other")
    assert "RuntimeError: crash" in status.message
    assert rows_of(run)[-1]["step"] > BOUNDARY
    with run.metrics.open("a") as file:
        file.write('{"kind": "step", "st')
    assert train_run(run, show_bar=False).state == FINISHED
    assert_equal(run, whole(optimizer))


def test_a_crash_before_any_checkpoint_begins_anew(tmp_path, monkeypatch, whole):
    run = run_of(tmp_path / "a", optimizer="vogn")
    run.metrics.write_text('{"kind": "step", "step": 3, "epoch": 0.4}\n')
    assert train_run(run, show_bar=False).state == FINISHED
    assert_equal(run, whole("vogn"))


def test_a_stop_in_the_evaluation_is_followed_by_an_evaluation_alone(
    tmp_path, monkeypatch, whole
):
    run = run_of(tmp_path / "a", optimizer="vogn")

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "evaluate_run", interrupt)
        status = train_run(run, show_bar=False)
    assert (status.state, status.step, status.total_steps) == (STOPPED, END, END)
    with monkeypatch.context() as patch:
        patch.setattr(module.Trainer, "_step", interrupt)
        assert train_run(run, show_bar=False).state == FINISHED
    assert_equal(run, whole("vogn"))


def test_dropout_of_the_global_generator_is_resumed(tmp_path, monkeypatch):
    def build(name, shape, classes):
        layers = (torch.nn.Linear(2, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
        return torch.nn.Sequential(*layers)

    monkeypatch.setattr(session, "build_model", build)
    expected = finish(tmp_path / "whole", "adamw")
    run = run_of(tmp_path / "a", optimizer="adamw")
    with monkeypatch.context() as patch:
        stop_after(patch, MID_EPOCH)
        train_run(run, show_bar=False)
    torch.manual_seed(99)
    train_run(run, show_bar=False)
    assert_equal(run, expected)


@pytest.mark.parametrize("step", [1, 5, 6, 7, 11])
def test_augmentation_and_schedule_go_on_where_they_were(tmp_path, monkeypatch, step):
    # Of digits' 1,257 images the last batch of an epoch is smaller.
    sections = {
        "dataset": "digits", "model": "mlp", "optimizer": "sgd",
        "training": {
            "epochs": 2, "batch_size": 251, "mixup": 0.4, "random_erasing": 0.5,
            "schedule": "polynomial", "decay_end": 2.5, "couple_momentum": True,
            "label_smoothing": 0.1, "rescale_weights": True,
        },
    }  # fmt: skip
    expected = run_of(tmp_path / "whole", **sections)
    assert train_run(expected, show_bar=False).state == FINISHED
    run = run_of(tmp_path / "a", **sections)
    with monkeypatch.context() as patch:
        stop_after(patch, step)
        assert train_run(run, show_bar=False).state == STOPPED
    assert train_run(run, show_bar=False).state == FINISHED
    assert_equal(run, expected)


def test_seeds_decide_a_run(tmp_path, whole):
    again = finish(tmp_path / "a", "vogn")
    assert_equal(again, whole("vogn"))
    other = finish(tmp_path / "b", "vogn", training={"seed": 1})
    assert rows_of(other) != rows_of(again)


def test_a_finished_run_is_not_resumed(tmp_path, capsys):
    run = finish(tmp_path / "a", "sgd")
    assert main(["run", "--resume", str(run.path)]) == 2
    assert "Run a cannot be resumed: it is finished." in capsys.readouterr().err


def test_a_run_that_is_alive_is_not_resumed(tmp_path, capsys):
    run = run_of(tmp_path / "a")
    status = read_status(finish(tmp_path / "b", "sgd"))
    alive = {**vars(status), "state": "running", "trainer": Process.current()}
    write_status(run, type(status)(**alive))
    assert main(["run", "--resume", str(run.path)]) == 2
    assert "Run a cannot be resumed: it is running." in capsys.readouterr().err


def test_the_checkpoint_of_another_run_is_refused(tmp_path):
    run = run_of(tmp_path / "a", optimizer="vogn")
    other = finish(tmp_path / "b", "sgd")
    run.checkpoint.mkdir()
    (run.checkpoint / LAST).write_bytes((other.checkpoint / LAST).read_bytes())
    status = train_run(run, show_bar=False)
    assert status.state == "failed"
    assert "last.pt cannot be restored" in status.message
