"""Tests of `ui/views/run/detail.py`, on the page that shows it."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from trainers.predictor.occlusion import MAPS
from trainers.predictor.process import RefusedError
from trainers.predictor.protocol import Message
from ui.components import access, predictions, predictor
from ui.views.run.detail import picture_html


def shown(open_page, **query):
    query = {"maps_image": "7", "maps_occlusion": "true"} | query
    return open_page("run", run="a", tab="Uncertainty maps", **query)


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


@pytest.fixture
def asked(run, monkeypatch):
    """What a network was asked, which covers no process."""
    questions = []

    def occlude(run, image, patch, stride):
        questions.append((image, patch, stride))
        maps = {name: np.full(image.shape[1:], 0.125) for name in MAPS}
        maps |= {f"{name}_before": np.array(0.5) for name in MAPS}
        maps["prediction"] = np.array(3.0)
        return Message({"ok": True, "num_samples": 8}, maps)

    monkeypatch.setattr(access, "may_edit", lambda: True)
    monkeypatch.setattr(predictor, "occlude", occlude)
    part = predictions.part(run)
    monkeypatch.setattr(predictor, "predict", lambda *_: part.samples_of([7]))
    return questions


def test_the_picture_keeps_every_pixel_and_its_words_are_escaped():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    shown = picture_html(image, '"><script>')
    assert "<script" not in shown
    data = base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), image)


def test_the_occlusion_map_of_the_image_is_asked_for_and_shown(open_page, run, asked):
    app = shown(open_page)
    assert not app.exception
    ((image, patch, stride),) = asked
    with np.load(run.images) as images:
        np.testing.assert_array_equal(image, images["images"][7][None])
    assert 1 <= stride <= patch <= 8
    drawn = charts(app)["maps-occlusion"]
    np.testing.assert_allclose(drawn["figure"]["data"][0]["z"], 12.5)
    assert "by 12.5 points from 50.0 %" in drawn["alt"]
    assert "By the first 8 weight samples" in text(app)


def test_the_square_and_the_measure_are_in_the_address(open_page, run, asked):
    app = shown(open_page, maps_patch="3", maps_measure="Entropy")
    assert [patch for _, patch, _ in asked] == [3]
    assert "raises the entropy most" in charts(app)["maps-occlusion"]["alt"]
    shown(open_page, maps_patch="7000")
    assert all(patch <= 8 for _, patch, _ in asked)


def test_viewers_see_why_there_is_no_map(open_page, run, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    monkeypatch.setattr(predictor, "predict", lambda *_: pytest.fail("it was asked"))
    app = shown(open_page)
    assert not app.exception
    assert "only editors may start" in text(app)
    assert "detail-distribution" in charts(app)


def test_a_network_that_does_not_answer_is_told(open_page, run, asked, monkeypatch):
    def refused(*_):
        raise RefusedError("no <b>data</b>")

    monkeypatch.setattr(predictor, "occlude", refused)
    app = shown(open_page)
    assert not app.exception
    assert "no <b>data</b>" in errors(app)
    assert r"\<b\>data" in app.error[0].value
