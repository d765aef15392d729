"""How rows and files become what mirrors take."""

import pytest

from tests.trainers.mirrors.examples import NAN, STARTED, epoch_row, step_row
from trainers.mirrors.mirror import flat, headline, row_of


def test_a_step_row_keeps_its_names():
    row = row_of(step_row(8, loss=0.25), STARTED)
    assert row.values == {"train_loss": 0.25, "lr": 0.1}
    assert (row.step, row.time, row.epoch, row.seconds) == (8, STARTED + 2, 0.8, 2.0)


def test_an_epoch_row_follows_the_step_row_and_shares_no_name_with_it():
    step, epoch = row_of(step_row(8), STARTED), row_of(epoch_row(8, 1), STARTED)
    assert set(epoch.values) == {"epoch/train_loss", "epoch/validation_nll"}
    assert step.position < epoch.position < row_of(step_row(9), STARTED).position


@pytest.mark.parametrize("value", [None, NAN, float("inf"), 10**400, "text", True, []])
def test_what_is_no_finite_number_is_left_out(value):
    row = row_of(step_row(1, loss=value), STARTED)
    assert row.values == {"lr": 0.1}


@pytest.mark.parametrize("step", [None, "1", True, NAN])
def test_a_row_without_a_step_is_none(step):
    assert row_of({**step_row(1), "step": step}, STARTED) is None
    assert row_of({"train_loss": 1.0}, STARTED) is None


def test_a_row_without_a_place_in_time_is_one_of_the_start():
    row = row_of({"step": 3, "loss": 1}, STARTED)
    assert (row.time, row.epoch, row.values) == (STARTED, None, {"loss": 1.0})


def test_settings_become_flat():
    content = {
        "schema": 1,
        "dataset": {"name": "moons", "folder": None},
        "optimizer": {"hyperparameters": {"lr": 0.1, "nesterov": False}, "sizes": [1]},
    }
    assert flat(content) == {
        "schema": 1,
        "dataset.name": "moons",
        "optimizer.hyperparameters.lr": 0.1,
        "optimizer.hyperparameters.nesterov": False,
        "optimizer.sizes": "[1]",
    }


def test_the_headline_is_of_numbers_alone():
    scores = {"auroc": 0.9, "roc": {"x": [0]}}
    evaluation = {"metrics": {"nll": 0.5, "ece": None}, "ood": {"svhn": scores}}
    assert headline(evaluation) == {"test/nll": 0.5, "ood/svhn/auroc": 0.9}
    assert headline({"schema": 1, "ood": None}) == {}
