"""Tests of `ui/views/launch/presets.py`."""

import pytest

from tests.ui.seen import errors, text
from trainers import jobs
from trainers.presets import PRESETS
from trainers.runs import load_config
from trainers.studies import STUDIES
from ui.views.launch.presets import plan_values


def test_a_race_fills_the_fields_of_several_runs():
    assert plan_values(PRESETS["fashion-seeds"]) == {
        "kind": "race", "race": ["vogn", "adamw"], "seeds": "0, 1, 2",
    }  # fmt: skip
    assert plan_values(PRESETS["first-look"]) == {"kind": "one"}
    assert plan_values(None) == {"kind": "one"}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_queues_what_it_says(open_page, preset):
    app = open_page("launch", preset=preset.name)
    assert not app.exception
    assert errors(app) == ""
    assert preset.title in text(app)
    app.button(key="launch").click().run()
    assert not app.exception
    found = [load_config(run) for run in jobs.engine().queue()]
    if preset.study:
        study = STUDIES[preset.study]
        assert len(found) == len(study.values) * len(study.seeds)
    else:
        assert len(found) == max(1, len(preset.race)) * max(1, len(preset.seeds))
    assert preset.config in found


def test_a_preset_is_chosen_from_the_list_and_stands_in_the_address(open_page):
    app = open_page("launch")
    app.button(key="preset-moons-map").click().run()
    assert app.query_params["preset"] == "moons-map"
    assert app.selectbox(key="dataset").value == "moons"
    app.number_input(key="epochs-moons").set_value(3).run()
    app.button(key="preset-moons-map").click().run()
    assert app.number_input(key="epochs-moons").value == 60
    app.button(key="preset-moons-race").click().run()
    assert app.segmented_control(key="kind").value == "race"
    app.button(key="defaults").click().run()
    assert "preset" not in app.query_params
    assert app.segmented_control(key="kind").value == "one"
    assert app.selectbox(key="dataset").value == "digits"


def test_an_unknown_preset_is_told(open_page):
    app = open_page("launch", preset="<b>")
    assert "There is no preset '<b>'" in text(app)
    assert app.selectbox(key="dataset").value == "digits"
