"""The content of evaluation.json, against the functions it is made of."""

import json
import re
import time

import numpy as np
import pytest

import calibration
from calibration import DEFINITIONS, FPR95_DEFINITION, decompose, evaluate
from calibration.measures import measure
from tests.calibration.examples import random_labels, random_probabilities

SAMPLES = random_probabilities(6, 90, 4)
LABELS = random_labels(90, 4)
OUT = random_probabilities(6, 40, 4, seed=2, scale=0.5)
HEADLINE = {
    "accuracy": calibration.accuracy,
    "nll": calibration.negative_log_likelihood,
    "brier": calibration.brier_score,
    "ece": calibration.expected_calibration_error,
}


def leaves(tree):
    if isinstance(tree, dict | list):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(branch)
    else:
        yield tree


def test_result_is_plain_finite_json():
    result = evaluate(
        SAMPLES.astype(np.float32),
        LABELS.astype(np.uint8),
        mean_probabilities=SAMPLES[0],
        ood={"noise": OUT},
        num_bins=np.int64(10),
    )
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {type(leaf) for leaf in leaves(result)} == {int, float, str}


def test_sections_and_sizes():
    result = evaluate(SAMPLES, LABELS)
    assert list(result) == [
        "schema",
        "num_examples",
        "num_classes",
        "num_samples",
        "metrics",
        "intervals",
        "mean",
        "reliability",
        "ood",
        "definitions",
    ]
    assert result["schema"] == 1
    sizes = [result[f"num_{what}"] for what in ("examples", "classes", "samples")]
    assert sizes == [90, 4, 6]
    assert result["mean"] is None
    assert result["ood"] == {}


def test_metrics_are_those_of_the_posterior_predictive():
    metrics = evaluate(SAMPLES, LABELS)["metrics"]
    parts = decompose(SAMPLES)
    expected = {name: score(SAMPLES, LABELS) for name, score in HEADLINE.items()} | {
        "predictive_entropy": parts.total.mean(),
        "expected_entropy": parts.expected.mean(),
        "mutual_information": parts.mutual_information.mean(),
    }
    shared = {name: metrics[name] for name in expected}
    assert shared == pytest.approx(expected, rel=1e-12)
    assert metrics == pytest.approx(dict(measure(SAMPLES, LABELS)), rel=1e-12)


def test_accuracy_interval_is_wilsons():
    result = evaluate(SAMPLES, LABELS)
    correct = round(result["metrics"]["accuracy"] * 90)
    expected = [float(end) for end in calibration.wilson_interval(correct, 90)]
    assert result["intervals"]["accuracy"] == expected
    assert set(result["intervals"]) == set(result["metrics"])
    for name, (low, high) in result["intervals"].items():
        assert low <= result["metrics"][name] <= high


def test_mean_holds_the_headline_of_its_own_probabilities():
    result = evaluate(SAMPLES, LABELS, mean_probabilities=SAMPLES[3], num_bins=7)
    expected = {name: score(SAMPLES[3], LABELS) for name, score in HEADLINE.items()}
    expected["ece"] = calibration.expected_calibration_error(SAMPLES[3], LABELS, 7)
    assert result["mean"] == expected
    assert result["mean"]["nll"] != result["metrics"]["nll"]


def test_reliability_rebuilds_the_calibration_error():
    result = evaluate(SAMPLES, LABELS, num_bins=10)
    bins = result["reliability"]["bins"]
    assert result["reliability"]["num_bins"] == 10
    gap = sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in bins)
    assert gap / 90 == pytest.approx(result["metrics"]["ece"])
    diagram = calibration.reliability_diagram(SAMPLES, LABELS, 10)
    for row, each in enumerate(bins):
        assert each == {name: getattr(diagram, name)[row] for name in each}
    assert list(bins[0]) == [
        "lower",
        "upper",
        "count",
        "confidence",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
    ]


def test_ood_sets_are_scored_by_their_entropies():
    result = evaluate(SAMPLES, LABELS, ood={"noise": OUT, "self": SAMPLES})["ood"]
    inside, outside = decompose(SAMPLES), decompose(OUT)
    noise = result["noise"]
    assert noise["score"] == "predictive entropy"
    assert noise["num_examples"] == 40
    assert noise["auroc"] == calibration.auroc(inside.total, outside.total) > 0.5
    assert noise["fpr95"] == calibration.fpr_at_recall(inside.total, outside.total)
    assert noise["auroc_mutual_information"] == calibration.auroc(
        inside.mutual_information, outside.mutual_information
    )
    assert result["self"]["auroc"] == 0.5


def test_ood_histogram_counts_both_sides():
    histogram = evaluate(SAMPLES, LABELS, ood={"noise": OUT})["ood"]["noise"][
        "histogram"
    ]
    assert len(histogram["edges"]) == 41
    assert sum(histogram["in_distribution"]) == 90
    assert sum(histogram["out_of_distribution"]) == 40


@pytest.mark.parametrize(
    ("inside", "outside"),
    [(SAMPLES[0], OUT[0]), (SAMPLES[:1], OUT), (SAMPLES, OUT[0])],
)
def test_mutual_information_scores_only_where_both_sides_have_samples(inside, outside):
    noise = evaluate(inside, LABELS, ood={"noise": outside})["ood"]["noise"]
    assert "auroc_mutual_information" not in noise
    assert noise["auroc"] > 0.5


@pytest.mark.parametrize("probabilities", [SAMPLES[0], SAMPLES[:1]])
def test_one_model_counts_as_one_sample(probabilities):
    result = evaluate(probabilities, LABELS)
    assert result["num_samples"] == 1
    assert result["metrics"]["mutual_information"] == 0.0


def test_every_number_has_its_definition():
    result = evaluate(SAMPLES, LABELS, mean_probabilities=SAMPLES[0], ood={"a": OUT})
    definitions = result["definitions"]
    defined = set(result["metrics"]) | {"intervals", "mean"}
    defined |= {"auroc", "fpr95", "auroc_mutual_information"}
    assert defined <= set(definitions)
    assert definitions == dict(DEFINITIONS)
    assert definitions["fpr95"] == FPR95_DEFINITION
    assert "in nats" in definitions["nll"]


def test_a_certain_model_on_certain_data_is_still_finite():
    one_hot = np.eye(3)
    result = evaluate(one_hot, [1, 2, 0], ood={"same": one_hot})
    assert json.dumps(result, allow_nan=False)
    assert result["ood"]["same"]["auroc"] == 0.5
    assert result["metrics"]["predictive_entropy"] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mean_probabilities": SAMPLES[0, 1:]},
            "mean_probabilities must be [N, C] = (90, 4) like the probabilities, "
            "got shape (89, 4).",
        ),
        ({"mean_probabilities": SAMPLES}, "mean_probabilities must be [N, C] = (90"),
        (
            {"mean_probabilities": np.log(SAMPLES[0])},
            "at mean_probabilities[0, 0]. Were log-probabilities passed by mistake?",
        ),
        (
            {"ood": {"digits": random_probabilities(9, 3)}},
            "ood['digits'] must have the 4 classes of the probabilities, got 3.",
        ),
        ({"ood": {"digits": OUT * 2}}, "ood['digits'] must"),
        ({"ood": {"digits": OUT[:, :0]}}, "ood['digits'] must be non-empty, got shape"),
        ({"num_bins": 0}, "num_bins must be an integer of at least 1, got 0."),
    ],
)
def test_a_wrong_argument_is_named(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        evaluate(SAMPLES, LABELS, **change)


def test_ten_thousand_examples_and_thirty_two_samples_take_seconds_at_most():
    samples = random_probabilities(32, 10_000, 10, dtype=np.float32)
    labels = random_labels(10_000, 10)
    start = time.perf_counter()
    evaluate(samples, labels, ood={"same": samples})
    assert time.perf_counter() - start < 3  # about 0.1 on one core
