"""Tests of `ui/components/labels.py`."""

from tests.ui.fakes import config
from ui.components.labels import LONGEST, data_title, label, run_title


def test_foreign_names_are_literal_text_for_plotly():
    assert label("<b>owl</b> & co") == "&lt;b&gt;owl&lt;/b&gt; &amp; co"
    assert label("%{x} of all") == "% {x} of all"
    assert label("owl") == "owl"


def test_long_names_are_cut_before_they_are_escaped():
    found = label("x" * 100)
    assert len(found) == LONGEST
    assert found.endswith("…")
    assert label("<" * 9, 3) == "&lt;&lt;…"


def test_datasets_and_runs_are_named_for_people():
    assert data_title("fashion-mnist") == "Fashion-MNIST"
    assert data_title("<b>mine</b>") == "<b>mine</b>"
    title = run_title(config("fashion-mnist", "lenet5", "adamw"))
    assert title == "AdamW on Fashion-MNIST"
