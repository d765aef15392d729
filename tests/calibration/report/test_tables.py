"""Tidy tables: one observation a row, and nothing a spreadsheet would run."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from calibration.report.tables import TABLE_NAMES, csv_tables, selective_measures
from tests.calibration.report.examples import bare_report, example_report

REPORT = example_report(2)


def rows(report, name):
    return list(csv.DictReader(io.StringIO(csv_tables(report)[name])))


def test_every_kind_of_number_has_its_file():
    assert set(csv_tables(REPORT)) == set(TABLE_NAMES)


def test_what_there_is_nothing_of_has_no_file():
    names = set(csv_tables(bare_report()))
    assert {"metrics.csv", "bins.csv", "classes.csv"} <= names
    assert not names & {"ood.csv", "shift.csv", "posterior.csv", "conformal.csv"}


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_every_row_fills_the_same_columns(name):
    text = csv_tables(REPORT)[name]
    lines = list(csv.reader(io.StringIO(text)))
    assert len({len(line) for line in lines}) == 1
    assert len(lines) > 1


def test_numbers_are_those_of_the_report():
    found = {
        (row["model"], row["measure"]): row
        for row in rows(REPORT, "metrics.csv")
        if row["section"] == "predictive"
    }
    for model in REPORT.models:
        for name, estimate in model.metrics.items():
            row = found[model.name, name]
            assert float(row["value"]) == estimate
            assert float(row["low"]) == estimate.low
            assert int(row["count"]) == estimate.count
            assert row["method"] == estimate.method


# Columns that hold names; all others hold numbers or nothing.
NAMES = {
    "model", "section", "measure", "method", "diagram", "of", "name", "set", "sets",
    "distance", "score", "group", "kind", "label_name", "prediction_name", "first",
    "second", "family", "recalibration", "conformal",
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_every_cell_of_a_column_of_numbers_is_one(name):
    for row in rows(REPORT, name):
        for column in set(row) - NAMES:
            assert row[column] == "" or np.isfinite(float(row[column])), column


def test_rows_say_which_method_they_are_of():
    model = REPORT.models[0]
    found = {row["recalibration"] for row in rows(REPORT, "recalibration.csv")}
    assert found == {"none", *(each.name for each in model.recalibration.methods)}
    found = {row["conformal"] for row in rows(REPORT, "conformal.csv")}
    assert found == {each.method for each in model.conformal.rows}


def test_bins_of_all_diagrams_are_told_apart():
    model = REPORT.models[0]
    found = [
        row
        for row in rows(REPORT, "bins.csv")
        if row["model"] == model.name and row["diagram"] == "equal_mass"
    ]
    assert [int(row["count"]) for row in found] == [
        each.count for each in model.reliability.equal_mass
    ]


def test_selective_measures_say_their_level():
    measures = selective_measures(REPORT.models[0])
    assert "excess_aurc" in measures
    assert any(name.startswith("coverage_at_risk_") for name in measures)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_a_name_that_a_spreadsheet_would_run_is_text(name):
    model = replace(REPORT.models[0], name=name)
    report = replace(REPORT, models=[model], comparisons=[], seeds=[])
    assert {row["model"] for row in rows(report, "metrics.csv")} == {f"'{name}"}
