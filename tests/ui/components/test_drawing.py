"""Tests of `ui/components/drawing.py`; what it draws, a browser has to show."""

from streamlit.testing.v1 import AppTest


def test_an_empty_sheet_is_no_picture():
    def script():
        import streamlit as st

        from ui.components.drawing import drawing

        st.write(drawing(key="mine", label="Sheet.", colored=True))

    app = AppTest.from_function(script).run()
    assert not app.exception
    (mounted,) = app.get("bidi_component")
    assert '"colored": true' in mounted.proto.json
    assert app.markdown[0].value == "`None`"
