"""Tests of showing and arranging the queue."""

import json
import os
from dataclasses import replace

import pytest

from tests.trainers.examples import config, run_of, start
from trainers.commands import queue
from trainers.jobs.locks import FileLock
from trainers.status import FINISHED, begin_status, end_status, write_status


@pytest.fixture
def runs(still):
    configs = [config(optimizer=name) for name in ("vogn", "adamw", "sgd")]
    return still.submit(configs, group="race")


def shown(say, *words):
    code, lines, errors = say("queue", *words)
    assert (code, errors) == (0, [])
    return lines


def test_an_empty_queue_is_told(still, say):
    assert shown(say) == ["Nothing is queued and nothing runs."]


def test_a_row_a_run_in_the_order_of_the_queue(still, runs, say, tmp_path):
    here = run_of(tmp_path / "runs" / "terminal", training={"seed": 5})
    status = begin_status(here)
    write_status(here, replace(status, step=3, total_steps=12, phase="training"))
    still.submit([config()], priority=1)
    lines = shown(say)
    assert lines[0].split() == [
        "#", "state", "run", "group", "what", "priority", "progress", "waits", "for",
    ]  # fmt: skip
    columns = [lines[0].index(title) for title in ("state", "run ", "what", "priority")]
    cells = [
        [line[a:b].strip() for a, b in zip(columns, [*columns[1:], None], strict=True)]
        for line in lines[1:6]
    ]
    assert cells[0][:2] == ["running", "terminal"]
    assert "3/12 (25 %)" in cells[0][3]
    assert [row[2] for row in cells[1:]] == [
        "vogn on moons", "vogn on moons", "adamw on moons", "sgd on moons",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[2:6]] == ["1", "2", "3", "4"]
    assert "No dispatcher runs" in lines[6]


def test_with_a_dispatcher_nothing_is_said_of_it(still, runs, say):
    with FileLock(still.home.dispatcher_lock) as lock:
        assert lock.acquire()
        assert "dispatcher" not in "\n".join(shown(say))


def test_a_dispatcher_that_begins_is_none_that_is_missing(still, runs, say):
    still.home.booting.touch()
    assert "dispatcher" not in "\n".join(shown(say))
    os.utime(still.home.booting, (0, 0))  # it never came so far
    assert "No dispatcher runs" in "\n".join(shown(say))


def test_each_configuration_is_read_once(still, runs, say, monkeypatch):
    seen = []
    monkeypatch.setattr(queue, "load_config", lambda run: seen.append(run) or config())
    assert len(shown(say)) == 5
    assert sorted(seen, key=runs.index) == runs


def test_ended_runs_are_shown_on_request(still, runs, say, tmp_path):
    ended = run_of(tmp_path / "runs" / "ended")
    end_status(ended, begin_status(ended), FINISHED)
    assert "ended" not in "\n".join(shown(say))
    assert "finished  ended" in "\n".join(shown(say, "--all"))


def test_the_last_of_a_group_still_tells_what_sets_it_apart(still, say):
    configs = [config(training={"seed": seed}) for seed in (1, 2)]
    first, last = still.submit(configs, group="seeds")
    still.stop(first)
    (line,) = [line for line in shown(say) if last.id in line]
    assert "vogn on moons, seed 2" in line


def test_the_table_for_programs(still, runs, say):
    content = json.loads("\n".join(shown(say, "--json")))
    assert content["paused"] is False
    first = content["runs"][0]
    assert first["run"] == runs[0].id
    assert first["path"] == str(runs[0].path)
    assert (first["position"], first["state"], first["group"]) == (1, "queued", "race")
    assert (first["optimizer"], first["model"], first["dataset"]) == (
        "vogn", "mlp", "moons",
    )  # fmt: skip
    assert {"step", "total_steps", "reason", "priority", "message"} <= set(first)


def test_a_damaged_configuration_spoils_nothing(still, runs, say):
    runs[1].config.write_text("{")
    assert len(json.loads("\n".join(shown(say, "--json")))["runs"]) == 3
    assert sum("queued" in line for line in shown(say)) == 3


def test_runs_are_moved_and_their_priority_changes(still, runs, say):
    shown(say, "--move", runs[2].id, "1")
    assert still.queue() == [runs[2], runs[0], runs[1]]
    shown(say, "--priority", str(runs[1].path), "5")
    assert still.queue() == [runs[1], runs[2], runs[0]]


def test_the_queue_is_paused_and_goes_on(still, runs, say):
    assert "The queue is paused" in "\n".join(shown(say, "--pause"))
    assert still.paused
    assert "paused" not in "\n".join(shown(say, "--unpause"))
    assert not still.paused


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--move", "nobody", "1"], "There is no run 'nobody'"),
        (["--move", "ended", "1"], "must be queued"),
        (["--move", "ended", "0"], "place must be a whole number >= 1, got '0'"),
        (["--move", "ended", "first"], "place must be a whole number"),
        (["--move", "ended", "9" * 5000], "place must be a whole number >= 1, got '99"),
        (["--priority", "ended", "9" * 400], "priority must be a whole number"),
        (["--priority", "ended", "high"], "priority must be a whole number"),
    ],
)
def test_mistakes_are_told(still, runs, say, tmp_path, words, text):
    ended = run_of(tmp_path / "runs" / "ended")
    end_status(ended, begin_status(ended), FINISHED)
    code, lines, (error,) = say("queue", *words)
    assert (code, lines) == (2, [])
    assert text in error
    assert len(error) < 300
    assert still.queue() == runs


def test_one_change_at_a_time(still, say):
    with pytest.raises(SystemExit) as ended:
        say("queue", "--pause", "--unpause")
    assert ended.value.code == 2


def test_a_reader_that_has_seen_enough_is_no_fault(still, runs):
    process = start("queue")
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert errors == ""
