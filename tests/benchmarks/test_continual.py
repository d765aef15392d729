"""benchmarks/continual.py."""

import json

import pytest

from benchmarks import continual
from tests.trainers.continual.examples import record, settings
from trainers.continual import session


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(continual, "QUICK", settings())
    monkeypatch.setattr(session, "write_pictures", lambda *_: None)


def test_rows_are_those_of_a_record():
    whole = record().and_then("ewc", [0.5, 0.6, 0.7], 2.0)
    rows = {row["method"]: row for row in continual.rows_of(whole)}
    vogn = rows["vogn"]
    assert (vogn["dataset"], vogn["seed"], vogn["tasks"]) == ("digits", 0, 3)
    assert vogn["average_accuracy"] == pytest.approx(0.8)
    assert vogn["share_of_joint"] == pytest.approx(0.8 / (2.9 / 3))
    assert vogn["just_learned"] == pytest.approx(0.9)
    assert vogn["forgetting"] == pytest.approx(0.15)
    assert vogn["seconds"] == pytest.approx(6.0)
    assert rows["joint"]["share_of_joint"] == 1


def test_a_quick_run_prints_a_table_and_writes_its_rows(short, capsys, tmp_path):
    path = tmp_path / "rows.json"
    words = ["--quick", "--only", "vogn", "--dataset", "digits", "--tasks", "2"]
    continual.main([*words, "--json", str(path), "--seeds", "0", "1"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("vogn-app")
    assert printed[2] == (
        "digits, 2 tasks, 120 training images, 1 epochs a task, seed 0"
    )
    assert printed[3].split() == ["method", *continual.COLUMNS]
    rows = json.loads(path.read_text())
    assert [row["seed"] for row in rows] == [0, 1]
    name, average, share, *_ = printed[4].split()
    assert (name, average) == ("vogn", f"{rows[0]['average_accuracy']:.4f}")
    assert share == "-"


def test_a_run_that_fails_is_told(short):
    with pytest.raises(SystemExit, match="failed: num_train must be <="):
        continual.measured(settings(num_train=9999))
