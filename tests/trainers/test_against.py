"""Tests of `trainers/against.py`."""

import json
from statistics import fmean, stdev

import pytest

from trainers.against import (
    Measured,
    automatic,
    axes_of,
    hyperparameter,
    lines,
    measured,
    number_of,
    same,
)
from trainers.catalogue import OPTIMIZERS
from trainers.config import (
    DatasetConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.runs import RunError, new_run, write_json


def config(optimizer="vogn", seed=0, epochs=5, dataset="moons", **values):
    return RunConfig(
        dataset=DatasetConfig(name=dataset),
        model=ModelConfig(name="mlp"),
        optimizer=OptimizerConfig(name=optimizer, hyperparameters=values),
        training=TrainingConfig(seed=seed, epochs=epochs),
    )


def run(nll, at_mean=None, **choice):
    mean = {} if at_mean is None else {"nll": at_mean}
    return Measured(config(**choice), {"nll": nll}, mean)


def test_runs_against_a_setting_are_means_over_seeds():
    numbers = {(0.1, 0): 1.0, (0.1, 1): 2.0, (1.0, 0): 5.0}
    found = [run(nll, temperature=t, seed=s) for (t, s), nll in numbers.items()]
    (line,) = lines(reversed(found), "temperature")
    assert [place.value for place in line.places] == [0.1, 1.0]
    first, second = (place.over_seeds("nll") for place in line.places)
    assert (first.mean, first.deviation) == (fmean([1, 2]), stdev([1, 2]))
    assert (second.mean, second.deviation, second.count) == (5.0, None, 1)
    assert line.at(0.1).by_seed("nll") == {0: 1.0, 1: 2.0}
    assert line.at(0.5) is None
    assert line.places[0].over_seeds("accuracy") is None
    assert not line.is_level


def test_the_last_run_of_a_setting_and_seed_counts():
    (line,) = lines([run(1.0), run(9.0), run(2.0, temperature=2)], "temperature")
    assert line.places[0].by_seed("nll") == {0: 9.0}


def test_numbers_at_the_mean_are_kept_apart():
    (line,) = lines([run(1.0, at_mean=3.0), run(2.0, temperature=2)], "temperature")
    assert line.places[0].by_seed("nll", at_mean=True) == {0: 3.0}
    assert line.places[1].over_seeds("nll", at_mean=True) is None


def test_what_differs_in_more_than_the_setting_is_another_line():
    found = [
        run(1.0, lr=0.1, temperature=1), run(2.0, lr=0.1, temperature=2),
        run(3.0, lr=0.2, temperature=1), run(4.0, optimizer="adamw"),
        run(5.0, epochs=9, lr=0.1, temperature=1),
    ]  # fmt: skip
    names = [line.name for line in lines(found, "temperature")]
    assert len(set(names)) == 4
    assert lines(found, "temperature")[0].places[0].by_seed("nll") == {0: 1.0}
    assert lines(found, "temperature")[-1].is_level
    assert lines(found, "temperature")[-1].name.startswith("AdamW")


def test_axes_are_the_numbers_in_which_runs_differ():
    configs = [
        config(lr=0.1, seed=0), config(lr=0.2, seed=1), config(epochs=7, lr=0.1),
        config(curvature="fisher", lr=0.1), config(optimizer="adamw", lr=0.5),
        config(sampled=False, lr=0.1),
    ]  # fmt: skip
    assert axes_of(configs) == ["lr", "epochs"]
    assert axes_of(configs[:1]) == []
    assert axes_of([]) == []


def test_what_is_automatic_is_reckoned_from_the_number_of_examples():
    digits = config(dataset="digits")
    item = hyperparameter("vogn", "prior_precision")
    assert automatic(item, digits) == number_of(digits, "prior_precision")
    # Of 1,797 digits a fifth is tested on, and a tenth held out.
    assert number_of(digits, "prior_precision") == 1258 / 1200
    assert number_of(digits, "damping") == 1600 / 1258
    assert number_of(digits, "curvature") is None
    assert number_of(digits, "sampled") is None
    assert number_of(config(optimizer="adamw"), "temperature") is None
    pair = [digits, config(dataset="digits", prior_precision=20)]
    assert axes_of(pair) == ["prior_precision"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_words_that_say_no_number_are_left_alone(name):
    for item in OPTIMIZERS[name].hyperparameters:
        found = automatic(item, config(dataset="digits"))
        assert found is None or found > 0
        assert item.automatic or found is None


def test_the_automatic_prior_is_what_the_optimizer_takes():
    import torch

    from vogn_app import VOGN

    optimizer = VOGN(torch.nn.Linear(2, 2), num_data=1258)
    taken = optimizer.posterior().prior_precision
    assert number_of(config(dataset="digits"), "prior_precision") in {
        *(taken.values() if isinstance(taken, dict) else [taken])
    }


def test_a_run_is_read_from_its_folder(tmp_path):
    made = new_run(config(), "test", tmp_path / "run")
    assert measured(made) is None
    write_json(made.evaluation, {"metrics": {"nll": 0.5, "x": None}, "mean": None})
    assert measured(made) == Measured(config(), {"nll": 0.5}, {})
    made.evaluation.write_text(json.dumps([1]))
    with pytest.raises(RunError, match="is not an evaluation"):
        measured(made)


def test_values_are_the_same_but_for_rounding():
    assert same(0.1 + 0.2, 0.3)
    assert not same(0.1, 0.11)
    assert same(None, None)
    assert not same(None, 0.0)
