"""Tests of `ui/views/compare/against.py`."""

import pytest

from tests.ui.components.test_against import study, write  # noqa: F401 - a fixture
from tests.ui.seen import charts, text

TAB = {"runs": "group:mine", "by": "seeds", "compare": "Against a setting"}


def curve(app, measure):
    data = charts(app)[f"compare-against-{measure}"]["figure"]["data"]
    return next(trace for trace in data if trace.get("name") == "VOGN")


def test_a_study_is_drawn_against_its_setting(study, open_page):  # noqa: F811
    app = open_page("compare", **TAB)
    assert not app.exception
    assert app.selectbox(key="against_setting").value == "temperature"
    assert curve(app, "nll")["x"] == [0.1, 1.0]
    expected = [0.41 + 0.0001, 0.5 + 0.001]
    assert curve(app, "nll")["y"] == pytest.approx(expected)
    assert "Do predictions get better below temperature 1" in text(app)
    assert "better beyond the spread of 3 seeds" in text(app)
    alt = charts(app)["compare-against-nll"]["alt"]
    assert alt.startswith(
        "Negative log-likelihood against Temperature: VOGN from 0.4101"
    )


def test_numbers_at_the_mean_stand_in_the_address(study, open_page):  # noqa: F811
    app = open_page("compare", **TAB, against_mean="true")
    data = charts(app)["compare-against-nll"]["figure"]["data"]
    (at_mean,) = [each for each in data if each.get("name") == "VOGN at the mean"]
    assert at_mean["y"] == [0.9, 0.9]


def test_the_setting_is_chosen_and_stands_in_the_address(study, root, open_page):  # noqa: F811
    write(root, "other", 0, temperature=0.1, lr=0.7)
    app = open_page("compare", **TAB, against="temperature")
    assert app.selectbox(key="against_setting").options == [
        "Learning rate",
        "Temperature",
    ]
    assert app.selectbox(key="against_setting").value == "temperature"
    app.selectbox(key="against_setting").set_value("lr").run()
    assert not app.exception
    assert app.query_params["against"] == "lr"
    assert app.selectbox(key="against_setting").value == "lr"
    wrong = open_page("compare", **TAB, against="<script>")
    assert not wrong.exception
    assert wrong.selectbox(key="against_setting").value == "lr"


def test_runs_that_differ_in_no_number_are_told_so(root, open_page):
    for seed in (0, 1):
        write(root, f"a-{seed}", seed)
    app = open_page("compare", **TAB)
    assert "No optimizer here was evaluated with two values" in text(app)
    assert not charts(app)


def test_the_key_of_the_page_is_left_to_the_other_tabs(study, open_page):  # noqa: F811
    def marks(tab):
        app = open_page("compare", runs="group:mine", compare=tab)
        return str([each.proto for each in app.get("html")])

    assert "0.1, seed 0" in marks("Settings")
    assert "0.1, seed 0" not in marks("Against a setting")
