"""Tests of continual.png and continual.html."""

import html
import re

from PIL import Image

from tests.trainers.continual.examples import record, settings
from trainers.continual.pictures import draw, page, subtitle, write_pictures
from trainers.continual.record import Record
from trainers.runs import Run


def plain(text):
    """Without what keeps words on one line."""
    return re.sub(r"[\u00a0\u202f\u2060]", " ", html.unescape(text))


def test_both_files_are_written_and_nothing_else(tmp_path):
    write_pictures(Run(tmp_path), record())
    assert {p.name for p in tmp_path.iterdir()} == {"continual.png", "continual.html"}
    with Image.open(tmp_path / "continual.png") as image:
        image.verify()
        assert image.format == "PNG"


def test_the_picture_has_lines_and_a_map_a_method():
    lines, *maps = draw(record()).axes
    drawn = {line.get_label() for line in lines.get_legend().get_lines()}
    assert drawn == {"VOGN", "EWC", "Joint training"}
    assert [axes.get_title(loc="left") for axes in maps] == [
        "VOGN", "EWC", "Joint training",
    ]  # fmt: skip
    vogn = maps[0].images[0].get_array()
    assert vogn.shape == (3, 3)
    assert float(vogn[2, 0]) == 0.7
    assert [text.get_text() for text in maps[0].texts][:3] == ["90", "80", "90"]


def test_the_page_tells_numbers_and_stands_alone():
    text = plain(page(record()))
    assert "VOGN is right on 80.0 % of their images" in text
    assert "after task 3" in text
    assert subtitle(record()) in text
    assert not re.search(r'(src|href)="https?:', text.split("<script")[0])


def test_the_subtitle_tells_what_was_learned():
    told = subtitle(Record(settings=settings(validate=True, num_train=0), num_test=9))
    assert told == (
        "Digits (8x8) with permuted pixels, 2 tasks of all training images, 1 epoch "
        "each; MLP 8; accuracy on 9 held-out images; seed 0."
    )


def test_one_method_alone_can_be_drawn():
    alone = Record(settings=settings(methods=("vogn",))).and_then("vogn", [0.5], 1.0)
    assert len(draw(alone).axes) == 2
    assert "50.0 %" in plain(page(alone))
