"""Tests of `ui/views/run/gallery.py`."""

import re
from dataclasses import replace

import numpy as np

from calibration import predictive
from tests.ui import fakes
from ui.components import predictions
from ui.components.images import kept
from ui.views.run.distribution import spread
from ui.views.run.gallery import Card, cards_of, gallery_html

NAMES = ["cat", "dog", "<script>owl</script>", "fox"]
IMAGE = np.arange(16, dtype=np.uint8).reshape(4, 4)
CARD = Card(
    row=17, image=IMAGE, mean=np.array([0.5, 0.3, 0.0, 0.2]),
    low=np.array([0.25, 0.1, 0.0, 0.1]), high=np.array([0.75, 0.5, 0.0, 0.3]),
    total=1.234, mutual_information=0.1, label=2,
)  # fmt: skip


def test_a_wrong_prediction_is_marked_with_the_truth():
    shown = gallery_html([CARD], NAMES)
    assert '<span class="wrong">✗</span> is &lt;script&gt;owl' in shown
    assert "<script" not in shown
    assert "entropy 1.234 nats, mutual information 0.100 nats" in shown
    assert "predicted cat at 50.0 % (25.0 % to 75.0 % in 5 to 95 %" in shown
    assert (
        'alt="Test image 17, &lt;script&gt;owl&lt;/script&gt;, predicted cat"' in shown
    )


def test_the_true_class_has_a_bar_even_when_improbable():
    shown = gallery_html([CARD], NAMES)
    assert 'fill wrong" style="width:50.0%"' in shown
    assert 'fill right" style="width:0.0%"' in shown
    assert "width:20.0%" not in shown.replace("left:10.0%;width:20.0%", "")


def test_a_line_spans_the_samples():
    assert 'class="spread" style="left:25.0%;width:50.0%"' in gallery_html(
        [CARD], NAMES
    )
    alone = gallery_html([CARD], NAMES, sampled=False)
    assert "spread" not in alone
    assert "MI" not in alone


def test_a_right_prediction_is_ticked_and_an_alien_is_not_judged():
    right = gallery_html([replace(CARD, label=0)], NAMES)
    assert "✓" in right
    assert "✗" not in right
    alien = gallery_html([replace(CARD, label=None)], NAMES, "Digits image")
    assert not {"✓", "✗"} & set(alien)
    assert 'alt="Digits image 17, predicted cat"' in alien


def test_each_card_is_a_button_that_tells_its_row_and_whether_it_is_chosen():
    shown = gallery_html([CARD, replace(CARD, row=3)], NAMES, chosen=3)
    assert re.findall(r'data-row="(\d+)" aria-pressed="(\w+)"', shown) == [
        ("17", "false"), ("3", "true"),
    ]  # fmt: skip


def test_an_image_that_was_not_kept_is_said():
    shown = gallery_html([replace(CARD, image=None)], NAMES)
    assert "<img" not in shown
    assert "no image kept" in shown


def test_names_cannot_break_out_of_an_attribute():
    evil = ['" onmouseover="alert(1)', "'><img src=x onerror=alert(1)>", "a", "b"]
    shown = gallery_html([CARD], evil, evil[1])
    assert shown.count("<img") == 1
    assert 'onmouseover="' not in shown


def test_cards_have_the_numbers_of_the_predictions(root):
    run = fakes.write_run(root, "a", evaluated=True)
    rows = np.array([7, 3])
    cards = cards_of(predictions.part(run), rows, kept(run))
    with np.load(run.predictions) as arrays, np.load(run.images) as images:
        samples, labels = arrays["probabilities"], arrays["labels"]
        pictures = images["images"]
    low, high = spread(samples)
    for card, row in zip(cards, rows, strict=True):
        np.testing.assert_allclose(card.mean, predictive(samples)[row], rtol=1e-6)
        np.testing.assert_allclose(card.low, low[row])
        np.testing.assert_allclose(card.high, high[row])
        np.testing.assert_array_equal(card.image, pictures[row])
        assert (card.row, card.label) == (row, labels[row])
    (out,) = cards_of(predictions.part(run, "ood_photo-patches"), rows[:1], None)
    assert (out.label, out.image) == (None, None)
