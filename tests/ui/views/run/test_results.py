"""Tests of `ui/views/run/results.py`, on the page that shows them."""

import json

import pytest

from tests.ui import fakes
from tests.ui.seen import charts, errors, text


def test_images_have_reliability_entropy_and_gallery(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    app = open_page("run", run="a")
    assert not app.exception
    assert {"reliability", "ood-photo-patches"} <= set(charts(app))
    assert [tab.label for tab in app.tabs] == [
        "Most certain", "Least certain", "Confidently wrong", "Samples disagree most",
    ]  # fmt: skip
    content = json.loads(run.evaluation.read_text())
    cards = app.html[0].value
    assert cards.count("<img") == len(content["gallery"]["most_certain"]) == 12
    assert "AUROC" in text(app)
    assert "out of distribution is the positive class" in text(app)


def test_points_have_maps_and_say_why_there_is_no_partner_set(open_page, root):
    fakes.write_run(root, "a", dataset="moons", evaluated=True)
    app = open_page("run", run="a")
    assert {"map-decision", "map-entropy", "map-mutual_information"} <= set(charts(app))
    assert "Points of the plane have no partner set" in text(app)
    assert not app.main.get("html")


def test_one_set_of_weights_has_no_map_of_mutual_information(open_page, root):
    fakes.write_run(root, "a", dataset="blobs", optimizer="sgd", evaluated=True)
    app = open_page("run", run="a")
    assert not app.exception
    assert "map-entropy" in charts(app)
    assert "map-mutual_information" not in charts(app)
    assert "one set of weights cannot disagree with itself" in text(app)
    assert "Train with VOGN or Noisy K-FAC to see" in text(app)


def test_the_maps_are_those_of_what_was_evaluated(open_page, root):
    run = fakes.write_run(root, "a", dataset="moons")  # by VOGN, with sampled=False
    fakes.write_evaluation(run, "moons", bayesian=False)
    assert "map-mutual_information" not in charts(open_page("run", run="a"))
    fakes.write_run(root, "b", dataset="moons", optimizer="noisy_kfac", evaluated=True)
    assert "map-mutual_information" in charts(open_page("run", run="b"))


def test_a_run_without_a_partner_set_says_so(open_page, root):
    run = fakes.write_run(root, "a")
    content = fakes.write_evaluation(run, "digits", bayesian=True)
    run.evaluation.write_text(json.dumps(content | {"ood": {}}))
    app = open_page("run", run="a")
    assert "No out-of-distribution set was at hand" in text(app)
    assert "reliability" in charts(app)


def test_a_faultless_run_has_no_wrong_images_to_show(open_page, root):
    run = fakes.write_run(root, "a")
    content = fakes.write_evaluation(run, "digits", bayesian=True)
    content["gallery"]["confidently_wrong"] = []
    run.evaluation.write_text(json.dumps(content))
    app = open_page("run", run="a")
    assert "Not one test image was misclassified." in text(app)


@pytest.mark.parametrize(
    ("damage", "told", "left"),
    [
        ({"reliability": {"num_bins": 15}}, "The reliability diagram", "ood-photo"),
        ({"ood": {"photo-patches": {}}}, "The entropy histogram", "reliability"),
        ({"gallery": {"most_certain": [{}]}}, "The gallery", "reliability"),
        ({"map": {"x": [1]}}, "The decision map", "reliability"),
    ],
)
def test_a_damaged_part_costs_that_part_only(open_page, root, damage, told, left):
    run = fakes.write_run(root, "a")
    content = fakes.write_evaluation(run, "digits", bayesian=True)
    run.evaluation.write_text(json.dumps(content | damage))
    app = open_page("run", run="a")
    assert not app.exception
    assert f"{told} cannot be shown, its file is damaged" in errors(app)
    assert any(key.startswith(left) for key in charts(app))
    assert "curve-loss" in charts(app)


def test_a_missing_picture_file_is_told(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    run.gallery.unlink()
    app = open_page("run", run="a")
    assert "The gallery cannot be shown" in errors(app)
    assert "reliability" in charts(app)
