"""benchmarks/tasks.py."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.tasks import TASKS, chosen_tasks, load_problem, quick, subset
from data import DATASETS
from data.loaders import load_dataset
from tests.benchmarks.examples import DIGITS, MOONS
from ui.views.launch.choices import SMALL, SMALL_EPOCHS


def test_fashion_lenet_is_the_protocol():
    config = TASKS["fashion-lenet"].config("vogn", seed=2)
    assert (config.dataset.name, config.model.name) == ("fashion-mnist", "lenet5")
    assert config.dataset.validation_fraction == 0
    assert (config.training.epochs, config.training.batch_size) == (20, 128)
    assert (config.training.schedule, config.training.seed) == ("cosine", 2)
    assert (config.evaluation.ood, config.evaluation.test_samples) == ("digits", 32)
    assert TASKS["fashion-lenet"].num_train is None


def test_resnet_learns_from_ten_thousand_images_for_ten_epochs():
    task = TASKS["fashion-resnet20"]
    assert (task.model, task.epochs, task.num_train) == ("resnet20", 10, 10_000)
    assert (task.dataset, task.ood) == ("fashion-mnist", "digits")


@pytest.mark.parametrize("name", [n for n in TASKS if not n.startswith("fashion")])
def test_small_sets_have_the_epochs_that_the_launch_form_suggests(name):
    task = TASKS[name]
    assert DATASETS[task.dataset].train_size < SMALL
    assert task.epochs == SMALL_EPOCHS


def test_all_is_every_task_and_repeats_are_left_out():
    assert chosen_tasks(["moons-mlp", "all"]) == list(TASKS)
    assert chosen_tasks(["moons-mlp", "blobs-mlp", "moons-mlp"]) == [
        "moons-mlp", "blobs-mlp",
    ]  # fmt: skip


def test_quick_is_an_epoch_part_of_a_large_set_and_few_samples():
    assert quick(TASKS["fashion-lenet"]).num_train == 20_000
    assert quick(TASKS["fashion-resnet20"]).num_train == 10_000
    assert quick(TASKS["digits-mlp"]).num_train is None
    assert {quick(task).epochs for task in TASKS.values()} == {1}
    assert {quick(task).num_samples for task in TASKS.values()} == {8}


def test_points_have_no_out_of_distribution_set():
    problem = load_problem(MOONS)
    assert problem.ood is None
    assert [len(split) for split in problem.judged] == [len(problem.data.test)]


def test_digits_have_the_products_own():
    problem = load_problem(DIGITS)
    assert problem.ood == "photo-patches"
    assert [len(split) for split in problem.judged] == [len(problem.data.test), 2_000]


def test_a_problem_is_loaded_once():
    assert load_problem(MOONS) is load_problem(replace(MOONS))


def test_a_subset_has_every_class_in_proportion_and_its_own_normalisation():
    data = load_dataset("digits", validation_fraction=0.0)
    part = subset(data, 200)
    assert abs(len(part.train) - 200) <= 5  # ten classes, each rounded
    expected = np.bincount(data.train.labels) * 200 / len(data.train)
    assert np.abs(np.bincount(part.train.labels) - expected).max() <= 1
    assert set(part.train.indices) < set(data.train.indices)
    np.testing.assert_allclose(
        part.normalisation.mean, part.train.inputs.mean() / 255, rtol=1e-5
    )
    assert part.test is data.test
    again = subset(data, 200)
    np.testing.assert_array_equal(part.train.indices, again.train.indices)


@pytest.mark.parametrize("num_train", [0, 1_438])
def test_a_subset_must_be_one(num_train):
    message = f"num_train must be in [1, 1437], got {num_train}."
    with pytest.raises(ValueError, match=re.escape(message)):
        subset(load_dataset("digits", validation_fraction=0.0), num_train)
