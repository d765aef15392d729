"""Predictions to a report: what is measured, compared, summed up and left out."""

import numpy as np
import pytest

from calibration import measure, paired_differences
from calibration.report.build import (
    MAX_MODELS,
    build_report,
    model_report,
    shift_points,
    software,
)
from calibration.report.data import LayerRow
from calibration.report.predictions import Features, Predictions
from tests.calibration.examples import random_labels, random_probabilities

COUNT, CLASSES = 300, 4
LABELS = random_labels(COUNT, CLASSES)


def skilled(seed, strength=2.0, labels=LABELS, samples=()):
    """Probabilities that know something of the labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(*samples, len(labels), CLASSES))
    logits[..., np.arange(len(labels)), labels] += strength
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def made(name="mine", seed=0, **changes):
    given = {"probabilities": skilled(seed, samples=(3,)), "labels": LABELS}
    return Predictions(name=name, **(given | changes))


def full():
    features = np.random.default_rng(0).normal(size=(COUNT, 6))
    features[np.arange(COUNT), LABELS] += 4
    far = random_probabilities(3, 50, CLASSES, scale=0.3)
    layer = LayerRow(
        name="0", num_parameters=9, deviation=0.1, signal_to_noise=2.0, kl=1.0
    )
    return made(
        ood={"far": far, "near": skilled(8)[:60]},
        far=("far",),
        near=("near",),
        logits=np.log(skilled(0)),
        ood_logits={"far": np.log(far[0]), "near": np.log(skilled(8)[:60])},
        features=Features(
            train=features,
            train_labels=LABELS,
            test=features,
            ood={"far": features[:50] + 9, "near": features[:60]},
        ),
        validation=(skilled(5), LABELS),
        mean_probabilities=skilled(0),
        shift={("fog", 5): skilled(1, 0.5), ("fog", 1): skilled(1, 1.5)},
        shift_clean=skilled(1),
        shift_labels=LABELS,
        images=np.zeros((COUNT, 5, 5), np.uint8),
        posterior=[layer],
        provenance={"Dataset": "synthetic"},
    )


def test_a_full_report_has_every_section():
    report = model_report(full())
    assert report.metrics == measure(full().probabilities, LABELS)
    assert set(report.at_mean) == {"accuracy", "nll", "brier", "ece"}
    assert [each.name for each in report.ood] == ["far", "near"]
    assert [each.distance for each in report.ood] == ["far", "near"]
    assert [each.name for each in report.ood_groups] == ["near", "far"]
    assert report.recalibration.num_fitted == report.recalibration.num_scored == COUNT
    assert len(report.conformal.rows) == 6
    assert [each.severity for each in report.shift] == [0, 1, 5]
    assert report.posterior[0].kl == 1.0
    assert report.confidently_wrong[0].image
    assert report.num_errors == round((1 - report.metrics["accuracy"]) * COUNT)
    assert report.summary


def test_the_barest_predictions_do():
    report = model_report(
        Predictions(name="a", probabilities=skilled(0), labels=LABELS)
    )
    assert report.num_samples == 1
    assert report.class_names == ["0", "1", "2", "3"]
    assert report.ood == report.shift == report.posterior == []
    assert report.at_mean == {}
    assert "half" in report.recalibration.fitted_on


def test_few_examples_are_not_fitted_on():
    few = Predictions(name="a", probabilities=skilled(0)[:30], labels=LABELS[:30])
    report = model_report(few)
    assert report.recalibration is None
    assert report.conformal is None


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        ([[0.2, 0.8]], [1]),  # one example
        ([[1.0], [1.0]], [0, 0]),  # one class
        ([[1.0, 0.0]] * 9, [0] * 9),  # certain and right
        ([[1.0, 0.0]] * 9, [1] * 9),  # certain and wrong
        ([[0.5, 0.5]] * 60, [0, 1] * 30),  # all alike
        ([[1.0, 0.0]] * 60, [0] * 60),  # one class alone, halved and fitted on
    ],
)
def test_extremes_make_a_finite_report(probabilities, labels):
    import json

    from calibration.report.encoding import encode

    given = Predictions(
        name="a", probabilities=np.array(probabilities), labels=np.array(labels)
    )
    json.dumps(encode(build_report([given])), allow_nan=False)


def test_shift_is_measured_against_the_same_examples():
    points = {(each.kind, each.severity): each for each in shift_points(full(), 15)}
    assert set(points) == {("clean", 0), ("fog", 1), ("fog", 5)}
    assert points["fog", 5].metrics["accuracy"] < points["clean", 0].metrics["accuracy"]


def test_others_are_compared_with_the_first_on_the_same_examples():
    first, second = made("one"), made("two", seed=1)
    (pair,) = build_report([first, second]).comparisons
    assert (pair.first, pair.second) == ("one", "two")
    expected = paired_differences(second.probabilities, first.probabilities, LABELS)
    assert pair.differences == pytest.approx(dict(expected))
    assert pair.sentence.startswith("On the same examples")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.roll(LABELS, 1)},
        {"indices": np.arange(COUNT) + 1},
        {"class_names": list("wxyz")},
        {"provenance": {"Dataset": "other"}},
    ],
)
def test_other_examples_are_not_compared_and_that_is_told(changes):
    first = made(
        "one",
        indices=np.arange(COUNT),
        class_names=list("abcd"),
        provenance={"Dataset": "mine"},
    )
    report = build_report([first, made("two", **changes)])
    assert report.comparisons == []
    assert "one and two were tested on different examples" in report.limitations[0]


def test_the_same_examples_in_another_order_are_compared():
    order = np.random.default_rng(0).permutation(COUNT)
    first = made("one", indices=np.arange(COUNT))
    second = made(
        "two",
        probabilities=first.probabilities[:, order],
        labels=LABELS[order],
        indices=order,
    )
    (pair,) = build_report([first, second]).comparisons
    assert all(each == 0 for each in pair.differences.values())


def test_bins_have_a_limit():
    with pytest.raises(ValueError, match="num_bins must be at most 1000, got 1001"):
        build_report([made()], num_bins=1001)


def test_models_of_a_family_are_summed_up():
    members = [made(f"seed {seed}", seed=seed, family="both") for seed in (0, 1)]
    report = build_report([*members, made("other", seed=2)])
    (group,) = report.seeds
    assert group.models == ["seed 0", "seed 1"]
    values = [model.metrics["nll"] for model in report.models[:2]]
    assert group.means["nll"] == pytest.approx(np.mean(values))
    assert group.deviations["nll"] == pytest.approx(np.std(values, ddof=1))


def test_notes_come_with_the_limitations():
    report = build_report([made(notes=["mine: not measured."])])
    assert report.limitations[0] == "mine: not measured."


@pytest.mark.parametrize(
    ("models", "text"),
    [
        ([], "1 to 10, got 0"),
        ([made(str(i)) for i in range(MAX_MODELS + 1)], "1 to 10, got 11"),
        ([made(), made()], "names of models must differ, got mine, mine"),
    ],
)
def test_wrong_models_are_refused(models, text):
    with pytest.raises(ValueError, match=text):
        build_report(models)


def test_the_title_names_the_models_unless_told():
    assert build_report([made()]).title == "Calibration report: mine"
    assert build_report([made()], title="Mine").title == "Mine"


def test_the_title_of_many_models_is_one_line():
    models = [made(f"a run of a long name {i}") for i in range(4)]
    assert build_report(models).title == "Calibration report: 4 models"


def told(probabilities, labels):
    given = Predictions(
        name="a", probabilities=np.array(probabilities), labels=np.array(labels)
    )
    return " ".join(build_report([given]).models[0].summary)


def test_a_contradicted_certainty_is_not_taken_at_its_word():
    said = told([[1.0, 0.0]] * 99 + [[0.0, 1.0]], [0] * 100)
    assert "taken at its word" not in said.replace("whether its confidence", "")
    assert "when it says 100 % it is right 99 % of the time" in said


@pytest.mark.parametrize("number", [1, 2, 3, 5, 7])
def test_a_handful_of_right_answers_tells_nothing(number):
    said = told([[0.9, 0.1]] * number, [0] * number)
    assert "too few to tell" in said
    assert "underconfident" not in said


def test_errors_that_cancel_are_both_told():
    """Half says 0.9 and is right 0.8, half says 0.6 and is right 0.7."""
    probabilities = [[0.9, 0.1]] * 2000 + [[0.6, 0.4]] * 2000
    labels = [0] * 1600 + [1] * 400 + [0] * 1400 + [1] * 600
    said = told(probabilities, labels)
    assert "when it says about 90 % it is right 80 %" in said
    assert "when it says about 60 % it is right 70 %" in said


def test_impossible_truths_are_counted():
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    given = Predictions(name="a", probabilities=probabilities, labels=[0, 1, 1])
    report = build_report([given])
    assert report.models[0].num_impossible == 1
    assert any("probability 0" in each for each in report.limitations)


def test_versions_are_told():
    assert {"Python", "numpy", "plotly"} <= set(software())
