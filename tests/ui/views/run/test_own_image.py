"""Tests of `ui/views/run/own_image.py`, on the page that shows it."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from trainers.predictor.process import PredictorError
from ui.components import access, predictions, predictor
from ui.views.run import own_image
from ui.views.run.distribution import Belief
from ui.views.run.standing import share_below, verdict

INK = np.full((280, 280, 3), 255, np.uint8)
INK[100:180, 60:220] = 0


def address(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def shown(open_page, **query):
    query = {"maps_view": "Your own image"} | query
    return open_page("run", run="a", tab="Uncertainty maps", **query)


@pytest.fixture
def run(root, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: True)
    monkeypatch.setattr(own_image, "drawing", lambda **_: None)
    return fakes.write_run(root, "a", evaluated=True)


@pytest.fixture
def asked(run, monkeypatch):
    questions = []
    samples = predictions.part(run).samples_of([7])

    def predict(run, inputs):
        questions.append(inputs)
        return samples

    monkeypatch.setattr(predictor, "predict", predict)
    monkeypatch.setattr(own_image, "drawing", lambda **_: address(INK))
    return questions


def test_an_empty_sheet_invites_and_asks_nobody(open_page, run):
    app = shown(open_page)
    assert not app.exception
    assert "The network sees 8 x 8 pixels in grey" in text(app)
    assert app.html[0].value.count("<figure") == 10


def test_a_drawing_is_fitted_and_judged(open_page, run, asked):
    app = shown(open_page)
    assert not app.exception
    (inputs,) = asked
    assert inputs.shape == (1, 1, 8, 8)
    part = predictions.part(run)
    belief = Belief.of(part.samples_of([7])[:, 0])
    drawn = charts(app)["own-distribution"]["figure"]["data"]
    assert max(drawn[0]["x"]) == pytest.approx(belief.confidence)
    told = text(app)
    share = share_below(part.total, belief.total)
    assert f"More uncertain than {100 * share:.1f} % of the 360 test images" in told
    found = verdict(
        belief.total, part.total, predictions.part(run, "ood_photo-patches").total
    )
    assert f"{found.threshold:.3f} nats, the threshold that catches 95 %" in told
    assert f"flags {100 * found.false_alarms:.1f} % of the test images" in told


def test_a_drawing_fills_the_frame_unless_told_otherwise(open_page, run, asked):
    app = shown(open_page)
    app.toggle(key="own_centred").set_value(False).run()
    cut, whole = asked
    assert (cut < 128).sum() > (whole < 128).sum()


def test_dark_ink_is_inverted_for_images_that_are_light_on_dark(open_page, run, asked):
    images = np.zeros((360, 8, 8), np.uint8)
    images[:, 2:6, 2:6] = 250
    np.savez(run.images, images=images, rows=np.arange(360))
    app = shown(open_page)
    (inputs,) = asked
    assert inputs[0, 0, 0, 0] == 0
    assert inputs[0, 0, 4, 4] == 255
    app.toggle(key="own_invert_Draw").set_value(False).run()
    np.testing.assert_array_equal(asked[-1], 255 - inputs)


def test_a_colour_network_gets_colours(open_page, run, asked):
    np.savez(run.images, images=np.zeros((3, 8, 6, 3), np.uint8), rows=np.arange(3))
    app = shown(open_page, own_way="Draw")
    assert not app.exception
    assert asked[0].shape == (1, 3, 8, 6)


@pytest.mark.parametrize("given", ["data:image/png;base64,AAAA", "javascript:alert(1)"])
def test_what_is_no_drawing_is_refused(open_page, run, asked, monkeypatch, given):
    monkeypatch.setattr(own_image, "drawing", lambda **_: given)
    app = shown(open_page)
    assert not app.exception
    assert errors(app)
    assert not asked


def test_an_upload_is_asked_for_and_refused_or_judged(open_page, run, asked):
    app = shown(open_page, own_way="Upload")
    (field,) = app.file_uploader
    buffer = io.BytesIO()
    Image.fromarray(INK).save(buffer, "jpeg")
    field.upload("x.jpg", buffer.getvalue(), "image/jpeg").run()
    assert not app.exception
    assert len(asked) == 1
    assert "own-distribution" in charts(app)
    app.file_uploader[0].upload("evil.png", b"<svg/>", "image/png").run()
    assert "no picture of a kind" in errors(app)
    assert len(asked) == 1


def test_only_uploads_on_light_ground_are_inverted_for_light_on_dark(
    open_page, run, asked
):
    images = np.zeros((360, 8, 8), np.uint8)
    images[:, 2:6, 2:6] = 250
    np.savez(run.images, images=images, rows=np.arange(360))
    app = shown(open_page, own_way="Upload")
    assert not [each for each in app.toggle if each.key.startswith("own_invert")]
    for pixels in (255 - INK, INK):  # as the network knows them, and as on paper
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "png")
        app.file_uploader[0].upload("x.png", buffer.getvalue(), "image/png").run()
        assert not app.exception
        assert asked[-1][0, 0, 0, 0] == 0


def test_viewers_see_why_they_cannot(open_page, run, asked, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app = shown(open_page)
    assert "Only editors can try images of their own" in text(app)
    assert not asked


def test_a_network_that_fails_is_told(open_page, run, asked, monkeypatch):
    def failed(*_):
        raise PredictorError("The network's process ended. Its last words:\nKilled")

    monkeypatch.setattr(predictor, "predict", failed)
    app = shown(open_page)
    assert not app.exception
    assert "Its last words" in errors(app)
