"""Tests of `ui/components/labels.py`."""

from ui.components.labels import LONGEST, label


def test_foreign_names_are_literal_text_for_plotly():
    assert label("<b>owl</b> & co") == "&lt;b&gt;owl&lt;/b&gt; &amp; co"
    assert label("%{x} of all") == "% {x} of all"
    assert label("owl") == "owl"


def test_long_names_are_cut_before_they_are_escaped():
    found = label("x" * 100)
    assert len(found) == LONGEST
    assert found.endswith("…")
    assert label("<" * 9, 3) == "&lt;&lt;…"
