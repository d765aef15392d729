"""Tests of what a search found, in words and as a configuration."""

import pytest

from tests.trainers.tuning.examples import asked, stage, trial
from trainers.tuning.outcome import (
    COLUMNS,
    Played,
    best_config,
    heading,
    line,
    rows,
    settings_of,
    winner,
    words,
)
from trainers.tuning.spaces import Dimension
from trainers.tuning.stages import MATCH, NOISE, PRIOR, TARGET
from trainers.tuning.trial import CUT, DIVERGED


def played(name, nll, **more):
    options = {
        "name": name, "optimizer": "adamw" if name == TARGET else "vogn",
        "settings": {"lr": 2.0, "damping": 0.5, "sampled": name != MATCH},
    } | more  # fmt: skip
    made = stage(**options)
    one = trial(1, (0.9, nll), stage=name, parameters={"lr": 3.0})
    return Played(made, [trial(0, (0.8,), CUT, stage=name), one])


WHOLE = (
    played(TARGET, 0.1), played(MATCH, 0.2), played(NOISE, 0.4, space=()),
    played(PRIOR, 0.3, space=(Dimension(name="damping", low=0.1, high=1),)),
)  # fmt: skip


def test_the_best_has_noise_once_there_is_any_and_is_never_the_target():
    assert winner(WHOLE)[0].name == PRIOR
    assert winner((*WHOLE[:3], played(PRIOR, 0.5)))[0].name == NOISE
    assert winner((*WHOLE[:3], played(PRIOR, 0.4)))[0].name == PRIOR
    assert winner(WHOLE[:2])[0].name == MATCH
    assert winner(WHOLE[:1]) is None
    assert best_config(asked(), WHOLE[:1]) is None


def test_the_configuration_has_stage_trial_and_what_training_found():
    stage_, best = winner(WHOLE)
    assert settings_of(stage_, best) == {"lr": 3.0, "damping": 0.5, "sampled": True}
    config = best_config(asked(), WHOLE)
    assert config.optimizer.name == "vogn"
    assert config.optimizer.hyperparameters["lr"] == 3.0
    assert config.training == asked().config.training
    found = Played(stage_, [trial(parameters={}, found={"prior_precision": 7.0})])
    assert (
        best_config(asked(), [found]).optimizer.hyperparameters["prior_precision"] == 7
    )


def test_the_table_has_a_row_a_method():
    found = rows(WHOLE)
    assert [row[:3] for row in found] == [
        ("AdamW", "2", "0.1000"), ("OGN", "2", "0.2000"), ("VOGN", "4", "0.3000"),
    ]  # fmt: skip
    assert all(len(row) == len(COLUMNS) for row in found)
    assert found[-1][-1] == "lr 3, damping 0.5"  # what earlier stages found, too
    lost = Played(stage(), [trial(state=DIVERGED)])
    assert rows([lost]) == []


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (trial(3, (0.5, 0.25)), "    3  lr 0.0001; 2 epochs; NLL 0.2500 (best 0.1000)"),
        (
            trial(nlls=(0.5,), state=CUT, title="cold"),
            "    0  cold: lr 0.1; 1 epoch, ended early; NLL 0.5000 (best 0.1000)",
        ),
        (
            trial(nlls=(), state=DIVERGED, parameters={}, title="as found"),
            "    0  as found; 0 epochs; diverged (best 0.1000)",
        ),
    ],
)
def test_a_line_tells_of_a_trial(one, text):
    assert line(one, trial(nlls=(0.1,))) == text


def test_a_line_marks_the_best_and_what_training_found():
    one = trial(nlls=(0.5,), found={"prior_precision": 2.0})
    assert line(one, one).endswith("NLL 0.5000 (best), found prior precision 2")
    assert line(one, None).endswith("NLL 0.5000, found prior precision 2")


def test_headings_and_words():
    assert heading(stage(), 1, 1) == "Stage 1 of 1: AdamW, 8 trials"
    assert heading(stage(name=MATCH), 2, 4).endswith("at most 8 trials")
    assert words({"num_samples": 2, "lr": 0.0123456}) == "num samples 2, lr 0.0123"
