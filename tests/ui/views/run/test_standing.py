"""Tests of `ui/views/run/standing.py`."""

import numpy as np
import pytest

from calibration import fpr_at_recall
from ui.views.run.standing import (
    rank_text,
    share_below,
    verdict,
    verdict_text,
    verdicts,
)


def scores(seed, shift, count=40):
    return np.random.default_rng(seed).gamma(2 + shift, 1, count).round(1)


@pytest.mark.parametrize("count", [1, 7, 20, 40, 100])
@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_is_that_of_fpr95(seed, count):
    inside, outside = scores(seed, 0), scores(seed + 9, 2, count)
    found = verdict(1.0, inside, outside)
    assert found.false_alarms == float(fpr_at_recall(inside, outside))
    assert np.mean(outside >= found.threshold) >= 0.95
    higher = outside[outside > found.threshold]
    assert not len(higher) or np.mean(outside >= higher.min()) < 0.95


def test_what_is_at_the_threshold_is_flagged():
    inside, outside = scores(0, 0), scores(1, 2)
    at = verdict(0.0, inside, outside).threshold
    assert verdict(at, inside, outside).flagged
    assert not verdict(np.nextafter(at, 0), inside, outside).flagged


def test_the_rank_is_the_share_that_is_less_uncertain():
    entropies = np.array([0.1, 0.2, 0.3, 0.4])
    assert share_below(entropies, 0.3) == 0.5
    assert share_below(entropies, 9.0) == 1.0
    assert "than 50.0 % of the 4 test images" in rank_text(entropies, 0.3)


def test_verdicts_are_put_into_words():
    inside, outside = np.linspace(0, 1, 100), np.linspace(0.9, 2, 100)
    low, high = (verdicts(x, inside, {"digits": outside})["digits"] for x in (0, 2))
    told = verdict_text(low, "Digits")
    assert "entropy does not give it away as out of distribution: it is below" in told
    assert "*" not in told
    told = verdict_text(high, "Digits")
    assert "**looks out of distribution**" in told
    assert "catches 95 % of Digits and flags 5.0 % of the test images" in told
