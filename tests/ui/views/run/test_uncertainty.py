"""Tests of `ui/views/run/uncertainty.py`, on the page that shows it."""

import json

import numpy as np
import pytest

from tests.ui import fakes
from tests.ui.seen import charts, errors, text

TAB = "Uncertainty maps"


def shown(open_page, **query):
    return open_page("run", run="a", tab=TAB, **query)


def views(app):
    """What can be looked at; the other choices of the tab are further down."""
    (found,) = [each for each in app.button_group if each.key == "maps_view"]
    return list(found.options)


def test_images_have_a_gallery_an_embedding_and_a_sheet(open_page, root):
    fakes.write_run(root, "a", evaluated=True)
    app = shown(open_page)
    assert not app.exception
    assert views(app) == ["Gallery", "Embedding", "Your own image"]
    assert "360 of 360 examples (N)" in text(app)


def test_points_have_maps_and_an_embedding(open_page, root):
    fakes.write_run(root, "a", dataset="moons", evaluated=True)
    app = shown(open_page)
    assert views(app) == ["Maps", "Embedding"]
    assert "map-decision" in charts(app)


def test_the_view_is_in_the_address(open_page, root):
    fakes.write_run(root, "a", evaluated=True)
    assert "embedding-PCA" in charts(shown(open_page, maps_view="Embedding"))
    app = shown(open_page, maps_view="<script>")
    assert not app.exception
    assert "360 of 360 examples (N)" in text(app)


def test_a_run_that_was_not_evaluated_says_so(open_page, root):
    fakes.write_run(root, "a", state="stopped")
    app = shown(open_page)
    assert not app.exception
    assert "Pictures of uncertainty is known of runs that finished" in text(app)


def test_an_old_run_without_images_and_features_says_what_it_lacks(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    run.images.unlink()
    with np.load(run.predictions) as arrays:
        kept = {k: v for k, v in arrays.items() if not k.startswith("features")}
    np.savez(run.predictions, **kept)
    for view, told in (
        ("Gallery", "kept no images"),
        ("Embedding", "kept no features"),
        ("Your own image", "kept no images"),
    ):
        app = shown(open_page, maps_view=view)
        assert not app.exception
        assert not errors(app)
        assert told in text(app)


@pytest.mark.parametrize("name", ["images", "predictions"])
@pytest.mark.parametrize("view", ["Gallery", "Embedding", "Your own image"])
def test_a_damaged_file_costs_the_view_that_needs_it(open_page, root, name, view):
    run = fakes.write_run(root, "a", evaluated=True)
    path = getattr(run, name)
    path.write_bytes(path.read_bytes()[:1000])
    app = shown(open_page, maps_view=view)
    assert not app.exception
    assert f"{name}.npz" in errors(app)
    assert "Accuracy" in [metric.label for metric in app.metric]


def test_a_damaged_map_costs_the_map(open_page, root):
    run = fakes.write_run(root, "a")
    content = fakes.write_evaluation(run, "digits", bayesian=True)
    run.evaluation.write_text(json.dumps(content | {"map": {"x": [1]}}))
    app = shown(open_page)
    assert not app.exception
    assert "cannot be shown, its file is damaged" in errors(app)


@pytest.mark.parametrize("view", ["Gallery", "Embedding"])
def test_classes_without_a_name_have_a_number(open_page, root, view):
    run = fakes.write_run(root, "a", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    run.evaluation.write_text(json.dumps(content | {"class_names": ["zero", "one"]}))
    app = shown(open_page, maps_view=view)
    assert not app.exception
    assert not app.error


def test_a_file_that_was_deleted_is_missing(open_page, root):
    fakes.write_run(root, "a", evaluated=True).predictions.unlink()
    told = errors(shown(open_page, maps_view="Gallery"))
    assert "predictions.npz is missing." in told
    assert "damaged" not in told
