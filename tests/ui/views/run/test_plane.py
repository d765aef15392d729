"""Tests of `ui/views/run/plane.py`, on the page that shows it."""

import json

import numpy as np
import pytest

from tests.ui import fakes
from tests.ui.seen import charts, errors, text

MAPS = {"map-decision", "map-entropy", "map-expected_entropy", "map-mutual_information"}


def shown(open_page, name="a", **query):
    return open_page("run", run=name, tab="Uncertainty maps", **query)


def drawn(app):
    return {key for key in charts(app) if key.startswith("map-")}


def test_all_maps_stand_side_by_side(open_page, root):
    fakes.write_run(root, "a", dataset="moons", evaluated=True)
    app = shown(open_page)
    assert not app.exception
    assert drawn(app) == MAPS
    assert "By 8 weight samples (S) at 60 x 50 points" in text(app)


def test_what_is_drawn_is_chosen_in_the_address(open_page, root):
    fakes.write_run(root, "a", dataset="moons", evaluated=True)
    app = shown(open_page, maps_drawn="Total entropy", maps_points="false")
    assert drawn(app) == {"map-entropy"}
    kinds = [trace["type"] for trace in charts(app)["map-entropy"]["figure"]["data"]]
    assert kinds == ["heatmap"]
    assert "training points" not in charts(app)["map-entropy"]["alt"]
    assert "Choose a map to draw" in text(shown(open_page, maps_drawn=""))


def test_one_scale_makes_the_maps_comparable(open_page, root):
    run = fakes.write_run(root, "a", dataset="moons", evaluated=True)
    area = json.loads(run.evaluation.read_text())["map"]
    for value, expected in (("true", np.max(area["entropy"])), ("false", None)):
        found = charts(shown(open_page, maps_scale=value))
        for key in MAPS - {"map-decision"}:
            heat = found[key]["figure"]["data"][0]
            assert heat.get("zmax") == (pytest.approx(expected) if expected else None)


def test_one_set_of_weights_cannot_be_split(open_page, root):
    fakes.write_run(root, "a", dataset="blobs", optimizer="sgd", evaluated=True)
    app = shown(open_page)
    assert not app.exception
    assert drawn(app) == {"map-decision", "map-entropy"}
    assert "one set of weights cannot disagree with itself" in text(app)
    assert "Train with a Bayesian optimizer, such as VOGN, " in text(app)


def test_the_entropy_of_several_networks_is_split_without_a_mean(open_page, root):
    run = fakes.write_run(root, "a", dataset="moons", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    run.evaluation.write_text(json.dumps(content | {"mean": None}))
    app = shown(open_page)
    assert not app.exception
    assert drawn(app) == MAPS


def test_the_maps_are_those_of_what_was_evaluated(open_page, root):
    run = fakes.write_run(root, "a", dataset="moons")  # by VOGN, with sampled=False
    fakes.write_evaluation(run, "moons", bayesian=False)
    assert "map-mutual_information" not in drawn(shown(open_page))
    fakes.write_run(root, "b", dataset="moons", optimizer="noisy_kfac", evaluated=True)
    assert "map-mutual_information" in drawn(shown(open_page, "b"))


def test_a_damaged_map_costs_that_map_only(open_page, root):
    run = fakes.write_run(root, "a", dataset="moons", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    content["map"]["mutual_information"] = None
    run.evaluation.write_text(json.dumps(content))
    app = shown(open_page)
    assert not app.exception
    assert "The map Mutual information cannot be shown" in errors(app)
    assert drawn(app) == {"map-decision", "map-entropy"}
