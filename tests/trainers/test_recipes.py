"""Tests of recipes."""

import itertools
import math

import numpy as np
import pytest

from tests.trainers.examples import config
from trainers.config import DatasetConfig
from trainers.recipes import (
    IMAGENET,
    RECIPES,
    ROWS,
    num_training,
    recipe_settings,
    sp_ngd,
)
from trainers.sweep import SETTINGS, setting, sweep

SIZES = [1, 16, 128, 1024, 4096, 16_384, 60_000, 1_000_000]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("dataset", ["digits", "fashion-mnist", "moons"])
def test_every_recipe_is_a_valid_configuration(name, dataset):
    for batch_size, epochs in itertools.product(SIZES, (1, 7, 100)):
        content = config(
            dataset=dataset, optimizer=RECIPES[name].optimizer,
            training={"batch_size": batch_size, "epochs": epochs},
        )  # fmt: skip
        (made,) = sweep(content.to_dict(), {}, recipe=name)
        settings = recipe_settings(RECIPES[name], content.dataset, content.training)
        assert set(settings) <= set(SETTINGS)
        assert {key: setting(made, key) for key in settings} == settings


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.batch_size)
def test_at_a_row_of_the_table_it_is_that_row(row):
    found = sp_ngd(row.batch_size / IMAGENET, row.epochs, images=True)
    names = ("lr", "momentum", "damping", "mixup", "decay_power", "decay_start")
    for name in (*names, "decay_end"):
        assert found[name] == pytest.approx(getattr(row, name), rel=2e-3)
    assert found["schedule"] == "polynomial"
    assert found["random_erasing"] == 0.5
    assert found["couple_momentum"]
    assert found["rescale_weights"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.batch_size)
def test_what_the_table_is_scaled_by_holds_in_the_table(row):
    memory = row.batch_size / (1 - row.momentum) / IMAGENET
    assert 0.85 < memory < 1.5  # epochs


def test_between_two_rows_it_lies_between_them():
    share = math.sqrt(4096 * 8192) / IMAGENET
    found = sp_ngd(share, 36, images=True)
    assert found["lr"] == pytest.approx(math.sqrt(8.18e-3 * 1.25e-2), rel=5e-3)
    assert found["momentum"] == pytest.approx(1 - math.sqrt(0.003 * 0.007), abs=1e-4)
    assert found["decay_power"] == 9.5
    assert found["decay_end"] == pytest.approx(53.25, abs=0.06)


def test_outside_of_the_table_the_nearest_row_holds():
    for share, row in ((1e-9, ROWS[0]), (1.0, ROWS[-1]), (50.0, ROWS[-1])):
        found = sp_ngd(share, row.epochs, images=True)
        assert (found["lr"], found["momentum"]) == (row.lr, row.momentum)


def test_the_decay_scales_with_the_epochs_and_never_ends_in_them():
    for share, epochs in itertools.product((1e-3, 0.01, 0.05, 1), (1, 5, 33, 400)):
        found = sp_ngd(share, epochs, images=True)
        assert found["decay_start"] < 0.1 * epochs
        assert epochs < found["decay_end"] < 1.5 * epochs


def test_points_are_not_erased():
    assert sp_ngd(0.01, 5, images=False)["random_erasing"] == 0


@pytest.mark.parametrize(
    ("name", "fraction", "expected"),
    [
        ("fashion-mnist", 0.1, 54_000),
        ("fashion-mnist", 0, 60_000),
        ("digits", 0.1, 1258),
        ("moons", 0, 800),
    ],
)
def test_the_training_examples_are_counted(name, fraction, expected):
    dataset = DatasetConfig(name=name, validation_fraction=fraction)
    assert num_training(dataset) == expected


def test_the_user_s_own_images_are_counted(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(10):
            (tmp_path / name / f"{number}.png").touch()
    dataset = DatasetConfig(
        name="folder", folder=str(tmp_path), validation_fraction=0.2
    )
    assert num_training(dataset) == 12
    images = {"images": np.zeros((9, 4, 4)), "labels": np.arange(9) % 3}
    np.savez(tmp_path / "mine.npz", **images)
    file = DatasetConfig(
        name="folder", folder=str(tmp_path / "mine.npz"), validation_fraction=0.2
    )
    assert num_training(file) == 5
    test = {f"test_{name}": values for name, values in images.items()}
    np.savez(tmp_path / "mine.npz", **images, **test)
    assert num_training(file) == 7  # of an own test part nothing is taken off
    lost = DatasetConfig(name="folder", folder=str(tmp_path / "c"))
    with pytest.raises(ValueError, match=r"recipe cannot be had: .* does not exist"):
        num_training(lost)
