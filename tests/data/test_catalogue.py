"""Tests of the catalogue: its entries agree, and it is light to import."""

import subprocess
import sys

import pytest

from data import DATASETS, DatasetError, DatasetSpec, dataset_spec

HEAVY = ("torch", "torchvision", "sklearn", "scipy")


def loaded_by(statement):
    code = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.mark.parametrize("statement", ["import data", "import data.catalogue"])
def test_importing_the_catalogue_brings_in_nothing_heavy(statement):
    assert not loaded_by(statement) & set(HEAVY)


@pytest.mark.parametrize("module", ["data.loaders", "data.images"])
def test_the_loaders_do_without_torch_until_a_download(module):
    assert not loaded_by(f"import {module}") & {"torch", "torchvision"}


def test_the_import_check_can_fail():
    assert "sklearn" in loaded_by("import data.toys; data.toys.moons(0, 4)")


def test_catalogue_holds_the_promised_sets():
    assert set(DATASETS) == {
        "digits",
        "fashion-mnist",
        "mnist",
        "kmnist",
        "cifar10",
        "cifar100",
        "svhn",
        "photo-patches",
        "folder",
        "moons",
        "blobs",
        "spirals",
    }


@pytest.mark.parametrize("spec", DATASETS.values(), ids=DATASETS)
def test_entry_is_consistent(spec):
    assert DATASETS[spec.name] is spec
    assert (
        len(set(spec.class_names)) == len(spec.class_names) == (spec.num_classes or 0)
    )
    expected_axes = {"image": 3, "points": 1, "folder": 0}[spec.kind]
    assert len(spec.shape or ()) == expected_axes
    assert all([spec.title, spec.summary, spec.licence, spec.source])
    if spec.kind == "folder":
        assert spec.shape is None
        assert spec.num_classes is None


@pytest.mark.parametrize("spec", DATASETS.values(), ids=DATASETS)
def test_ood_partners_are_other_image_sets(spec):
    partners = [dataset_spec(name) for name in spec.ood_partners]
    assert spec not in partners
    assert all(partner.kind == "image" for partner in partners)
    assert bool(partners) == (spec.kind != "points" and not spec.ood_only)


def test_sets_of_arabic_digits_are_never_partners():
    of_digits = {"digits", "mnist", "svhn"}
    for name in of_digits:
        assert not of_digits & set(DATASETS[name].ood_partners)


def test_cifar100_names_are_in_label_order():
    names = DATASETS["cifar100"].class_names
    assert list(names) == sorted(names)
    assert names[0] == "apple"
    assert names[99] == "worm"


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"^name must be one of blobs, .*, svhn, got 'x'"
    ):
        dataset_spec("x")


def test_spec_is_frozen_and_errors_are_runtime_errors():
    assert issubclass(DatasetError, RuntimeError)
    assert isinstance(dataset_spec("digits"), DatasetSpec)
    with pytest.raises(AttributeError, match="cannot assign"):
        dataset_spec("digits").name = "other"
