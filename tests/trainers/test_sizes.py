"""Tests of the sizes of data."""

import numpy as np
import pytest

from data import DatasetError
from data.loaders import load_dataset
from tests.trainers.examples import config
from trainers.evaluate import MAP_CELLS
from trainers.sizes import GRID, data_sizes


def test_the_constant_is_that_of_the_evaluation():
    assert GRID == MAP_CELLS**2


@pytest.mark.parametrize("name", ["moons", "digits"])
@pytest.mark.parametrize("share", [0, 0.1])
def test_sizes_are_those_of_the_loaded_data(name, share):
    ood = "fashion-mnist" if name == "digits" else "none"
    chosen = config(
        dataset={"name": name, "validation_fraction": share},
        evaluation={"ood": ood},
    )
    data = load_dataset(name, validation_fraction=share)
    sizes = data_sizes(chosen)
    assert (sizes.input_shape, sizes.num_classes) == (
        data.input_shape,
        data.num_classes,
    )
    for part in ("train", "validation", "test"):
        assert getattr(sizes, part) == pytest.approx(len(getattr(data, part)), abs=2)
    assert sizes.grid == (GRID if name == "moons" else 0)
    assert sizes.ood == (10_000 if name == "digits" else 0)


def test_an_ood_set_without_a_test_part_is_taken_whole():
    sizes = data_sizes(config(dataset="fashion-mnist", model="mlp",
                              evaluation={"ood": "digits"}))  # fmt: skip
    assert (sizes.train, sizes.validation, sizes.test) == (54_000, 6_000, 10_000)
    assert sizes.ood == 1_797


def test_sizes_of_own_images_come_from_a_look_at_them(tmp_path):
    from PIL import Image

    for name, count in (("a", 20), ("b", 30)):
        (tmp_path / name).mkdir()
        for k in range(count):
            pixels = np.full((6, 9, 3), k, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{k}.png")
    own = {"name": "folder", "folder": str(tmp_path), "validation_fraction": 0.2}
    sizes = data_sizes(config(dataset=own, model="mlp"))
    assert (sizes.input_shape, sizes.num_classes) == ((3, 6, 9), 2)
    assert (sizes.train, sizes.validation, sizes.test) == (30, 10, 10)
    own["folder"] = str(tmp_path / "none")
    with pytest.raises(DatasetError):
        data_sizes(config(dataset=own, model="mlp"))
