"""Reports against the single measures; averages, the best score, and checks."""

import json

import numpy as np
import pytest

from calibration.ood import (
    DETECTION_MEASURES,
    aupr_in,
    aupr_out,
    auroc,
    detection_error,
    evaluate_detectors,
    fpr_at_recall,
)

FUNCTIONS = {
    "auroc": auroc,
    "aupr_out": aupr_out,
    "aupr_in": aupr_in,
    "fpr95": fpr_at_recall,
    "detection_error": detection_error,
}


def example():
    """Score "good" tells the sets apart, "bad" is noise; set "b" is easier than "a"."""
    rng = np.random.default_rng(0)
    inside = {"bad": rng.normal(size=90), "good": rng.normal(size=90)}
    out = {
        name: {"bad": rng.normal(size=size), "good": rng.normal(shift, 1, size)}
        for name, shift, size in (("a", 1, 40), ("b", 3, 50), ("c", 2, 30))
    }
    return inside, out


def test_every_number_is_that_of_its_function():
    inside, out = example()
    report = evaluate_detectors(inside, out)
    assert tuple(FUNCTIONS) == DETECTION_MEASURES
    for set_name, scores in out.items():
        for score, values in scores.items():
            for measure, function in FUNCTIONS.items():
                found = getattr(report.sets[set_name][score], measure)
                expected = function(inside[score], values)
                assert found.as_dict() == pytest.approx(expected.as_dict())
    assert (report.num_in, report.num_out) == (90, {"a": 40, "b": 50, "c": 30})
    assert report.averages == {}


def test_averages_are_those_of_their_sets():
    report = evaluate_detectors(*example(), near=["a"], far=["b", "c"])
    assert report.members == {"near": ("a",), "far": ("b", "c")}
    near = report.sets["a"]["good"]
    assert report.averages["near"]["good"].as_dict() == near.as_dict()
    far = report.averages["far"]["good"]
    for measure in DETECTION_MEASURES:
        found = getattr(far, measure)
        parts = [getattr(report.sets[name]["good"], measure) for name in "bc"]
        assert found == pytest.approx(np.mean(parts))
        assert found.low == pytest.approx(np.mean([part.low for part in parts]))
        assert found.high == pytest.approx(np.mean([part.high for part in parts]))
        assert found.method == "average of intervals"


def test_best_is_the_highest_auroc_and_the_first_of_equals():
    report = evaluate_detectors(*example(), far=["b", "c"])
    assert report.best == dict.fromkeys(["a", "b", "c", "far"], "good")
    same = {"first": [0.0, 1.0], "second": [0.0, 1.0]}
    assert evaluate_detectors(same, {"x": same}).best == {"x": "first"}


def test_the_report_is_ready_for_json():
    report = evaluate_detectors(*example(), near=["a"])
    content = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    value = content["sets"]["b"]["good"]["auroc"]
    assert value == report.sets["b"]["good"].auroc.as_dict()
    assert content["averages"]["near"]["bad"].keys() == set(DETECTION_MEASURES)
    assert content["members"] == {"near": ["a"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"in_scores": {}}, "in_scores must hold at least one entry, got none"),
        ({"out_sets": {}}, "out_sets must hold at least one entry, got none"),
        ({"near": ["z"]}, r"near must name sets of out_sets \(x\), got 'z'"),
        ({"far": ["z"]}, "far must name sets"),
        ({"out_sets": {"x": {"t": [1.0]}}}, r"out_sets\['x'\] must have the scores of"),
        ({"out_sets": {"x": {}}}, "got none"),
        ({"out_sets": {"x": {"s": []}}}, r"out_sets\['x'\]\['s'\] must be a non-empty"),
        ({"in_scores": {"s": [np.nan]}}, r"in_scores\['s'\] must be finite"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    arguments = {"in_scores": {"s": [0.0]}, "out_sets": {"x": {"s": [1.0]}}} | change
    with pytest.raises(ValueError, match=message):
        evaluate_detectors(**arguments)


def test_scores_of_one_set_are_of_the_same_examples():
    with pytest.raises(ValueError, match="in_scores must have as many examples"):
        evaluate_detectors(
            {"s": [0.0], "t": [0.0, 1.0]}, {"x": {"s": [1.0], "t": [1.0]}}
        )
