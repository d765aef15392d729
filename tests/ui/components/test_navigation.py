"""Tests of `ui/components/navigation.py`."""

from ui.components import navigation


def test_the_empty_state_leads_to_the_launch_page(open_page):
    app = open_page(navigation.RUNS)
    assert "No runs yet" in app.main.markdown[1].value
    (button,) = [item for item in app.button if item.label == "Launch a run"]
    button.click().run()
    assert not app.exception
    assert app.main.markdown[0].value == "## Launch a run"
