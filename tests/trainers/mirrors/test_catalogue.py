"""What can be asked for, and what it needs."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from trainers.mirrors import MIRRORS, missing, names_from

HEAVY = {"torch", "numpy", "tensorboard", "mlflow", "wandb", "sqlalchemy"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("  ", ()),
        ("tensorboard", ("tensorboard",)),
        ("wandb,tensorboard", ("wandb", "tensorboard")),
        (" MLflow , tensorboard tensorboard,", ("mlflow", "tensorboard")),
    ],
)
def test_names_come_once_and_in_their_order(text, names):
    assert names_from(text) == names


def test_an_unknown_name_is_refused_with_the_setting_and_the_choice():
    with pytest.raises(ValueError, match="VOGN_MIRRORS must name some of tensorboard,"):
        names_from("tensorboard,neptune")
    with pytest.raises(ValueError, match=r"--mirror must .*, got 'neptune'"):
        names_from("neptune", "--mirror")


def test_each_is_known_by_its_name():
    assert all(name == spec.name for name, spec in MIRRORS.items())


def test_a_missing_package_is_one_clear_sentence(monkeypatch):
    absent = replace(MIRRORS["mlflow"], module="no_such_package_anywhere")
    monkeypatch.setitem(MIRRORS, "mlflow", absent)
    assert missing("mlflow") == (
        "mirror 'mlflow' needs the package mlflow-skinny or mlflow: "
        "pip install mlflow-skinny"
    )


def test_what_is_installed_is_not_missing(monkeypatch):
    present = replace(MIRRORS["mlflow"], module="json")
    monkeypatch.setitem(MIRRORS, "mlflow", present)
    assert not missing("mlflow")


def test_a_tracker_s_folder_is_not_taken_for_its_package(tmp_path, monkeypatch):
    (tmp_path / "tracker_of_mine").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    folder = replace(MIRRORS["wandb"], module="tracker_of_mine")
    monkeypatch.setitem(MIRRORS, "wandb", folder)
    assert missing("wandb")


@pytest.mark.parametrize("module", ["trainers.mirrors", "trainers.mirrors.__main__"])
def test_importing_brings_in_no_tracker(module):
    code = f"import {module}, sys, json; print(json.dumps(list(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert not set(json.loads(output)) & HEAVY
