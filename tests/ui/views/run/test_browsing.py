"""Tests of `ui/views/run/browsing.py`, on the page that shows it."""

import json
import re

import numpy as np
import pytest

from calibration import select_examples
from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from ui.components import predictions
from ui.views.run.browsing import PAGE, set_title, shown_sets

PATCHES = "ood_photo-patches"


def shown(open_page, **query):
    return open_page("run", run="a", tab="Uncertainty maps", **query)


def html_of(app):
    found = app.get("bidi_component")
    (mounted,) = [x for x in found if x.proto.component_name == "vogn_cards"]
    return json.loads(mounted.proto.json)["html"]


def rows_of(app):
    return [int(row) for row in re.findall(r'data-row="(\d+)"', html_of(app))]


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


@pytest.mark.parametrize(
    ("order", "kind"),
    [(None, "least_certain"), ("Highest mutual information", "most_epistemic"),
     ("Confidently wrong", "confidently_wrong"), ("Lowest entropy", "most_certain")],
)  # fmt: skip
def test_the_order_of_the_address_is_that_of_calibration(open_page, run, order, kind):
    app = shown(open_page, **({"maps_order_in": order} if order else {}))
    assert not app.exception
    with np.load(run.predictions) as arrays:
        found = select_examples(arrays["probabilities"], arrays["labels"], PAGE)
    assert rows_of(app) == found[kind].tolist()


def test_filters_of_the_address_are_obeyed_and_bad_ones_ignored(open_page, run):
    part = predictions.part(run)
    app = shown(open_page, maps_true="3 3", maps_wrong="true")
    expected = np.flatnonzero((part.labels == 3) & ~part.correct)
    assert sorted(rows_of(app)) == expected.tolist()[:PAGE]
    assert f"{len(expected)} of 360 examples (N)" in text(app)
    app = shown(open_page, maps_true="<script>", maps_page="999", maps_order_in="x")
    assert not app.exception
    assert len(rows_of(app)) == PAGE


def test_pages_follow_one_another(open_page, run):
    first, second = (rows_of(shown(open_page, maps_page=p)) for p in "12")
    part = predictions.part(run)
    order = np.argsort(-part.total, kind="stable")
    assert first + second == order[: 2 * PAGE].tolist()


def test_a_set_out_of_distribution_has_no_truth(open_page, run):
    assert shown_sets(run) == ["", PATCHES]
    app = shown(open_page, maps_set=set_title(PATCHES))
    assert "500 of 500 examples (N)" in text(app)
    assert "Confidently wrong" not in app.selectbox[0].options
    assert not {"✓", "✗"} & set(html_of(app))


def test_an_image_of_the_address_is_shown_in_full(open_page, run):
    app = shown(open_page, maps_image="7")
    assert not app.exception
    part = predictions.part(run)
    drawn = charts(app)["detail-distribution"]["figure"]["data"]
    assert max(drawn[0]["x"]) == pytest.approx(float(part.mean[7].max()), rel=1e-5)
    numbers = {metric.label: metric.value for metric in app.metric}
    assert numbers["Total entropy"] == f"{part.total[7]:.3f} nats"
    assert numbers["Aleatoric"] == f"{part.expected[7]:.3f} nats"
    assert numbers["Epistemic"] == f"{part.mutual_information[7]:.3f} nats"


@pytest.mark.parametrize("row", ["-1", "360", "1.5", "<b>", "٣", "9" * 40])
def test_an_image_that_is_not_there_is_told(open_page, run, row):
    app = shown(open_page, maps_image=row)
    assert not app.exception
    assert "There is no image" in errors(app)
    assert len(rows_of(app)) == PAGE


def test_a_faultless_run_has_no_wrong_images_to_show(open_page, run):
    with np.load(run.predictions) as arrays:
        kept = {**arrays}
    kept["labels"] = kept["probabilities"].mean(0).argmax(-1)
    np.savez(run.predictions, **kept)
    app = shown(open_page, maps_order_in="Confidently wrong")
    assert "Not one test image was misclassified." in text(app)


def test_filters_that_nothing_passes_say_so(open_page, run):
    with np.load(run.predictions) as arrays:
        kept = {**arrays}
    kept["labels"] = np.zeros_like(kept["labels"])
    np.savez(run.predictions, **kept)
    app = shown(open_page, maps_true="3 3")
    assert "No image passes these filters." in text(app)


def test_of_some_images_only_those_that_were_kept_are_shown(open_page, run):
    images = np.zeros((4, 8, 8), np.uint8)
    np.savez(run.images, images=images, rows=np.array([2, 30, 100, 359]))
    app = shown(open_page)
    assert sorted(rows_of(app)) == [2, 30, 100, 359]
    assert "of 4 of which images were kept" in text(app)


def test_one_set_of_weights_has_no_spread(open_page, root):
    fakes.write_run(root, "a", optimizer="sgd", evaluated=True)
    app = shown(open_page)
    assert "One set of weights (S = 1)" in text(app)
    assert 'class="spread"' not in html_of(app)


def test_class_names_are_text(open_page, run):
    content = json.loads(run.evaluation.read_text())
    content["class_names"] = [f"<script>{k}</script>" for k in range(10)]
    run.evaluation.write_text(json.dumps(content))
    app = shown(open_page)
    assert not app.exception
    assert "<script" not in html_of(app)
