"""Tests of `ui/components/key.py`; the page Compare's tests have more."""

from ui.components.key import Mark, key_html

LIGHT = [f"#00000{k}" for k in range(8)]
DARK = [f"#fffff{k}" for k in range(8)]


def test_a_mark_is_its_line_its_dot_and_its_name():
    marks = [
        Mark(name="<b>", color="@2", dash="dash", symbol="square", note="3 & more"),
        Mark(name="level", color="@8", dash="solid"),
    ]
    shown = key_html(marks, LIGHT, DARK)
    assert shown.count("<li") == 2
    assert "&lt;b&gt;" in shown
    assert "(3 &amp; more)" in shown
    assert "light-dark(#000001,#fffff1) 0px 8px,transparent 8px 12px" in shown
    assert "light-dark(#000007,#fffff7)" in shown
    assert shown.count("■") == 1
