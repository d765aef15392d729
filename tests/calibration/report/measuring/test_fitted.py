"""What is fitted on is never what is judged on."""

import numpy as np
import pytest

from calibration.report.measuring.fitted import (
    MIN_FITTED,
    TITLES,
    conformal,
    halves,
    recalibration,
)
from calibration.report.predictions import Predictions
from tests.calibration.examples import random_labels, softmax

COUNT = 4000
LABELS = random_labels(COUNT, 3)


def overconfident(seed):
    """Probabilities whose logits are twice too large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(COUNT, 3)) * 1.5
    noise = rng.gumbel(size=(COUNT, 3))
    return softmax(2 * logits), (logits + noise).argmax(axis=1)


PROBABILITIES, TRUTH = overconfident(0)
VALIDATION = overconfident(1)


def parts(validation=VALIDATION):
    given = Predictions(
        name="a", probabilities=PROBABILITIES, labels=TRUTH, validation=validation
    )
    return halves(given, PROBABILITIES, TRUTH)


def test_validation_is_fitted_on_and_all_test_examples_judged():
    found = parts()
    assert np.array_equal(found.fit, VALIDATION[0])
    assert np.array_equal(found.score, PROBABILITIES)
    assert "validation examples" in found.sentence
    assert recalibration(found, 15).held_out
    assert conformal(found).held_out


def test_without_validation_the_test_examples_are_halved():
    found = parts(None)
    assert len(found.fit) == len(found.score) == COUNT // 2
    rows = np.concatenate([found.fit, found.score])
    assert np.array_equal(np.sort(rows, axis=0), np.sort(PROBABILITIES, axis=0))
    assert "random half" in found.sentence
    assert not recalibration(found, 15).held_out
    assert not conformal(found).held_out


def test_too_few_examples_are_left_alone():
    few = (VALIDATION[0][: MIN_FITTED - 1], VALIDATION[1][: MIN_FITTED - 1])
    assert parts(few) is None


def test_overconfidence_is_found_and_mended():
    """At 4,000 examples the temperature of 2 is known to some 4 %: 6 * 2 * 0.02."""
    found = recalibration(parts(), 15)
    temperature = next(each for each in found.methods if each.name == "temperature")
    assert float(temperature.fitted.removeprefix("T = ")) == pytest.approx(2, abs=0.24)
    assert temperature.metrics["ece"] < found.before["ece"] / 2
    assert temperature.nll_change.high < 0
    assert found.best != "none"
    assert found.bins_after
    assert {each.name for each in found.methods} == set(TITLES)
    least = min(found.methods, key=lambda each: each.validation_nll)
    assert found.best == least.name


def test_sets_reach_what_they_promise():
    """Coverage of 4,000 scored examples errs by 0.5 %, that of 4,000 fitted as much."""
    found = conformal(parts())
    for row in found.rows:
        assert abs(row.coverage - row.promised) < 5 * np.sqrt(2 * 0.09 / COUNT)
        assert 0 <= row.empty <= 1
