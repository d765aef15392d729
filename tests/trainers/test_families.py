"""Tests of `trainers/families.py`."""

import subprocess
import sys

from tests.trainers.examples import config
from trainers.families import (
    data_name,
    families,
    family_key,
    model_names,
    one_a_seed,
    told_apart,
)
from trainers.runs import Run


def ids(runs):
    return [type("Run", (), {"id": each}) for each in runs]


def named(*configs):
    return model_names(ids(f"run-{i}" for i in range(len(configs))), configs)


def test_names_are_as_short_as_they_can_be():
    vogn, adamw = config(), config(optimizer="adamw")
    assert named(vogn, adamw) == ["VOGN", "AdamW"]
    seeds = [config(training={"seed": seed}) for seed in (0, 1)]
    assert named(*seeds) == ["VOGN, seed 0", "VOGN, seed 1"]
    assert named(vogn, vogn) == ["VOGN, run-0", "VOGN, run-1"]
    assert len(set(named(vogn, adamw, *seeds, vogn))) == 5


def test_a_family_differs_in_the_seed_alone():
    seeds = [config(training={"seed": seed}) for seed in (0, 1)]
    longer = config(training={"epochs": 9})
    one, same, other = families([*seeds, longer])
    assert one == same != other
    assert one == "VOGN, MLP, moons"
    assert other == "VOGN, MLP, moons, settings 2"
    images = [config(dataset=name, model="lenet5") for name in ("cifar100", "cifar10")]
    assert families(images) == ["VOGN, LeNet-5, cifar100", "VOGN, LeNet-5, cifar10"]


def test_own_data_go_by_the_name_of_their_folder_or_file():
    own = {"folder": "/data/cats", "name": "folder"}
    cats = config(dataset=own)
    cars = config(dataset=own | {"folder": "/uploads/cars.npz"})
    assert families([cats, cars]) == ["VOGN, MLP, cats", "VOGN, MLP, cars"]
    assert named(cats, cars) == ["VOGN, cats", "VOGN, cars"]
    assert data_name(config().dataset) == "moons"


def test_words_are_added_as_long_as_names_are_alike():
    names = ["a", "a", "b"]
    assert told_apart(names) == names
    assert told_apart(["a", "b"], ["x", "y"]) == ["a", "b"]
    assert told_apart(names, ["x", "x", "x"], ["1", "2", ""]) == ["a, 1", "a, 2", "b"]


def test_the_key_of_a_family_leaves_out_the_seed_alone():
    one, other = (config(training={"seed": seed}) for seed in (0, 7))
    assert family_key(one) == family_key(other)
    assert family_key(one) != family_key(config(dataset={"split_seed": 1}))


def test_of_runs_of_a_seed_the_newest_evaluated_one_is_kept(tmp_path):
    runs = [Run(tmp_path / name) for name in ("a", "b", "c", "d")]
    for run in runs[:2]:
        run.path.mkdir()
        run.evaluation.write_text("{}")
    seeds = dict(zip("abcd", (1, 1, 1, 0), strict=True))
    kept = one_a_seed(runs, lambda run: run, lambda run: seeds[run.id])
    assert [run.id for run in kept] == ["d", "b"]


def test_it_is_light():
    code = (
        "import sys, trainers.families\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy', 'sklearn')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
