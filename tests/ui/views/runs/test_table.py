"""Tests of `ui/views/runs/table.py`."""

import pytest

from tests.ui import fakes
from trainers import jobs
from ui.components import reading
from ui.components.states import LOOKS
from ui.views.runs.table import columns, row, rows, shown


def test_a_finished_run_has_its_numbers(root):
    view = reading.summary(fakes.write_run(root, "a", evaluated=True))
    line = row(view)
    assert line["State"] == ["Finished"]
    assert line["Progress"] == 1.0
    assert 50 < line["Accuracy"] <= 100
    assert line["Priority"] is None


def test_a_queued_run_has_its_place_its_group_and_its_priority(root):
    _, second = jobs.engine().submit([fakes.config()] * 2, group="mine", priority=3)
    line = row(reading.summary(second))
    assert line["State"] == ["Queued #2"]
    assert (line["Group"], line["Priority"]) == ("mine", 3)


@pytest.mark.parametrize("state", ["finished", "stopped", "failed", "lost"])
def test_every_state_has_a_colour(root, state):
    lines = rows([reading.summary(fakes.write_run(root, "a", state=state))])
    config = columns(lines, "open")["State"]["type_config"]
    names = [option["value"] for option in config["options"]]
    assert LOOKS[state].label in names
    assert lines[0]["State"][0] in names


def test_places_in_the_queue_are_drawn_like_queued(root):
    jobs.engine().submit([fakes.config()] * 2)
    views, _ = reading.summaries(jobs.engine().queue())
    options = columns(rows(views), "open")["State"]["type_config"]["options"]
    colors = {option["value"]: option["color"] for option in options}
    assert colors["Queued #2"] == colors["Queued #1"] == colors["Queued"]


def test_columns_without_anything_to_show_are_left_out(root):
    fakes.write_run(root, "a")
    lines = rows([reading.summary(fakes.write_run(root, "b", evaluated=True))])
    names = shown(lines)
    assert "Accuracy" in names
    assert {"Group", "Priority", "Differs in"}.isdisjoint(names)
    assert "Note" in names
    assert "ECE" not in shown(lines, but=["ECE"])
    assert shown([]) == []


def test_runs_of_a_group_are_told_apart(root):
    runs = jobs.engine().submit([fakes.config(seed=1), fakes.config(seed=2)])
    views, _ = reading.summaries(runs)
    assert [line["Differs in"] for line in rows(views, compared=True)] == [
        "seed 1", "seed 2",
    ]  # fmt: skip
    assert {line["Differs in"] for line in rows(views)} == {""}
