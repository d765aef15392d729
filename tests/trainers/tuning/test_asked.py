"""Tests of what somebody wants tuned."""

import pytest

from tests.trainers.tuning.examples import asked, config
from trainers.tuning.asked import Asked


def test_it_goes_through_a_dictionary():
    wanted = asked(given=("lr",), prior="elbo")
    assert Asked.from_dict(wanted.to_dict()) == wanted
    with pytest.raises(ValueError, match="what was asked is damaged"):
        Asked.from_dict({})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"num_trials": 0}, r"trials must be a whole number in \[1, 10000\], got 0"),
        ({"num_samples": 0}, r"num_samples must be a whole number in \[1, 4096\]"),
        ({"min_epochs": 4}, r"min_epochs must be a whole number in \[1, 3\], got 4"),
        ({"factor": 1}, r"factor must be a whole number in \[2, 100\], got 1"),
        ({"prior": "x"}, "prior must be one of search, elbo, got 'x'"),
        (
            {"config": config("adamw"), "prior": "elbo"},
            "prior must be search for optimizer 'adamw', got 'elbo', which is for vogn",
        ),
        ({"config": config(fraction=0)}, "validation_fraction must be > 0 for a sea"),
    ],
)
def test_what_is_asked_is_checked(changes, text):
    with pytest.raises(ValueError, match=text):
        Asked(**{"config": config()} | changes)


def test_several_processes_are_refused():
    content = config().to_dict()
    content["training"]["num_processes"] = 2
    with pytest.raises(ValueError, match="num_processes must be 1 for a search, got 2"):
        Asked(config=type(config()).from_dict(content))


def test_a_trial_is_judged_with_the_samples_of_the_search_and_launched_without():
    wanted = asked(num_samples=7)
    assert wanted.tried("vogn", {}).evaluation.validation_samples == 7
    launched = wanted.configured("adamw", {"lr": 0.5})
    assert launched.evaluation.validation_samples == 4
    assert launched.optimizer.hyperparameters["lr"] == 0.5
