"""Tests of `ui/views/runs/export.py`."""

import csv
import io

from tests.ui import fakes
from trainers.annotations import Annotations, write_annotations
from ui.components import reading
from ui.views.runs.columns import catalogue
from ui.views.runs.export import as_csv
from ui.views.runs.table import chosen


def lines(views, wanted=None):
    content = as_csv(views, chosen(catalogue(views), wanted, views))
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_file_has_the_chosen_columns_with_their_numbers(root):
    runs = [fakes.write_run(root, name, evaluated=name == "a") for name in "ab"]
    views, _ = reading.summaries(runs)
    wanted = ["nll", "state", "setting.seed", "accuracy", "curve", "created"]
    first, second = lines(views, wanted)
    assert list(first) == ["run", *wanted]
    assert float(first["nll"]) == views[0].metrics["nll"]
    assert float(first["accuracy"]) == views[0].metrics["accuracy"] <= 1
    assert len(first["curve"].split("; ")) == 5
    assert first["created"].endswith("+00:00")
    assert (first["setting.seed"], second["nll"]) == ("0", "")
    assert (first["run"], second["run"]) == ("a", "b")


def test_texts_are_no_formulas_and_numbers_are_left_alone(root):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text('{"metrics": {"debiased_ece": -0.5}}')
    note = '=HYPERLINK("x"),\nand "more"'
    write_annotations(run, Annotations(tags=("@a", "b"), note=note))
    (line,) = lines([reading.summary(run)], ["debiased_ece", "note", "tags"])
    assert line == {
        "run": "a", "debiased_ece": "-0.5", "note": f"'{note}", "tags": "'@a; b",
    }  # fmt: skip


def test_the_name_of_a_column_is_guarded_too(root):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text('{"metrics": {"=1+1": 2}}')
    (line,) = lines([reading.summary(run)], ["=1+1"])
    assert line == {"run": "a", "'=1+1": "2.0"}


def test_without_runs_there_is_a_head():
    assert (
        as_csv([], chosen(catalogue([]), ["state"], [])) == b"\xef\xbb\xbfrun,state\n"
    )
