"""Tests of what is told of the end of runs, and to which addresses."""

# ruff: noqa: F811 - a test takes the fixtures it imports as its arguments

import json
import os

import pytest

from tests.trainers.examples import run_of, wait_for
from tests.trainers.jobs.webhooks import (  # noqa: F401 - most are fixtures
    all_told,
    announcer,
    end,
    home,
    quick,
    store,
    tick_until,
    webhook,
)
from trainers.jobs.announce import announcement, post
from trainers.runs import Run
from trainers.status import Status, write_status

METRICS = {"accuracy": 0.91234, "nll": 0.25, "ece": 0.01}


def evaluated(run, content):
    run.evaluation.write_text(json.dumps(content))
    return run


# --- what is told ---


def test_a_finished_run_is_told_with_its_figures(tmp_path):
    run = evaluated(run_of(tmp_path / "a run"), {"metrics": METRICS | {"brier": 0.2}})
    write_status(run, Status(state="finished", created=1.0, message="Done."))
    assert announcement(run, "finished") == {
        "text": "Run a run (vogn on moons): finished. "
        "accuracy 0.9123, NLL 0.2500, ECE 0.0100",
        "run": "a run",
        "state": "finished",
        "path": str(run.path),
        "dataset": "moons",
        "model": "mlp",
        "optimizer": "vogn",
        "message": "Done.",
        "metrics": METRICS | {"brier": 0.2},
    }


def test_a_failed_run_is_told_with_its_reason(tmp_path):
    run = run_of(tmp_path / "a")
    failed = Status(state="failed", created=1.0, error_class="data", message="No file.")
    write_status(run, failed)
    told = announcement(run, "failed")
    assert told["text"] == "Run a (vogn on moons): failed. No file."
    assert (told["error_class"], told["metrics"]) == ("data", {})


def test_a_run_whose_folder_is_gone_is_told_all_the_same(tmp_path):
    told = announcement(Run(tmp_path / "gone"), "lost")
    assert told["text"] == "Run gone: lost."
    assert (told["state"], told["message"]) == ("lost", "")


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        ([], ""),
        ({}, ""),
        ({"metrics": None}, ""),
        ({"metrics": [1]}, ""),
        ({"metrics": {"accuracy": None, "nll": None, "ece": None}}, ""),
        ({"metrics": {"accuracy": "x", "nll": float("nan")}}, ""),
        ({"metrics": METRICS | {"nll": None}}, "accuracy 0.9123, ECE 0.0100"),
        ({"metrics": {"accuracy": 1, "nll": float("inf")}}, "accuracy 1.0000"),
    ],
)
def test_what_is_no_finite_number_is_left_out(tmp_path, content, numbers):
    run = evaluated(run_of(tmp_path / "a"), content)
    write_status(run, Status(state="finished", created=1.0, message="Done."))
    told = announcement(run, "finished")
    assert told["text"] == f"Run a (vogn on moons): finished. {numbers or 'Done.'}"
    json.dumps(told, allow_nan=False)


# --- addresses ---


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "ftp://host/x",
        "hooks.example.org/x",
        "javascript:1",
        "/",
    ],
)
def test_another_scheme_is_refused_in_a_sentence(url):
    problem = f"VOGN_WEBHOOK must be an http or https address, got {url!r}."
    assert post(url, {}) == problem


@pytest.mark.parametrize(
    "url",
    [
        "http://", "http:///x", "http://[::1", "http://127.0.0.1:x/", "http://a b/",
        "http://127.0.0.1:99999/", "http://h\u00fc..x/", "https://127.0.0.1:1/",
        "http://127.0.0.1:1/\n", "http://" + "x" * 300,
    ],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_an_error_and_no_crash(url):
    assert post(url, {"a": 1}) != ""


def test_a_bad_address_is_given_up(tmp_path, store, announcer, caplog):
    end(store, run_of(tmp_path / "a"))
    tick_until(announcer("hooks.example.org/x"), all_told(store))
    assert caplog.text.count("must be an http or https address") == 4


def test_no_descriptor_is_left_open(webhook):
    server = webhook(500, 302, b"x", 200)
    post(server.address, {})
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        post(server.address, {})
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)
