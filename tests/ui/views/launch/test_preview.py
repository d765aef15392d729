"""Tests of `ui/views/launch/preview.py`."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from data.overview import Overview
from tests.data.uploads.archives import arrays, labelled
from tests.ui.seen import charts, errors, text
from ui.views.launch.preview import by_size, colours, counts_figure, samples_html, sizes


def _page(path: str) -> None:
    from ui.views.launch.preview import preview

    preview(path, key="own", notes=["It was *scaled*."])


def page(path):
    app = AppTest.from_function(_page, args=(str(path),), default_timeout=30).run()
    assert not app.exception
    return app


@pytest.fixture
def file(tmp_path):
    """Write a file of three classes with a test part, one with a hostile name."""
    values = labelled(25) | {
        "test_images": np.zeros((3, 6, 5)), "test_labels": [0, 1, 2],
        "class_names": np.array(["a", "<b>*x*", "c" * 50]),
    }  # fmt: skip
    path = tmp_path / "mine.npz"
    path.write_bytes(arrays(**values).getvalue())
    return path


def test_counts_sizes_and_cautions_are_told(file):
    app = page(file)
    told = text(app)
    assert "**28 images** · 3 classes · 5 × 6 pixels · grey" in told  # noqa: RUF001
    assert "3 images are the test part." in told
    assert "It was *scaled*." in told
    assert "Fewer than 20 images in 3 of 3 classes" in told
    chart = charts(app)["own-counts"]
    assert chart["alt"] == (
        "Images of each class: 9 of a, the most, and 8 of <b>*x*, the fewest."
    )
    train, test = chart["figure"]["data"]
    assert (train["x"], test["x"]) == ([9, 8, 8], [1, 1, 1])


def test_what_cannot_be_read_is_told(tmp_path):
    assert "There is no folder" in errors(page(tmp_path / "gone"))
    assert "There is no folder" in errors(page("~nobody-here/pictures"))
    (tmp_path / "bad.npz").write_bytes(b"x")
    assert "must be an .npz file" in errors(page(tmp_path / "bad.npz"))


def test_names_are_shown_as_text():
    found = Overview(class_names=("<b>'s", "n" * 30), counts=(3, 2))
    chart = counts_figure(found, [0, 1])
    names = ["&lt;b&gt;'s", "n" * 17 + "…"]
    assert chart["layout"]["yaxis"]["ticktext"] == names
    assert chart["data"][0]["customdata"] == ["&lt;b&gt;'s", "n" * 27 + "…"]
    shown = samples_html({'<img src="x">': [np.zeros((4, 5), np.uint8)]})
    assert '<img src="x">' not in shown
    assert "&lt;img src=&quot;x&quot;&gt;" in shown
    assert 'alt="An image of class &lt;img' in shown


def test_sizes_and_colours_are_said_in_words():
    found = Overview(
        class_names=("a",), counts=(3,), smallest=(2, 3), median=(4, 5), largest=(9, 8),
        num_sizes=3, num_grey=1, num_opened=3,
    )  # fmt: skip
    assert sizes(found) == "2 × 3 to 9 × 8 pixels, median 4 × 5"  # noqa: RUF001
    assert colours(found) == "grey and colour"


@pytest.mark.parametrize(
    ("counts", "order"), [((5, 9, 7), [1, 2, 0]), ((8, 9, 7), [0, 1, 2])]
)
def test_classes_are_in_their_order_if_they_are_about_alike(counts, order):
    assert by_size(Overview(class_names=("a", "b", "c"), counts=counts)) == order
