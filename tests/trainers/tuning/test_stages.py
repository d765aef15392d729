"""Tests of the recipe's order."""

from dataclasses import replace

import pytest

from tests.trainers.tuning.examples import score, stage, trial
from trainers.catalogue import optimizer_spec
from trainers.tuning.stages import (
    MATCH,
    NOISE,
    PRIOR,
    RECIPE,
    SEARCH,
    TARGET,
    Goal,
    next_stage,
    trains,
)
from trainers.tuning.trial import CUT, DIVERGED

START = optimizer_spec("vogn").defaults() | {
    "lr": 2.0, "initial_curvature": 4.0, "damping": 0.4, "prior_precision": 5.0,
}  # fmt: skip


def goal(**more):
    return Goal(
        **{"optimizer": "vogn", "start": START, "num_trials": 9, "num_steps": 100}
        | more
    )


BEST = {
    TARGET: trial(stage=TARGET),
    MATCH: trial(stage=MATCH, parameters={"lr": 3.0, "damping": 0.7}),
    NOISE: trial(stage=NOISE, parameters={"temperature_warmup": 50}),
}


def test_vogn_has_the_recipe_and_others_one_stage():
    assert goal().stages == RECIPE
    assert goal(start=START | {"sampled": False}).stages == (TARGET, MATCH)
    assert goal(optimizer="sgd").stages == (SEARCH,)
    with pytest.raises(ValueError, match="prior must be one of search, elbo, got 'x'"):
        goal(prior="x")


def test_the_target_is_a_small_search_of_adamw():
    made = next_stage(TARGET, goal(given=("lr",)), {})
    assert made.optimizer == "adamw"
    assert [d.name for d in made.space] == ["lr"]  # what is given is VOGN's
    assert made.num_trials == 5
    assert made.candidates[0].parameters == {"lr": 1e-3}


def test_ogn_is_matched_to_the_target():
    made = next_stage(MATCH, goal(), BEST)
    assert made.settings["sampled"] is False
    assert [d.name for d in made.space] == ["lr", "initial_curvature", "damping"]
    assert made.candidates[0].parameters == {
        "lr": 2.0, "initial_curvature": 4.0, "damping": 0.4,
    }  # fmt: skip
    free = next_stage(MATCH, goal(given=("lr", "damping")), BEST)
    assert [d.name for d in free.space] == ["initial_curvature"]


def test_ogn_has_done_enough_after_a_third_if_it_is_near():
    made = next_stage(MATCH, goal(), BEST)
    near, far = trial(nlls=(0.3 * 1.04,)), trial(nlls=(0.3 * 1.06,))
    assert not made.is_enough([near, far])
    assert made.is_enough([far, near, far])
    assert not made.is_enough([far] * 8)
    assert not made.is_enough([replace(near, state=CUT)] * 8)


def test_noise_comes_on_with_what_was_found_and_gets_gentler():
    made = next_stage(NOISE, goal(), BEST)
    assert made.settings["sampled"] is True
    assert (made.settings["lr"], made.settings["damping"]) == (3.0, 0.7)
    assert made.space == ()
    assert [each.parameters for each in made.candidates] == [
        {},
        {"temperature_warmup": 50},
        {"temperature_warmup": 50, "initial_temperature": 1e-3},
        {
            "temperature_warmup": 50, "initial_temperature": 1e-3,
            "initial_curvature": 40.0,
        },
    ]  # fmt: skip
    kept = next_stage(NOISE, goal(given=("temperature_warmup",)), BEST)
    assert [each.parameters.keys() for each in kept.candidates] == [
        set(), {"initial_temperature"}, {"initial_temperature", "initial_curvature"},
    ]  # fmt: skip


def test_noise_may_cost_a_little():
    quiet = trial(nlls=(0.4,))
    assert trains(trial(nlls=(0.49,)), quiet)
    assert trains(trial(nlls=(0.6,)), quiet)  # as accurate
    worse = replace(trial(), scores=(score(0.6, 0.8),))
    assert not trains(worse, quiet)
    assert not trains(trial(nlls=(0.1,), state=DIVERGED), quiet)
    made = stage(name=NOISE, reference=quiet)
    assert made.is_enough([worse, trial(nlls=(0.4,))])
    assert not made.is_enough([trial(nlls=(0.4,)), worse])


def test_the_prior_is_searched_from_cold_to_warm():
    made = next_stage(PRIOR, goal(), BEST)
    names = ["prior_precision", "temperature", "damping", "temperature_warmup"]
    assert [d.name for d in made.space] == names
    assert made.space[-1].choices == (0, 25, 50)
    assert [c.parameters["temperature"] for c in made.candidates] == [1.0, 0.01, 0.1]
    assert {c.parameters["temperature_warmup"] for c in made.candidates} == {50}
    assert made.settings["lr"] == 3.0  # as OGN found it
    assert {c.parameters["damping"] for c in made.candidates} == {0.7}
    assert made.reference is BEST[TARGET]
    assert not made.is_enough([trial()] * 8)


def test_a_prior_the_elbo_is_not_searched():
    made = next_stage(PRIOR, goal(prior="elbo"), BEST)
    assert made.learns_prior
    assert "prior_precision" not in [d.name for d in made.space]
    other = goal(optimizer="noisy_kfac", prior="elbo", start=START)
    alone = next_stage(SEARCH, other, {})
    assert alone.learns_prior
    assert [d.name for d in alone.space] == ["lr", "damping", "temperature"]


def test_what_is_given_is_not_searched():
    given = ("temperature", "temperature_warmup", "prior_precision")
    made = next_stage(PRIOR, goal(given=given), BEST)
    assert [d.name for d in made.space] == ["damping"]
    assert len(made.candidates) == 1
    everything = goal(optimizer="sgd", given=("lr", "momentum", "weight_decay"))
    assert next_stage(SEARCH, everything, {}).num_trials == 1


def test_other_optimizers_begin_with_their_settings():
    start = optimizer_spec("sgd").defaults()
    made = next_stage(SEARCH, goal(optimizer="sgd", start=start), {})
    assert [d.name for d in made.space] == ["lr", "momentum", "weight_decay"]
    assert made.candidates[0].parameters == {
        name: start[name] for name in ("lr", "momentum", "weight_decay")
    }
    assert made.num_trials == 9
