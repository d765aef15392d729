"""Tests of one run from its folder to its final status."""

import errno
import logging
import os
import signal

import pytest
import torch
from PIL import Image

from data import DatasetError
from tests.trainers.examples import run_of
from tests.trainers.test_resume import stop_after
from trainers import session
from trainers.predict import DivergedError
from trainers.runs import RunError, read_json
from trainers.session import classify, train_run
from trainers.status import SUGGESTIONS, Process, read_status


def train(run):
    status = train_run(run, show_bar=False)
    assert status == read_status(run)
    assert status.ended is not None
    return status


def test_a_run_finishes_with_all_its_files(tmp_path):
    run = run_of(tmp_path / "a", training={"epochs": 1})
    status = train(run)
    assert (status.state, status.message, status.phase) == ("finished", "Finished.", "")
    assert status.step == status.total_steps == 7
    assert status.created <= status.started <= status.heartbeat
    assert status.trainer == Process.current()
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "config.json", "status.json", "metrics.jsonl", "checkpoint",
        "predictions.npz", "evaluation.json", "posterior.safetensors",
    }  # fmt: skip


def test_missing_data_are_of_class_data(tmp_path):
    folder = str(tmp_path / "absent")
    run = run_of(
        tmp_path / "a", dataset={"name": "folder", "folder": folder}, model="lenet5"
    )
    status = train(run)
    assert (status.state, status.error_class) == ("failed", "data")
    assert folder in status.message


def test_a_damaged_image_is_named_before_training(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            image = Image.new("RGB", (16, 16), (number * 20, 0, 0))
            image.save(tmp_path / "images" / name / f"{number}.png")
    damaged = tmp_path / "images" / "cat" / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    folder = {"name": "folder", "folder": str(tmp_path / "images")}
    run = run_of(tmp_path / "a", dataset=folder, model="lenet5", optimizer="adamw")
    status = train(run)
    assert (status.error_class, status.step) == ("data", 0)
    assert str(damaged) in status.message
    assert not run.metrics.exists()
    Image.new("RGB", (16, 16)).save(damaged)
    assert train(run).state == "finished"
    assert read_json(run.evaluation)["class_names"] == ["cat", "dog"]


@pytest.mark.parametrize("content", ["{", '{"schema": 1}'])
def test_a_damaged_configuration_is_of_class_configuration(tmp_path, content):
    run = run_of(tmp_path / "a")
    run.config.write_text(content)
    status = train(run)
    assert (status.state, status.error_class) == ("failed", "configuration")
    assert "config.json" in status.message


def test_an_unknown_timm_network_is_of_class_configuration(tmp_path):
    run = run_of(tmp_path / "a", dataset="digits", model="timm:resnet1")
    status = train(run)
    assert status.error_class == "configuration"
    assert "timm knows" in status.message


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "vogn"])
def test_a_wild_learning_rate_diverges_and_tells_the_step(tmp_path, optimizer):
    wild = {"name": optimizer, "hyperparameters": {"lr": 1e6}}
    run = run_of(tmp_path / "a", optimizer=wild)
    status = train(run)
    assert (status.state, status.error_class) == ("failed", "diverged")
    assert "step " in status.message
    assert not run.evaluation.exists()


def test_weights_ruined_by_the_last_step_are_noticed_in_the_evaluation(
    tmp_path, monkeypatch
):
    real = session.evaluate_run

    def ruin(run, config, data, ood, model, *others):
        with torch.no_grad():
            next(model.parameters()).fill_(torch.nan)
        return real(run, config, data, ood, model, *others)

    monkeypatch.setattr(session, "evaluate_run", ruin)
    status = train(run_of(tmp_path / "a", optimizer="sgd", training={"epochs": 1}))
    assert status.error_class == "diverged"
    assert "the network's outputs after step 7 are not finite" in status.message


def test_a_bug_is_of_class_other_and_shows_where(tmp_path, monkeypatch, caplog):
    def fail(*args):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(session, "build_model", fail)
    with caplog.at_level(logging.ERROR):
        status = train(run_of(tmp_path / "a"))
    assert (status.error_class, status.message) == ("other", "ZeroDivisionError: a bug")
    assert "in fail" in status.error_tail
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["load_dataset", "build_model", "evaluate_run"])
def test_a_signal_outside_the_training_stops_at_once(
    tmp_path, monkeypatch, number, where
):
    real = getattr(session, where)

    def signalled(*args, **kwargs):
        os.kill(os.getpid(), number)
        return real(*args, **kwargs)

    run = run_of(tmp_path / "a", training={"epochs": 1})
    monkeypatch.setattr(session, where, signalled)
    status = train(run)
    assert (status.state, status.message) == ("stopped", "Stopped on request.")
    assert not run.evaluation.exists()


def test_a_signal_in_the_last_step_stops_before_the_evaluation(tmp_path, monkeypatch):
    run = run_of(tmp_path / "a", training={"epochs": 1})
    real = session.Trainer.save

    def save_and_signal(self, name):
        real(self, name)
        if name == "last.pt":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(session.Trainer, "save", save_and_signal)
    status = train(run)
    assert (status.state, status.step) == ("stopped", 7)
    assert not run.evaluation.exists()


def test_a_chosen_ood_set_must_be_there(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise DatasetError("mnist cannot be had")

    monkeypatch.setattr(session, "load_ood", refuse)
    images = {"dataset": "digits", "model": "mlp", "training": {"epochs": 1}}
    run = run_of(tmp_path / "a", **images, evaluation={"ood": "mnist"})
    status = train(run)
    assert (status.error_class, status.message) == ("data", "mnist cannot be had")


def test_an_automatic_ood_set_may_be_missing(tmp_path, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise DatasetError("no network")

    monkeypatch.setattr(session, "load_ood", refuse)
    images = {"dataset": "digits", "model": "mlp", "training": {"epochs": 1}}
    run = run_of(tmp_path / "a", **images, evaluation={"ood": "auto"})
    assert train(run).state == "finished"
    assert "No out-of-distribution set: no network" in caplog.text
    assert read_json(run.evaluation)["ood"] == {}


def test_no_ood_set_is_loaded_for_points_or_where_none_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "load_ood", None)
    for name, sections in {
        "points": {"evaluation": {"ood": "auto"}},
        "images": {"dataset": "digits", "evaluation": {"ood": "none"}},
    }.items():
        run = run_of(tmp_path / name, training={"epochs": 1}, **sections)
        assert train(run).state == "finished"


def test_batch_norm_with_single_examples_is_told_or_works(tmp_path):
    run = run_of(
        tmp_path / "a", dataset={"name": "digits", "validation_fraction": 0.5},
        model="timm:resnet10t", optimizer="sgd", training={"batch_size": 1},
    )  # fmt: skip
    status = train(run)
    assert status.error_class == "configuration"
    assert "more than 1 value per channel" in status.message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), ("out of memory", True)),
        (torch.OutOfMemoryError("x"), ("out of memory", True)),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            ("out of memory", True),
        ),
        (DivergedError("x"), ("diverged", True)),
        (DatasetError("x"), ("data", True)),
        (ValueError("x"), ("configuration", True)),
        (RunError("x"), ("configuration", True)),
        (RuntimeError("x"), ("other", False)),
        (OSError("x"), ("other", False)),
        (OSError(errno.ENOSPC, "No space left on device", "x"), ("disk", True)),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), ("disk", True)),
        (OSError(errno.EACCES, "Permission denied"), ("other", False)),
    ],
)
def test_errors_have_classes(error, expected):
    assert classify(error) == expected
    assert expected[0] in SUGGESTIONS


def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch):
    def fail(self, name):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    monkeypatch.setattr(session.Trainer, "save", fail)
    status = train(run_of(tmp_path / "a", training={"epochs": 1}))
    assert (status.state, status.error_class) == ("failed", "disk")
    assert "No space left on device: 'best.pt'" in status.message


def test_an_error_without_words_has_a_message(tmp_path, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(session, "build_model", fail)
    status = train(run_of(tmp_path / "a"))
    assert status.error_class == "out of memory"
    assert status.message.startswith("MemoryError")


def test_ranks_whose_launcher_was_killed_are_lost_not_stopped(tmp_path, monkeypatch):
    stop_after(monkeypatch, 1)
    monkeypatch.setattr(session, "launcher_is_gone", lambda: True)
    run = run_of(tmp_path / "a")
    status = train(run)
    assert (status.state, status.message) == ("lost", session.ABANDONED)
    assert (run.checkpoint / "last.pt").exists()
