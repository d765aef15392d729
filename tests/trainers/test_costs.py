"""Tests of the arithmetic of estimates."""

import dataclasses
import json

import pytest

from tests.trainers.examples import config
from trainers.costs import KEPT_TRAINING, Cost, Span, cost_key, most_draws
from trainers.predictions import MAX_TRAIN
from trainers.sizes import Sizes

SIZES = Sizes(
    input_shape=(1, 28, 28),
    num_classes=10,
    train=1000,
    validation=100,
    test=200,
    ood=50,
)
COST = Cost(
    device="the CPU", parameters=7, batch_size=100, step=Span(0.5, 1.0, 2.0),
    num_steps=9, predict=0.01, draw=0.1, start=3.0, memory=10, available=10,
    sizes=SIZES,
)  # fmt: skip


def test_the_constant_is_that_of_the_evaluation():
    assert KEPT_TRAINING == MAX_TRAIN


def test_a_run_is_its_steps_and_what_is_predicted():
    chosen = config(
        dataset="digits", optimizer="vogn",
        training={"epochs": 4, "batch_size": 100},
        evaluation={"test_samples": 3, "validation_samples": 2},
    )  # fmt: skip
    assert COST.steps(chosen) == 10
    # Two draws of 100 examples after each epoch.
    assert COST.epoch(chosen).middle == pytest.approx(10 + 2 * (100 * 0.01 + 0.1))
    judged = 200 + 50 + 100
    evaluation = 3 * (judged * 0.01 + 0.1) + (judged + 1000) * 0.01 + 0.1
    assert COST.evaluation(chosen).middle == pytest.approx(evaluation)
    total = COST.total(chosen)
    assert total.middle == pytest.approx(3 + 4 * 12.2 + evaluation)
    assert total.low < total.middle < total.high


def test_each_network_of_an_ensemble_is_asked_once():
    chosen = config(
        dataset="digits", optimizer="ensemble", training={"batch_size": 100},
        evaluation={"test_samples": 32, "validation_samples": 2},
    )  # fmt: skip
    assert most_draws(chosen, 32) == chosen.optimizer.hyperparameters["members"] == 5
    assert most_draws(chosen, 2) == 5
    assert COST.epoch(chosen).middle == pytest.approx(10 + 5 * (100 * 0.01 + 0.1))
    evaluation = 5 * (350 * 0.01 + 0.1) + (350 + 1000) * 0.01 + 0.1
    assert COST.evaluation(chosen).middle == pytest.approx(evaluation)
    assert most_draws(config(optimizer="vogn"), 32) == 32
    assert most_draws(config(optimizer="multi_vogn"), 32) == 35


def test_one_set_of_weights_is_predicted_once():
    chosen = config(dataset="digits", optimizer="sgd", training={"batch_size": 100})
    plain = dataclasses.replace(COST, draw=0.0)
    assert plain.epoch(chosen).middle == pytest.approx(10 + 1.0)
    assert plain.evaluation(chosen).middle == pytest.approx((350 + 1000) * 0.01)


@pytest.mark.parametrize(
    ("train", "batch", "steps"), [(100, 50, 2), (101, 50, 2), (102, 50, 3), (1, 50, 1)]
)
def test_steps_are_those_of_the_batches(train, batch, steps):
    cost = dataclasses.replace(COST, sizes=dataclasses.replace(SIZES, train=train))
    chosen = config(dataset="digits", training={"batch_size": batch})
    assert cost.steps(chosen) == steps


def test_what_needs_more_than_there_is_does_not_fit():
    assert COST.fits
    assert not dataclasses.replace(COST, memory=11).fits
    assert not dataclasses.replace(COST, problem="no").fits


def test_it_survives_json():
    assert Cost.from_json(COST.to_json()) == COST
    assert json.loads(COST.to_json())["fits"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"step": [1, 2]}, {"step": [1, 2, "3"]}, {"predict": None}, {"memory": -1},
        {"sizes": {"x": 1}}, {"sizes": 5}, {"start": 1e300},
    ],
)  # fmt: skip
def test_what_another_process_wrote_is_checked(change):
    content = json.loads(COST.to_json()) | change
    with pytest.raises(ValueError, match="estimate"):
        Cost.from_json(json.dumps(content))


def test_half_a_line_is_refused():
    with pytest.raises(ValueError, match="delimiter"):
        Cost.from_json(COST.to_json()[:-1])


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("training", {"seed": 4}), ("training", {"epochs": 9}),
        ("evaluation", {"test_samples": 9}), ("optimizer", {"lr": 0.5}),
        ("training", {"label_smoothing": 0.1}), ("dataset", {"split_seed": 3}),
    ],
)  # fmt: skip
def test_one_measurement_tells_of_all_that_takes_as_long(section, change):
    assert cost_key(changed(section, change)) == cost_key(changed(section, {}))


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("training", {"batch_size": 7}), ("training", {"device": "cpu"}),
        ("training", {"mixup": 0.1}), ("model", {"name": "mlp"}),
        ("optimizer", {"num_samples": 2}), ("optimizer", {"sampled": False}),
        ("evaluation", {"ood": "photo-patches"}),
        ("dataset", {"validation_fraction": 0.2}),
    ],
)  # fmt: skip
def test_what_changes_the_work_is_measured_anew(section, change):
    assert cost_key(changed(section, change)) != cost_key(changed(section, {}))


def test_other_data_of_the_same_name_are_measured_anew(tmp_path):
    own = tmp_path / "mine"
    chosen = config(dataset={"name": "folder", "folder": str(own)}, model="mlp")
    keys = [cost_key(chosen)]  # of a folder that is not there
    for size in (1, 2):
        (tmp_path / f"{size}").write_bytes(b"x" * size)
        (tmp_path / f"{size}").replace(own)
        keys += [cost_key(chosen)]
    assert len({*keys}) == 3
    assert cost_key(chosen) == keys[-1]


def changed(section, change):
    content = config(dataset="digits", model="lenet5", optimizer="vogn").to_dict()
    part = content[section]
    (part["hyperparameters"] if section == "optimizer" else part).update(change)
    return type(config()).from_dict(content)
