"""Real runs under torchrun: several processes, one run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.trainers.examples import config, long_config, rows_of, run_of, wait_for_step
from tests.trainers.test_resume import stop_after, tuned
from trainers.checkpoint import LAST
from trainers.runs import new_run, read_json
from trainers.session import train_run
from trainers.status import FINISHED, STOPPED, processes_of, read_status

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ended")]
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60  # for all processes of a run together

# 1,257 images for training: the last batch of an epoch has two rows, so none for the
# second rank; the others are of 251, so uneven.
DIGITS = {
    "dataset": "digits", "model": "mlp", "optimizer": "adamw",
    "training": {
        "batch_size": 251, "epochs": 2, "log_interval": 2,
        "mixup": 0.4, "random_erasing": 0.5,
    },
}  # fmt: skip
STEP, END = 5, 12


def launch(*words, fate="", module="tests.trainers.rank_driver"):
    """Start two ranks under torchrun, with their output in pipes."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "-m", module, *map(str, words)],
        cwd=ROOT, env=os.environ | {"FATE": fate}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def outcome(process, run):
    """Wait for the end of all; return the status, what was printed and the errors."""
    out, err = process.communicate(timeout=SECONDS)
    status = read_status(run)
    assert len(status.workers) == 1
    assert processes_of(run) == []
    lines = out.splitlines()
    assert lines[-1] == str(run.path)
    assert lines.count(str(run.path)) == 1
    assert not [path for path in run.path.rglob(".*") if path.is_file()]
    return status, lines, err


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Train in one process, without a stop."""
    run = run_of(tmp_path_factory.mktemp("whole") / "a", **DIGITS)
    assert train_run(run, show_bar=False).state == FINISHED
    return run


def assert_same_training(run, expected):
    ours, theirs = (
        torch.load(each.checkpoint / LAST, weights_only=True)
        for each in (run, expected)
    )
    for name, tensor in theirs["model"].items():
        torch.testing.assert_close(ours["model"][name], tensor, rtol=1e-4, atol=1e-5)
    assert ours["progress"]["step"] == theirs["progress"]["step"] == END
    for row, other in zip(rows_of(run), rows_of(expected), strict=True):
        assert row.pop("kind") == other.pop("kind")
        assert row == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_two_ranks_stop_at_the_same_step_and_one_goes_on(tmp_path, whole):
    run = run_of(tmp_path / "a run", **DIGITS)
    process = launch("train", run.path, fate=f"1:{STEP}:stop")
    status, lines, _ = outcome(process, run)
    assert (status.state, status.step) == (STOPPED, STEP)
    assert lines[0] == "stopped: Stopped on request."
    saved = torch.load(run.checkpoint / LAST, weights_only=True)
    assert saved["progress"]["step"] == STEP
    assert train_run(run, show_bar=False).state == FINISHED
    assert read_status(run).workers == ()
    assert_same_training(run, whole)


def test_two_ranks_go_on_where_one_stopped(tmp_path, monkeypatch, whole):
    run = run_of(tmp_path / "a run", **DIGITS)
    with monkeypatch.context() as patch:
        stop_after(patch, STEP)
        assert train_run(run, show_bar=False).state == STOPPED
    process = launch("run", "--resume", run.path, module="trainers")
    status, lines, err = outcome(process, run)
    assert status.state == FINISHED, err
    assert lines[0].lstrip().startswith("single model: accuracy 0.")
    assert_same_training(run, whole)
    assert read_json(run.config) == read_json(whole.config)


@pytest.mark.parametrize("name", ["kfac", "sp_ngd"])
def test_natural_gradients_on_two_ranks_are_those_of_one(tmp_path, name):
    settings = DIGITS | {"optimizer": tuned(name)}
    alone = run_of(tmp_path / "alone", **settings)
    assert train_run(alone, show_bar=False).state == FINISHED
    run = run_of(tmp_path / "two", **settings)
    process = launch("train", run.path, fate=f"1:{STEP}:stop")
    assert outcome(process, run)[0].state == STOPPED
    process = launch("run", "--resume", run.path, module="trainers")
    status, _, err = outcome(process, run)
    assert status.state == FINISHED, err
    assert_same_training(run, alone)
    assert all("damping" in row for row in rows_of(run) if row["kind"] == "step")


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac"])
def test_a_posterior_on_two_ranks(tmp_path, name):
    # Of 700 points the last batch has two: an empty block for the second rank.
    training = {"batch_size": 349, "epochs": 40, "log_interval": 5}
    settings = config(optimizer=name, training=training)
    run = new_run(settings, "test", tmp_path / "a")
    status, lines, err = outcome(launch("train", run.path, module="trainers"), run)
    assert (status.state, status.step) == (FINISHED, 120), err
    assert "rank 1" not in err
    assert "3 posterior samples: accuracy " in lines[0]
    metrics = read_json(run.evaluation)["metrics"]
    assert metrics["accuracy"] > 0.8
    assert metrics["nll"] < 0.5
    rows = rows_of(run)
    assert len(rows) == 120 // 5 + 40
    alone = new_run(settings, "test", tmp_path / "alone")
    train_run(alone, show_bar=False)
    for row, other in zip(rows, rows_of(alone), strict=True):
        expected = pytest.approx(other["posterior_deviation"], rel=0.05)
        assert row["posterior_deviation"] == expected


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac"])
def test_a_posterior_stopped_at_the_last_step_of_an_epoch_goes_on(tmp_path, name):
    # Resumed, rank 0 alone draws weights to validate, before the ranks meet.
    settings = {"batch_size": 350, "epochs": 2}
    run = run_of(tmp_path / "a", optimizer=name, training=settings)
    assert outcome(launch("train", run.path, fate="1:2:stop"), run)[0].step == 2
    process = launch("run", "--resume", run.path, module="trainers")
    status, _, err = outcome(process, run)
    assert (status.state, status.step) == (FINISHED, 4), err


def test_sigterm_to_the_launcher_stops_all_at_a_step(tmp_path):
    run = new_run(long_config(), "test", tmp_path / "a")
    process = launch("train", run.path)
    wait_for_step(run, 3)
    process.send_signal(signal.SIGTERM)
    status, lines, _ = outcome(process, run)
    assert (status.state, status.message) == (STOPPED, "Stopped on request.")
    assert f"Go on with: python -m trainers run --resume {run.path}" in lines
    saved = torch.load(run.checkpoint / LAST, weights_only=True)["progress"]
    assert saved["step"] == status.step >= 3
    steps = [row["step"] for row in rows_of(run) if row["kind"] == "step"]
    assert steps == list(range(1, status.step + 1))


@pytest.mark.parametrize(
    ("fate", "kind", "text"),
    [
        ("1:7:die", "distributed", "ended without a word, as when it is killed."),
        ("1:7:fail", "distributed", "Rank 1 failed: OverflowError: too much"),
        ("0:7:fail", "other", "OverflowError: too much"),
    ],
)
def test_a_lost_rank_ends_all_within_seconds(tmp_path, fate, kind, text):
    run = new_run(long_config(), "test", tmp_path / "a")
    process = launch("train", run.path, fate=fate)
    wait_for_step(run, 7)
    start = time.monotonic()
    status, lines, err = outcome(process, run)
    assert time.monotonic() - start < 15
    assert (status.state, status.error_class) == ("failed", kind)
    assert text in status.message
    assert lines[0] == f"failed: {status.message}"
    if fate.startswith("0"):
        assert "ERROR: rank 1: Rank 0 failed: OverflowError: too much" in err


def members_of(run):
    saved = torch.load(run.checkpoint / LAST, weights_only=True)
    return [member["model"] for member in saved["optimizer"]["members"]]


def test_two_ranks_share_out_the_members_and_one_goes_on(tmp_path):
    multi = {"name": "multi_vogn", "hyperparameters": {"members": 3}}
    settings = config(optimizer=multi, training={"batch_size": 350, "epochs": 3})
    alone, run = (new_run(settings, "test", tmp_path / name) for name in ("a", "b"))
    assert train_run(alone, show_bar=False).state == FINISHED
    process = launch("train", run.path, fate="1:3:stop")
    status, *_ = outcome(process, run)
    assert (status.state, status.step) == (STOPPED, 3)
    assert train_run(run, show_bar=False).state == FINISHED
    for ours, theirs in zip(members_of(run), members_of(alone), strict=True):
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor)
    for row, other in zip(rows_of(run), rows_of(alone), strict=True):
        assert row.pop("kind") == other.pop("kind")
        assert row.pop("posterior", None) == other.pop("posterior", None)
        assert row == pytest.approx(other, rel=1e-6)
    found, expected = (read_json(each.evaluation)["metrics"] for each in (run, alone))
    assert found == expected
