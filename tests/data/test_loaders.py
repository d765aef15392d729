"""Tests of loading by name: parts, normalisation, out-of-distribution sets, errors."""

import gzip

import numpy as np
import pytest
from PIL import Image

from data.arrays import Normalisation
from data.bundled import digits, photo_patches
from data.catalogue import DATASETS, DatasetError, dataset_spec
from data.loaders import choose_ood, load_dataset, load_ood
from tests.data.writers import idx_bytes, write_idx_set, write_image_folder

UNDIVIDED = ["digits", "moons", "blobs", "spirals"]


@pytest.fixture
def mnist(cache):
    """Write a small MNIST into the cache; return what was written by part."""
    return write_idx_set(cache / "mnist")


@pytest.fixture
def folder(tmp_path):
    """Name a folder of two classes of ten RGB images."""
    write_image_folder(tmp_path / "pets")
    return tmp_path / "pets"


@pytest.mark.parametrize("name", UNDIVIDED)
@pytest.mark.parametrize("validation", [0.0, 0.1, 0.5])
def test_undivided_set_is_divided_in_three(name, validation):
    loaded = load_dataset(name, validation_fraction=validation, seed=3)
    parts = (loaded.train, loaded.validation, loaded.test)
    rows = np.concatenate([part.indices for part in parts])
    assert np.sort(rows).tolist() == list(range(loaded.spec.train_size))
    totals = np.bincount(np.concatenate([part.labels for part in parts]))
    for part, fraction in zip(parts, (0.8 - validation, validation, 0.2), strict=True):
        counts = np.bincount(part.labels, minlength=loaded.num_classes)
        assert (np.abs(counts - fraction * totals) < 1).all()
    assert loaded.input_shape == loaded.spec.shape
    assert loaded.class_names == loaded.spec.class_names


def test_rows_lead_back_to_the_source():
    source, loaded = digits(), load_dataset("digits")
    for part in (loaded.train, loaded.validation, loaded.test):
        np.testing.assert_array_equal(part.inputs, source.inputs[part.indices])
        np.testing.assert_array_equal(part.labels, source.labels[part.indices])


@pytest.mark.parametrize("name", ["digits", "moons"])
def test_loading_depends_on_the_seed_alone(name):
    first, again, other = (load_dataset(name, seed=seed).train for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.indices, again.indices)
    assert not np.array_equal(first.indices, other.indices)


def test_official_test_part_is_kept(cache, mnist):
    loaded = load_dataset("mnist", cache=cache, validation_fraction=0.25)
    np.testing.assert_array_equal(loaded.test.inputs[:, 0], mnist[False][0])
    np.testing.assert_array_equal(loaded.test.labels, mnist[False][1])
    held_out, kept = loaded.validation.indices, loaded.train.indices
    assert np.bincount(loaded.validation.labels).tolist() == [1] * 10
    assert sorted([*held_out, *kept]) == list(range(40))
    np.testing.assert_array_equal(loaded.train.inputs[:, 0], mnist[True][0][kept])


def test_validation_fraction_0_gives_an_empty_part(cache, mnist):
    loaded = load_dataset("mnist", cache=cache, validation_fraction=0)
    assert len(loaded.train) == 40
    assert loaded.validation.inputs.shape == (0, 1, 28, 28)


@pytest.mark.parametrize("name", ["cifar10", "svhn"])
def test_sets_in_colour_are_loaded(cache, name, request):
    request.getfixturevalue(name)
    loaded = load_dataset(name, cache=cache)
    assert loaded.input_shape == (3, 32, 32)
    assert loaded.num_classes == 10
    assert loaded.normalisation.mean.shape == (3,)


def test_normalisation_is_of_the_training_part_alone(cache):
    write_idx_set(cache / "mnist")
    white = np.full((20, 28, 28), 255, np.uint8)
    packed = gzip.compress(idx_bytes(white))
    (cache / "mnist" / "t10k-images-idx3-ubyte.gz").write_bytes(packed)
    loaded = load_dataset("mnist", cache=cache, validation_fraction=0.5)
    expected = loaded.train.inputs / 255
    np.testing.assert_allclose(loaded.normalisation.mean, expected.mean(), rtol=1e-6)
    np.testing.assert_allclose(loaded.normalisation.std, expected.std(), rtol=1e-6)
    whole = Normalisation.fit(
        np.concatenate([
            p.inputs for p in (loaded.train, loaded.validation, loaded.test)
        ])
    )
    assert abs(whole.mean - loaded.normalisation.mean) > 0.1


def test_real_fashion_mnist_has_the_known_constants(real_fashion, cache):
    loaded = load_dataset("fashion-mnist", cache=cache, validation_fraction=0)
    np.testing.assert_allclose(loaded.normalisation.mean, 0.2860, atol=5e-5)
    np.testing.assert_allclose(loaded.normalisation.std, 0.3530, atol=5e-5)


def test_folder_is_divided_by_class(folder):
    loaded = load_dataset("folder", folder=folder)
    assert loaded.class_names == ("cat", "dog")
    assert loaded.input_shape == (3, 5, 6)
    parts = (loaded.train, loaded.validation, loaded.test)
    assert [np.bincount(part.labels).tolist() for part in parts] == [
        [7, 7],
        [1, 1],
        [2, 2],
    ]


@pytest.mark.parametrize(("validation", "needed"), [(0.1, 3), (0.0, 2)])
def test_folder_with_too_few_images_for_the_parts_is_named(folder, validation, needed):
    for path in sorted((folder / "dog").iterdir())[needed - 1 :]:
        path.unlink()
    message = rf"dog must hold at least {needed} images, .* got {needed - 1}\."
    with pytest.raises(DatasetError, match=message):
        load_dataset("folder", folder=folder, validation_fraction=validation)


@pytest.mark.parametrize(("validation", "needed"), [(0.1, 2), (0.0, 1)])
def test_class_with_too_few_training_images_is_named(cache, validation, needed):
    write_idx_set(cache / "mnist")
    labels = np.arange(40) % 9
    labels[: needed - 1] = 9
    packed = gzip.compress(idx_bytes(labels))
    (cache / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(packed)
    message = rf"at least {needed} training images of class '9', got {needed - 1}\."
    with pytest.raises(DatasetError, match=message):
        load_dataset("mnist", cache=cache, validation_fraction=validation)


@pytest.mark.parametrize("fraction", [-0.1, 0.51, float("nan")])
def test_validation_fraction_out_of_range_is_refused(fraction):
    message = rf"validation_fraction must be in \[0, 0\.5\], got {fraction}\."
    with pytest.raises(ValueError, match=message):
        load_dataset("digits", validation_fraction=fraction)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range_is_refused(seed):
    with pytest.raises(
        ValueError, match=rf"seed must be in \[0, 2\^32\), got {seed}\."
    ):
        load_dataset("moons", seed=seed)


def test_unknown_set_is_refused():
    with pytest.raises(ValueError, match="name must be one of"):
        load_dataset("imagenet")


def test_out_of_distribution_set_is_not_trained_on():
    with pytest.raises(ValueError, match="a dataset to train on, got 'photo-patches'"):
        load_dataset("photo-patches")


def test_folder_is_asked_for_where_it_is_needed(folder):
    loaded = load_dataset("digits")
    with pytest.raises(
        ValueError, match="folder must be the path of your images, got No"
    ):
        load_dataset("folder")
    with pytest.raises(
        ValueError, match="folder must be the path of your images, got No"
    ):
        load_ood("folder", loaded)


def test_folder_is_refused_where_it_is_not_needed(folder):
    loaded = load_dataset("digits")
    message = "folder must be None for dataset 'photo-patches', got '.*pets'"
    with pytest.raises(ValueError, match=message):
        load_ood("photo-patches", loaded, folder=folder)
    with pytest.raises(ValueError, match="folder must be None for dataset 'digits'"):
        load_dataset("digits", folder=folder)


def test_ood_images_take_the_shape_of_the_training_images(cache, mnist):
    like = load_dataset("mnist", cache=cache)
    for name, count in (("digits", 1_797), ("photo-patches", 2_000)):
        ood = load_ood(name, like, cache=cache)
        assert ood.inputs.shape == (count, 1, 28, 28)
        assert ood.inputs.dtype == np.uint8
    np.testing.assert_array_equal(load_ood("digits", like).labels, digits().labels)


def test_ood_grey_images_turn_rgb_and_only_the_test_part_is_used(cache, mnist, cifar10):
    like = load_dataset("cifar10", cache=cache)
    ood = load_ood("mnist", like, cache=cache)
    assert ood.inputs.shape == (len(mnist[False][0]), 3, 32, 32)
    np.testing.assert_array_equal(ood.inputs[:, 0], ood.inputs[:, 2])


def test_ood_images_of_the_same_shape_are_unchanged(cache, cifar10):
    like = load_dataset("cifar10", cache=cache)
    ood = load_ood("photo-patches", like)
    np.testing.assert_array_equal(ood.inputs, photo_patches().inputs)


def test_ood_images_are_normalised_by_the_constants_of_the_training_part():
    like = load_dataset("digits")
    ood = load_ood("photo-patches", like)
    normalised = like.normalisation.apply(ood.inputs)
    mean, std = like.normalisation.mean, like.normalisation.std
    np.testing.assert_allclose(normalised * std + mean, ood.inputs / 255, atol=1e-6)
    assert abs(normalised.mean()) > 0.1  # by its own constants this would be 0


def test_ood_folder_may_hold_one_class(tmp_path):
    (tmp_path / "odd" / "things").mkdir(parents=True)
    Image.new("RGB", (20, 10)).save(tmp_path / "odd" / "things" / "one.png")
    ood = load_ood("folder", load_dataset("digits"), folder=tmp_path / "odd")
    assert ood.inputs.shape == (1, 1, 8, 8)


def test_points_are_no_ood_set_for_images():
    with pytest.raises(
        ValueError, match=r"name must be an image dataset, got 'moons'\."
    ):
        load_ood("moons", load_dataset("digits"))


def test_points_have_no_ood_set():
    with pytest.raises(
        ValueError, match=r"like must be an image dataset, got 'moons'\."
    ):
        load_ood("digits", load_dataset("moons"))


def test_the_training_set_is_no_ood_set():
    with pytest.raises(ValueError, match=r"than the one trained on, got 'digits'\."):
        load_ood("digits", load_dataset("digits"))


def test_choice_is_the_first_partner_at_hand(cache):
    assert choose_ood(dataset_spec("mnist"), cache=cache) == "photo-patches"
    write_idx_set(cache / "kmnist")
    assert choose_ood(dataset_spec("mnist"), cache=cache) == "kmnist"
    write_idx_set(cache / "fashion-mnist")
    assert choose_ood(dataset_spec("mnist"), cache=cache) == "fashion-mnist"


def test_choice_is_the_first_partner_where_none_is_at_hand(cache, monkeypatch):
    monkeypatch.setattr("data.loaders.is_available", lambda name, cache: False)
    assert choose_ood(dataset_spec("cifar10"), cache=cache) == "svhn"


@pytest.mark.parametrize("name", ["moons", "photo-patches"])
def test_no_partners_no_choice(name):
    assert choose_ood(DATASETS[name]) is None
