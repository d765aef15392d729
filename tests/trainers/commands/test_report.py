"""Tests of reports from the command line."""

import argparse
import json
import signal
import subprocess
import sys

import pytest

from calibration.__main__ import build_parser
from tests.trainers.examples import run_of
from trainers.commands import report
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


def test_both_commands_take_the_same_flags():
    mine, theirs = argparse.ArgumentParser(), build_parser()
    report.add_flags(mine)
    (commands,) = (a for a in theirs._actions if a.dest == "command" or a.choices)
    flags = {
        parser: {
            action.option_strings[0]: (action.nargs, action.type, action.help)
            for action in actions
            if action.option_strings and action.dest not in {"names", "output"}
        }
        for parser, actions in (
            ("mine", mine._actions),
            ("theirs", commands.choices["report"]._actions),
        )
    }
    assert flags["mine"] == flags["theirs"]


SLOW = """
import sys, time
from trainers import __main__ as main
from calibration.report import export
def slow(*_):
    print("at work", flush=True)
    time.sleep(60)
export.render_html = slow
sys.exit(main.main(["report", sys.argv[1], "--no-pdf"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_behind(runs, number):
    command = [sys.executable, "-c", SLOW, "vogn"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        assert process.wait(30) == 130
    assert list((runs[0].path / "report").iterdir()) == []
