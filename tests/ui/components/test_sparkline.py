"""Tests of `ui/components/sparkline.py`."""

import json

import pytest

from tests.ui import fakes
from trainers.runs import read_metrics, truncate_metrics
from ui.components import sparkline as module
from ui.components.sparkline import CHUNK, NUM_POINTS, sparkline, spread


def column(run, key):
    rows, _ = read_metrics(run)
    kind = "epoch" if key == "validation_nll" else "step"
    return [row[key] for row in rows if row["kind"] == kind and key in row]


def write(run, rows):
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_it_is_the_validation_loss_by_epoch(root):
    run = fakes.write_run(root, "a")
    assert sparkline(run) == column(run, "validation_nll")


def test_before_two_epochs_it_is_the_training_loss(root):
    run = fakes.write_run(root, "a", done=0.3)  # of five epochs
    few = column(run, "train_loss")
    assert len(few) == 16
    assert sparkline(run) == few


def test_a_run_without_metrics_has_no_course(root):
    run = fakes.write_run(root, "a")
    run.metrics.unlink()
    assert sparkline(run) == []


def test_it_grows_with_the_run_and_reads_what_is_new(root, monkeypatch):
    run = fakes.write_run(root, "a", done=0.2)
    first = sparkline(run)
    parsed = []
    value = module._value

    def counting(line, key):
        parsed.append(line)
        return value(line, key)

    monkeypatch.setattr(module, "_value", counting)
    fakes.write_metrics(run, range(110, 131, 10), bayesian=True)
    for _ in range(2):
        assert sparkline(run) == first + column(run, "train_loss")[-3:]
    assert len(parsed) == 3


def test_a_resume_that_rewrites_the_file_starts_anew(root):
    run = fakes.write_run(root, "a")
    sparkline(run)
    truncate_metrics(run, 220)
    assert sparkline(run) == column(run, "validation_nll")
    assert len(sparkline(run)) == 2


def test_a_file_of_the_same_number_is_another_one_if_it_says_something_else(root):
    run = fakes.write_run(root, "a", done=0.0)
    write(run, [{"kind": "step", "step": k, "train_loss": k} for k in range(5)])
    assert sparkline(run) == [0, 1, 2, 3, 4]
    with run.metrics.open("w") as file:  # which keeps the number
        for k in range(9):
            file.write(json.dumps({"step": k, "train_loss": 10 * k}) + "\n")
    assert sparkline(run) == [10 * k for k in range(9)]


def test_half_a_line_is_taken_when_it_is_whole(root):
    run = fakes.write_run(root, "a", done=0.0)
    before = sparkline(run)
    with run.metrics.open("a") as file:
        file.write('{"kind": "step", "step": 9, "train_')
    assert sparkline(run) == before
    with run.metrics.open("a") as file:
        file.write('loss": 0.25}\n')
    assert sparkline(run) == [*before, 0.25]


def test_a_long_run_keeps_few_points_over_all_of_it(root):
    run = fakes.write_run(root, "a", done=0.0)
    write(run, [{"kind": "step", "step": k, "train_loss": k} for k in range(30_000)])
    assert run.metrics.stat().st_size > CHUNK
    values = sparkline(run)
    assert 2 * NUM_POINTS >= len(values) == NUM_POINTS
    assert values == sorted(values)
    assert values[0] < 1500
    assert values[-1] > 28_000


@pytest.mark.parametrize("bad", ["{", "[]", '{"train_loss": "x", "step": 1}',
                                 '{"train_loss": null, "step": 1}',
                                 '{"validation_nll": NaN}'])  # fmt: skip
def test_what_is_no_number_is_left_out(root, bad):
    run = fakes.write_run(root, "a", done=0.0)
    good = json.dumps({"step": 3, "train_loss": 0.5})
    run.metrics.write_text(f"{bad}\n\xff\n{good}\n")
    assert sparkline(run) == [0.5]


def test_unread_runs_wait_and_growing_ones_do_not(root):
    run = fakes.write_run(root, "a", done=0.0)
    assert sparkline(run, read=False) is None
    first = sparkline(run)
    assert sparkline(run, read=False) == first
    fakes.write_metrics(run, range(10, 31, 10), bayesian=True)
    assert len(sparkline(run, read=False)) == len(first) + 3


def test_places_are_spread_with_both_ends():
    assert spread(3, 5) == [0, 1, 2]
    assert spread(9, 5) == [0, 2, 4, 6, 8]
    assert len(set(spread(1000, NUM_POINTS))) == NUM_POINTS
