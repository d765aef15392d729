"""Tests of the figures of tasks learned one after another."""

import pytest

from tests.trainers.continual.examples import record, settings
from trainers.continual.record import Course, Record
from ui.views.run.task_figures import (
    MOST_WRITTEN,
    average_alt,
    average_figure,
    triangle_alt,
    triangle_figure,
)


def test_lines_are_averages_and_joint_training_is_dashed():
    lines = {trace["name"]: trace for trace in average_figure(record())["data"]}
    assert lines["EWC"]["y"] == pytest.approx([0.9, 0.7])
    assert lines["EWC"]["x"] == [1, 2]
    assert [trace["line"]["dash"] for trace in lines.values()] == [
        "solid", "solid", "dash",
    ]  # fmt: skip
    assert len({trace["line"]["color"] for trace in lines.values()}) == 3
    assert average_alt(record()) == (
        "Average accuracy after each task: VOGN 80.0 % after task 3, EWC 70.0 % after "
        "task 2, Joint training 96.7 % after task 3."
    )


def test_a_method_keeps_its_colour_without_the_others():
    alone = Record(settings=settings(methods=("adamw",))).and_then("adamw", [0.5], 1.0)
    (line,) = average_figure(alone)["data"]
    assert line["line"]["color"] == "@3"


def test_the_map_has_one_scale_for_all_methods():
    found = {n: triangle_figure(record(), n)["data"][0] for n in ("vogn", "ewc")}
    assert found["vogn"]["zmin"] == found["ewc"]["zmin"] == 0.6
    assert found["vogn"]["zmax"] == found["ewc"]["zmax"] == pytest.approx(1.4)
    assert found["vogn"]["text"][1] == ["80.0 %", "90.0 %", ""]


def test_many_tasks_are_drawn_without_numbers():
    grown = Record(settings=settings(tasks=20, methods=("vogn",)))
    for task in range(MOST_WRITTEN + 1):
        grown = grown.and_then("vogn", [0.5] * (task + 1), 1.0)
    assert "texttemplate" not in triangle_figure(grown, "vogn")["data"][0]


def test_the_sentence_of_the_map_tells_of_the_first_task():
    courses = record().courses
    assert triangle_alt(courses["vogn"], "vogn") == (
        "VOGN: the first task falls from 90.0 % right after it to 70.0 % after task 3; "
        "15.0 points a task."
    )
    assert "is at 90.0 % right after it and at 100.0 %" in triangle_alt(
        courses["joint"], "joint"
    )
    once = Course(accuracy=((0.5,),), seconds=(1.0,))
    assert triangle_alt(once, "vogn").endswith("50.0 % after task 1.")
