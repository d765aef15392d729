"""Tests of `ui/components/plot.py`; what the script does, test_browser.py sees."""

import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.ui.seen import charts, text
from ui.components.plot import install_library


def test_the_library_is_copied_once_and_again_when_it_differs(tmp_path):
    target = install_library(tmp_path / "static")
    assert target.stat().st_size > 1_000_000
    written = target.stat().st_mtime_ns
    assert install_library(tmp_path / "static").stat().st_mtime_ns == written
    target.write_text("damaged")
    assert install_library(tmp_path / "static").stat().st_size > 1_000_000
    assert list((tmp_path / "static").iterdir()) == [target]


def _page() -> None:
    from ui.components.figure import axis, figure, line
    from ui.components.plot import panel

    drawn = figure([line("a", [0, 1], [2.0, 1.0], "@1")], x=axis(), y=axis())
    panel("Loss", drawn, key="loss", alt="Falls.", note="In nats.", revision="run-1")


def test_a_panel_sends_the_figure_its_text_and_its_revision():
    app = AppTest.from_function(_page, default_timeout=30).run()
    assert not app.exception
    sent = charts(app)["loss"]
    assert sent["figure"]["data"][0]["y"] == [2.0, 1.0]
    assert (sent["alt"], sent["revision"]) == ("Falls.", "run-1")
    assert sent["height"] == sent["figure"]["layout"]["height"]
    assert "**Loss**" in text(app)
    assert "In nats." in text(app)


def test_the_library_comes_from_this_server():
    app = AppTest.from_function(_page, default_timeout=30).run()
    assert charts(app)["loss"]["url"].startswith("/app/static/plotly.min.js?v=")
    assert st.get_option("server.enableStaticServing")
