"""Tests of which runs a command means."""

import pytest

from tests.trainers.examples import config, run_of
from trainers.commands.choosing import (
    chosen_runs,
    known_runs,
)
from trainers.runs import RunError, find_here
from trainers.status import FINISHED, begin_status, end_status


@pytest.fixture
def runs(still, tmp_path):
    """Two of a group, one alone, one of a terminal that has ended."""
    pair = still.submit([config(), config()], group="pair")
    (alone,) = still.submit([config()], paths=[tmp_path / "elsewhere" / "x"])
    ended = run_of(tmp_path / "runs" / "ended")
    end_status(ended, begin_status(ended), FINISHED)
    return [*pair, alone, ended]


def test_a_folder_here_goes_before_an_id(runs, tmp_path, monkeypatch):
    assert find_here("ended") == runs[3]
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert find_here("x") == runs[2]
    for name in ("y", "", "../nothing"):
        with pytest.raises(RunError, match="There is no run"):
            find_here(name)


def test_queued_runs_and_those_of_the_root_are_known(still, runs):
    known = known_runs(still)
    assert set(known) == set(runs)
    assert known[runs[3]].status.state == FINISHED
    assert [known[run].position for run in runs] == [1, 2, 3, None]


def test_runs_are_chosen_by_name_by_group_or_all(still, runs):
    def chosen(*names, **other):
        return list(chosen_runs(still, list(names), **other))

    assert chosen(str(runs[2].path), runs[0].id) == [runs[2], runs[0]]
    assert chosen(runs[1].id, runs[1].id) == [runs[1]]
    assert chosen(group="pair") == runs[:2]
    assert chosen(runs[1].id, group="pair") == [runs[1], runs[0]]
    assert set(chosen(everything=True)) == set(runs[:3])


def test_what_does_not_exist_is_told(still, runs):
    with pytest.raises(ValueError, match="RUN or --group must be given, got nothing"):
        chosen_runs(still, [])
    for group in ("other", ""):
        with pytest.raises(RunError if group else ValueError, match="group"):
            chosen_runs(still, [], group)
    with pytest.raises(RunError, match="There is no run 'z'"):
        chosen_runs(still, [runs[0].id, "z"])
    runs[3].status.write_text("{")
    with pytest.raises(RunError, match=str(runs[3].status)):
        chosen_runs(still, [runs[0].id, "ended"])


def test_the_queue_is_read_once_for_all_that_are_named(still, runs, monkeypatch):
    reads, queued = [], still.store.queued

    def counted():
        reads.append(1)
        return queued()

    monkeypatch.setattr(still.store, "queued", counted)
    assert list(chosen_runs(still, [run.id for run in runs[:2]])) == runs[:2]
    assert len(reads) == 1
