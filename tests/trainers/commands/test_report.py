"""Tests of reports from the command line."""

import json

import pytest

from tests.trainers.examples import run_of
from trainers.session import train_run


@pytest.fixture
def runs(tmp_path):
    made = []
    for name in ("vogn", "adamw"):
        run = run_of(tmp_path / "runs" / name, optimizer=name)
        assert train_run(run, show_bar=False).state == "finished"
        made.append(run)
    return made


def test_one_run_has_its_report_in_its_folder(runs, say):
    code, lines, _ = say("report", "vogn", "--no-pdf")
    folder = runs[0].path / "report"
    assert code == 0
    assert lines[-1] == str(folder)
    assert str(folder / "report.html") in lines
    assert json.loads((folder / "report.json").read_text())["schema"] == 1


def test_several_runs_stand_side_by_side(runs, say, tmp_path):
    folder = tmp_path / "both"
    words = ("report", "vogn", "adamw", "--no-pdf", "--output", str(folder))
    assert say(*words, "--title", "Two", "--bins", "10")[0] == 0
    content = json.loads((folder / "report.json").read_text())
    assert [model["name"] for model in content["models"]] == ["VOGN", "AdamW"]
    assert (content["title"], content["num_bins"]) == ("Two", 10)
    (pair,) = content["comparisons"]
    assert (pair["first"], pair["second"]) == ("VOGN", "AdamW")


def test_mistakes_are_told(runs, say, tmp_path):
    run_of(tmp_path / "runs" / "new")
    for words, told in (
        (("none",), "There is no run 'none'"),
        (("new",), "status.json does not exist"),
        (("vogn", "--bins", "0"), "num_bins must be"),
        (("vogn", "--near", "svhn"), "svhn"),
    ):
        code, _, (error,) = say("report", *words, "--no-pdf")
        assert code == 2
        assert told in error
    assert not (runs[0].path / "report").exists()
