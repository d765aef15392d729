"""Tests of what came of a run, in numbers and sentences."""

from tests.trainers.continual.examples import record, settings
from trainers.continual.findings import columns, final_rows, note, verdict
from trainers.continual.record import Record


def test_rows_are_those_of_each_methods_last_task():
    rows = final_rows(record())
    assert all(len(row) == len(columns(record())) for row in rows)
    # Of joint training's average after as many tasks: (1 + 0.9 + 1) / 3 after three.
    assert rows == [
        ("VOGN", "80.0 %", "82.8 %", "90.0 %", "15.0 points", "6"),
        ("EWC", "70.0 %", "77.8 %", "85.0 %", "30.0 points", "4"),
        ("Joint training", "96.7 %", "100.0 %", "93.3 %", "-5.0 points", "6"),
    ]


def test_the_first_task_has_nothing_to_forget():
    grown = Record(settings=settings()).and_then("vogn", [0.5], 1.0)
    assert final_rows(grown) == [("VOGN", "50.0 %", "", "50.0 %", "", "1")]


def test_the_verdict_compares_after_as_many_tasks():
    assert verdict(record()) == (
        "After 3 tasks VOGN is right on 80.0 % of their images: 82.8 % of what joint "
        "training on all tasks reaches."
    )
    both = record().and_then("ewc", [0.5, 0.7, 0.9], 1.0)
    assert "80.0 % of their images: 10.0 points more than EWC and 82.8 %" in verdict(
        both
    )
    better = record().and_then("ewc", [0.9, 0.9, 0.9], 1.0)
    assert "10.0 points fewer than EWC" in verdict(better)


def test_without_vogn_there_is_no_verdict():
    assert verdict(Record(settings=settings(methods=("ewc",)))) == ""
    alone = Record(settings=settings(methods=("vogn",)))
    assert verdict(alone.and_then("vogn", [0.5], 1.0)) == (
        "After 1 task VOGN is right on 50.0 % of their images."
    )


def test_without_joint_training_nothing_is_said_of_it():
    alone = Record(settings=settings(methods=("vogn",))).and_then("vogn", [0.5], 1.0)
    assert final_rows(alone) == [("VOGN", "50.0 %", "50.0 %", "", "1")]
    assert columns(alone) == (
        "Method", "Average accuracy", "Just learned", "Forgotten", "Seconds",
    )  # fmt: skip
    assert "Joint training" not in note(alone)
    assert "Joint training" in note(record())
