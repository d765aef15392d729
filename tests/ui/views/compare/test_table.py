"""Tests of `ui/views/compare/table.py`."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from tests.ui.views.compare.examples import OOD, entries_of, run_of
from trainers.runs import read_json
from ui.views.compare import table
from ui.views.compare.differences import against
from ui.views.compare.table import Number


def by_key(entries):
    return {row.key: row for row in table.rows(entries)}


def test_a_family_has_the_mean_and_deviation_of_numpy(two_families):
    runs = two_families["vogn"]
    found = by_key(entries_of(*runs, *two_families["adamw"]))
    for name in ("nll", "accuracy", "ece", "mutual_information"):
        numbers = [read_json(run.evaluation)["metrics"][name] for run in runs]
        first = found[name, ""].numbers[0]
        assert first.value == pytest.approx(np.mean(numbers))
        assert first.deviation == pytest.approx(np.std(numbers, ddof=1))
        assert first.seeds == 3
    areas = [read_json(run.evaluation)["ood"][OOD]["auroc"] for run in runs]
    assert found["auroc", OOD].numbers[0].value == pytest.approx(np.mean(areas))


def test_a_run_has_its_interval_over_examples(root):
    run = run_of(root, "a")
    (number,) = by_key(entries_of(run))["nll", ""].numbers
    content = read_json(run.evaluation)
    assert number.value == content["metrics"]["nll"]
    assert [number.low, number.high] == content["intervals"]["nll"]
    assert (number.deviation, number.seeds) == (None, 0)


def test_the_best_is_marked_by_the_direction_of_the_measure(root):
    sharp, blunt = run_of(root, "a"), run_of(root, "b", sharp=1.0, optimizer="sgd")
    found = by_key(entries_of(sharp, blunt))
    assert found["accuracy", ""].best == 0
    assert found["nll", ""].best == 0
    assert found["predictive_entropy", ""].best is None  # neither way is better
    swapped = by_key(entries_of(blunt, sharp))
    assert swapped["nll", ""].best == 1


def test_nothing_is_best_of_other_data(root):
    runs = run_of(root, "a"), run_of(root, "b", dataset="mnist", optimizer="sgd")
    assert all(row.best is None for row in table.rows(entries_of(*runs)))


def test_headlines_come_first_and_sets_last(root):
    rows = table.rows(entries_of(run_of(root, "a")))
    keys = [row.key for row in rows]
    assert keys[:4] == [(name, "") for name in table.FIRST]
    assert keys[-1][1] == OOD
    told = [row.key[0] for row in table.headline(rows)]
    assert told == [*table.FIRST, "aurc", "auroc", "fpr95"]


def test_cells_say_what_a_number_rests_on():
    one = Number(value=0.25, low=0.2, high=0.3, deviation=None, seeds=0)
    text = table.cell("nll", one, best=True, of=1).replace("\u00a0", " ")
    assert text == "**0.2500** :small[(0.2000 to 0.3000)]"
    mean = Number(value=0.9, low=0.8, high=1.0, deviation=0.01, seeds=3)
    assert (
        table.cell("accuracy", mean, best=False, of=3) == "90.0\u00a0±\u00a01.0\u00a0%"
    )
    assert table.cell("accuracy", mean, best=False, of=4).endswith(":small[(n = 3)]")
    bare = Number(value=0.5, low=None, high=None, deviation=None, seeds=0)
    assert table.cell("nll", bare, best=False, of=1) == "0.5000"
    assert table.cell("nll", None, best=False, of=1) == "\\-"


def test_titles_say_which_way_is_better():
    assert table.title(("nll", "")) == "NLL\u00a0↓"
    assert table.title(("accuracy", "")) == "Accuracy\u00a0↑"
    assert table.title(("auroc", "<b>")) == "AUROC, \\<b\\>\u00a0↑"
    assert table.title(("sharpness", "")) == "Sharpness"


def read(content):
    assert content.startswith(b"\xef\xbb\xbf")  # or Excel takes it for Latin-1
    return csv.DictReader(io.StringIO(content.decode("utf-8-sig")))


def test_csv_has_all_numbers_and_runs_no_formulas(two_families):
    entries = entries_of(*two_families["vogn"], *two_families["adamw"])
    entries = [replace(entries[0], name="=1+1"), entries[1]]
    rows = table.rows(entries)
    lines = list(read(table.metrics_csv(entries, rows)))
    (line,) = (r for r in lines if r["entry"] == "'=1+1" and r["measure"] == "nll")
    number = next(row for row in rows if row.key == ("nll", "")).numbers[0]
    assert float(line["value"]) == number.value
    assert float(line["deviation"]) == number.deviation
    assert (line["seeds"], line["interval"]) == ("3", "over seeds")
    found, _ = against(entries[0], entries[1:])
    (first, *_) = read(table.differences_csv(entries[0], found))
    assert float(first["difference"]) == float(found[0].difference)
    assert first["verdict"] == found[0].verdict
