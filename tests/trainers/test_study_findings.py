"""Tests of `trainers/study_findings.py`."""

import pytest

from tests.trainers.test_against import config
from trainers.against import Measured, lines
from trainers.studies import STUDIES
from trainers.study_findings import (
    best_place,
    findings,
    reference_of,
    sentences,
    table,
    told_best,
    verdict,
)

COLD, PRIOR = STUDIES["cold_posterior"], STUDIES["prior_precision"]
MEASURES = ("nll", "accuracy")


def a_line(nlls, axis="temperature", seeds=3, **more):
    """A line of runs with these NLLs by value, the seeds a little apart."""
    found = [
        Measured(
            config(seed=seed, dataset="digits", **{axis: value}, **more),
            {"nll": nll + 0.01 * seed + 1e-4 * (seed % 2), "accuracy": 1 - nll},
            {"nll": nll + 0.02},
        )
        for value, nll in nlls.items()
        for seed in range(seeds)
    ]
    (line,) = lines(found, axis)
    return line


def test_a_cold_posterior_effect_is_called_one_beyond_the_spread():
    found = findings(COLD, a_line({0.01: 0.3, 0.1: 0.4, 1.0: 0.5, 3.0: 0.1}), ["nll"])
    (nll,) = found
    assert (nll.reference, nll.rival.key, nll.rival.tried) == (1.0, 0.01, 2)
    assert nll.rival.difference == pytest.approx(-0.2)
    told = verdict(COLD, nll)
    assert told.startswith(
        "NLL: the best of 2 colder, 0.01, differs from temperature 1"
    )
    assert "\N{MINUS SIGN}0.2000" in told


def test_warmer_values_are_no_rivals_of_a_cold_posterior():
    assert findings(COLD, a_line({1.0: 0.5, 3.0: 0.1}), MEASURES) == []
    assert findings(COLD, a_line({0.1: 0.5, 3.0: 0.1}), MEASURES) == []


def spread_line(differences):
    """Temperature 0.1 beside 1, with these differences of the NLL by seed."""
    found = [
        Measured(config(seed=seed, temperature=t), {"nll": 0.5 + 0.1 * seed + extra})
        for seed, difference in enumerate(differences)
        for t, extra in ((1.0, 0.0), (0.1, difference))
    ]
    (line,) = lines(found, "temperature")
    return line


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ((-0.10, -0.11, -0.09), "better beyond the spread of 3 seeds, a cold post"),
        ((0.10, 0.11, 0.09), "worse beyond the spread of 3 seeds, no cold posterior"),
        ((-0.10, 0.11, -0.09), "within the spread of 3 seeds, no clear difference"),
        ((-0.10, -0.11), "2 seeds are too few to tell"),
        ((-0.10,), "1 seed tells nothing of the spread"),
    ],
)
def test_the_verdict_says_whether_colder_is_better_beyond_the_spread(
    differences, words
):
    (found,) = findings(COLD, spread_line(differences), ["nll"])
    assert words in verdict(COLD, found)
    assert sentences(COLD, [spread_line(differences)], "temperature", ["nll"]) == [
        verdict(COLD, found)
    ]


def test_values_without_a_common_seed_are_told_so():
    found = [
        Measured(config(seed=0, temperature=1.0), {"nll": 1.0}),
        Measured(config(seed=1, temperature=0.1), {"nll": 1.0}),
    ]
    (line,) = lines(found, "temperature")
    assert sentences(COLD, [line], "temperature", ["nll"]) == [
        "NLL: no colder value shares a seed with temperature 1 (Bayes)."
    ]


def test_the_automatic_prior_is_found_among_rounded_multiples():
    base = config(dataset="digits")
    values = dict(zip(PRIOR.values_for(base), [0.9, 0.8, 0.7, 0.5, 0.6, 0.7, 0.8],
                      strict=True))  # fmt: skip
    line = a_line(values, "prior_precision")
    assert reference_of(PRIOR, line) == pytest.approx(PRIOR.unit(base))
    (nll,) = findings(PRIOR, line, ["nll"])
    assert nll.rival.tried == 6
    assert nll.rival.difference == pytest.approx(0.1)


def test_the_best_value_is_one_of_those_with_the_most_seeds():
    line = a_line({0.1: 0.4, 1.0: 0.5})
    lucky = Measured(config(dataset="digits", temperature=0.01), {"nll": 0.0})
    runs = [run for place in line.places for run in place.runs.values()]
    (line,) = lines([*runs, lucky], "temperature")
    assert best_place(line, "nll").value == 0.1
    assert best_place(line, "accuracy").value == 0.1
    assert best_place(line, "ece") is None
    assert "best NLL 0.4100 ± " in told_best(line, "temperature", "nll")
    assert "at temperature 0.1 (3 seeds)." in told_best(line, "temperature", "nll")


def test_a_setting_that_nobody_asked_of_has_its_best_value_told():
    line = a_line({0.1: 0.4, 0.2: 0.3}, axis="lr", seeds=1)
    told = sentences(None, [line], "lr", MEASURES)
    assert told == [
        "VOGN: best NLL 0.3000 at lr 0.2 (1 seed).",
        "VOGN: best Accuracy 70.0 % at lr 0.2 (1 seed).",
    ]


def test_the_table_has_a_row_a_value():
    line = a_line({0.1: 0.4, 1.0: 0.5})
    (level,) = lines([Measured(config(optimizer="adamw"), {"nll": 0.7})], "temperature")
    first, *_, last = table([line, level], ["nll"])
    assert first["nll"] == pytest.approx(0.41, abs=1e-3)
    assert first["nll_at_mean"] == pytest.approx(0.42)
    assert (first["value"], first["seeds"]) == (0.1, 3)
    assert last == {
        "line": "AdamW", "value": None, "seeds": 1, "nll": 0.7, "nll_deviation": None,
        "nll_at_mean": None,
    }  # fmt: skip
