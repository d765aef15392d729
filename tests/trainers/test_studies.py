"""Tests of `trainers/studies.py`."""

import pytest

from tests.trainers.test_against import config
from trainers.against import number_of
from trainers.catalogue import OPTIMIZERS
from trainers.studies import STUDIES, find_study, study_configs, study_of

COLD, PRIOR = STUDIES["cold_posterior"], STUDIES["prior_precision"]
PAIRS = [(s, o) for s in STUDIES.values() for o in s.optimizers]


@pytest.mark.parametrize(("study", "optimizer"), PAIRS, ids=lambda each: str(each)[:9])
def test_every_study_makes_runs_of_the_optimizers_that_it_fits(study, optimizer):
    base = config(optimizer=optimizer, dataset="digits")
    configs = study_configs(study, [base])
    values = [each.optimizer.hyperparameters[study.axis] for each in configs]
    assert values == study.values_for(base)
    numbers = [number_of(each, study.axis) for each in configs]
    assert numbers == sorted(set(numbers))
    assert study.reference_for(base) in numbers


def test_studies_fit_optimizers_with_a_posterior_and_the_setting():
    for study in STUDIES.values():
        assert STUDIES[study.name] is study is find_study(study.name)
        assert study_of(study.axis) is study
        assert {"vogn", "noisy_kfac"} <= set(study.optimizers)
        for name in study.optimizers:
            assert OPTIMIZERS[name].bayesian
            assert study.axis in OPTIMIZERS[name].defaults()
    assert study_of("lr") is None
    with pytest.raises(ValueError, match=r"^study must be one of cold_posterior, "):
        find_study("warm")


def test_values_of_the_prior_are_multiples_of_the_automatic_one():
    base = config(dataset="digits")
    unit = PRIOR.unit(base)
    assert unit == 1258 / 1200
    expected = [0.0105, 0.105, 0.315, "auto", 3.15, 10.5, 105.0]
    assert PRIOR.values_for(base) == expected
    assert PRIOR.reference_for(base) == unit


def test_each_base_runs_with_every_value_and_optimizers_without_stay_once():
    bases = [config(seed=0), config(seed=1), config(optimizer="adamw", seed=0)]
    found = study_configs(COLD, [*bases, bases[-1]])
    temperatures = [each.optimizer.hyperparameters.get("temperature") for each in found]
    assert temperatures == [*COLD.values, *COLD.values, None]
    assert [each.training.seed for each in found] == [0] * 7 + [1] * 7 + [0]
    assert found[-1] == bases[-1]


def test_other_values_take_the_place_of_the_studys_own():
    found = study_configs(COLD, [config()], ["0.5", "1"])
    assert [e.optimizer.hyperparameters["temperature"] for e in found] == [0.5, 1.0]
    with pytest.raises(ValueError, match="temperature must be"):
        study_configs(COLD, [config()], ["-1"])


def test_optimizers_without_a_posterior_are_refused():
    with pytest.raises(ValueError, match=r"^optimizer must be one of vogn.*got 'sgd'"):
        study_configs(COLD, [config(optimizer="sgd")])
    with pytest.raises(ValueError, match="for study 'prior_precision'"):
        PRIOR.values_for(config(optimizer="adamw"))
