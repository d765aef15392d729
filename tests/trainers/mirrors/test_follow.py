"""Following a run, told as stories: each pause of the follower does the next thing."""

import os
import shutil
import time

import pytest

from tests.trainers.mirrors.examples import (
    NAN,
    STARTED,
    Recorder,
    Script,
    a_run,
    append,
    epoch_row,
    evaluate,
    memory_of,
    set_state,
    step_row,
    ten_steps,
)
from trainers.mirrors import follow as module
from trainers.mirrors.follow import Watch, decoded, follow, new_rows
from trainers.mirrors.memory import Memory
from trainers.runs import RunError, truncate_metrics


def told(run, story=None, **settings):
    """Follow a run with a new recorder, and return that."""
    recorder = Recorder(**settings)
    follow(run, "fake", recorder, story or Script())
    return recorder


def steps(first, last):
    return [step_row(step) for step in range(first, last + 1)]


def places(first, last):
    return [(step, False) for step in range(first, last + 1)]


@pytest.fixture
def run(tmp_path):
    return a_run(tmp_path / "run", "running")


def test_an_ended_run_is_mirrored_as_it_is(tmp_path):
    run = a_run(tmp_path / "run", rows=ten_steps())
    evaluate(run)
    recorder = told(run)
    assert recorder.beginning.known is None
    assert recorder.beginning.time == STARTED
    assert recorder.beginning.parameters["optimizer.name"] == "vogn"
    assert recorder.beginning.parameters["training.batch_size"] == 100
    assert recorder.positions == [*places(1, 10), (10, True)]
    ending = recorder.ending
    assert (ending.state, ending.step, ending.time) == ("finished", 10, STARTED + 60)
    assert ending.values == {
        "test/accuracy": 0.75, "test/nll": 0.5,
        "ood/digits/auroc": 0.9, "ood/digits/fpr95": 0.2,
    }  # fmt: skip
    assert recorder.num_closed == 1


def test_a_living_run_is_followed_to_its_end(run):
    append(run, *steps(1, 3))

    def end():
        append(run, step_row(5, loss=NAN), epoch_row(5, 1))
        set_state(run, "stopped", message="Stopped on request.")

    recorder = told(run, Script(lambda: append(run, *steps(4, 4)), lambda: None, end))
    assert recorder.positions == [*places(1, 5), (5, True)]
    assert recorder.rows[-2].values == {"lr": 0.1}
    assert recorder.ending.state == "stopped"
    assert recorder.ending.message == "Stopped on request."
    assert recorder.ending.values == {}


def test_a_run_that_waits_is_not_begun(run):
    set_state(run, "queued")
    seen = []
    recorder = Recorder()

    def look(state):
        seen.append(recorder.beginning)
        set_state(run, state)

    story = Script(
        lambda: look("starting"), lambda: look("running"), lambda: look("failed")
    )
    follow(run, "fake", recorder, story)
    assert seen[:2] == [None, None]
    assert seen[2] is not None
    assert recorder.ending.state == "failed"


def test_who_is_asked_to_leave_takes_the_last_rows_along_and_no_end(run):
    append(run, *steps(1, 2))
    story = Script()
    story.actions.append(lambda: (append(run, step_row(3)), story.ask()))
    recorder = told(run, story)
    assert recorder.positions == places(1, 3)
    assert recorder.ending is None
    assert recorder.num_closed == 1
    assert memory_of(run, "fake")["step"] == 3


def test_a_second_process_goes_on_where_the_first_was(run):
    append(run, *steps(1, 10))
    leave = Script()
    leave.actions.append(leave.ask)
    assert told(run, leave).positions == places(1, 10)
    append(run, epoch_row(10, 1), *steps(11, 12))
    set_state(run, "finished")
    second = told(run)
    assert second.beginning.known == "tracked-1"
    assert second.positions == [(10, True), *places(11, 12)]
    assert second.ending.state == "finished"


def test_a_resumed_run_repeats_nothing_though_its_file_was_cut_back(run):
    append(run, *steps(1, 9))
    set_state(run, "failed")
    assert told(run).ending.state == "failed"
    truncate_metrics(run, 6)  # as of its last checkpoint
    append(run, *steps(7, 12))
    set_state(run, "finished", ended=STARTED + 90)
    second = told(run)
    assert second.beginning.known == "tracked-1"
    assert second.positions == places(10, 12)


def test_the_times_of_rows_do_not_depend_on_who_mirrors_them(run):
    append(run, *steps(1, 2))
    set_state(run, "stopped")
    first = told(run)
    append(run, *steps(3, 4))
    set_state(run, "finished", started=STARTED + 999, ended=STARTED + 1010)
    times = [row.time for row in (*first.rows, *told(run).rows)]
    assert times == [STARTED + step / 4 for step in (1, 2, 3, 4)]


def test_a_file_that_is_cut_back_under_the_follower_is_noticed(run):
    append(run, *steps(1, 9))

    def resume():
        truncate_metrics(run, 6)
        append(run, *steps(7, 11))

    recorder = told(run, Script(resume, lambda: set_state(run, "finished")))
    assert recorder.positions == places(1, 11)


def test_a_tracker_that_fails_costs_no_row(run, monkeypatch):
    monkeypatch.setattr(module, "PORTION", 3)
    append(run, *steps(1, 10))
    set_state(run, "finished")
    first = Recorder(fail_at=8)
    with pytest.raises(ConnectionError):
        follow(run, "fake", first, Script())
    assert first.positions == places(1, 6)
    assert first.num_closed == 1
    second = told(run)
    assert second.positions == places(7, 10)
    assert second.ending.state == "finished"


def test_an_end_is_told_once(tmp_path):
    run = a_run(tmp_path / "run", rows=ten_steps())
    assert told(run).ending is not None
    again = told(run)
    assert again.beginning is None
    assert again.num_closed == 1
    set_state(run, "finished", ended=STARTED + 90)  # another end of a resumed run
    assert told(run).ending.time == STARTED + 90


def test_mirrors_of_other_names_know_nothing_of_each_other(tmp_path):
    run = a_run(tmp_path / "run", rows=ten_steps())
    told(run)
    other = Recorder()
    follow(run, "other", other, Script())
    assert other.beginning.known is None
    assert len(other.rows) == 11


def test_a_run_that_never_logged_has_an_end(tmp_path):
    run = a_run(tmp_path / "run", "failed")
    recorder = told(run)
    assert recorder.rows == []
    assert (recorder.ending.state, recorder.ending.step) == ("failed", 0)


def test_a_run_whose_processes_are_gone_is_lost(run, monkeypatch):
    append(run, *steps(1, 2))

    def die():
        set_state(run, "running", trainer=None)

    assert told(run, Script(die)).ending.state == "lost"


def test_a_run_that_is_deleted_is_lost_and_stays_deleted(run):
    append(run, *steps(1, 2))

    def delete():
        grave = run.path.with_name(".deleted-run")
        run.path.rename(grave)
        shutil.rmtree(grave)

    assert told(run, Script(delete)).ending.state == "lost"
    assert not run.path.exists()


def test_a_status_may_come_late_but_not_for_ever(run):
    run.status.unlink()
    assert Watch(run).status().state == "starting"
    past = time.time() - 1000
    os.utime(run.config, (past, past))
    watch = Watch(run)
    assert watch.status().state == "lost"
    set_state(run, "running")
    assert watch.status().state == "running"
    run.status.write_text("{")  # patience begins anew
    assert watch.status().state == "starting"


def test_a_folder_without_a_configuration_is_named(run):
    run.config.unlink()
    with pytest.raises(RunError, match=r"config\.json does not exist"):
        told(run)


def test_a_damaged_line_costs_itself_alone():
    damaged = [b"oops", b"[5]", b"\xff", b"[" * 100_000]
    lines = [line + b"\n" for line in (b'{"step": 1}', *damaged, b'{"step": 2}')]
    assert decoded(lines) == [{"step": 1}, {"step": 2}]


def test_only_rows_with_something_to_tell_are_new():
    rows = [step_row(1), {"kind": "step", "step": 2, "train_loss": None}, {"x": 1.0}]
    assert [row.step for row in new_rows(rows, Memory())] == [1]
    assert new_rows(rows, Memory(step=1)) == []
