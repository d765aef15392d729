"""Tests of whole searches, each a second or so."""

import json
from dataclasses import replace

import pytest
import torch

from tests.trainers.tuning.examples import Stop, asked, trial
from trainers.config import RunConfig
from trainers.runs import RunError, read_json
from trainers.tuning import tuner as module
from trainers.tuning.study import (
    FAILED,
    FINISHED,
    STOPPED,
    append_trial,
    new_study,
    read_trials,
)
from trainers.tuning.training import Bench
from trainers.tuning.tuner import tune

FILES = {"study.json", "trials.jsonl", "best.json", "tried.html", "tried.png"}


@pytest.fixture
def plain(monkeypatch):
    """Studies without page and picture, which take longer than the trials."""
    monkeypatch.setattr(module, "write_page", lambda *_: None)
    monkeypatch.setattr(module, "write_picture", lambda *_: None)


def tuned(study, after=None, **more):
    told = []
    stop = Stop(after)
    return tune(study, stop, told.append, **more), told, stop


def without_time(trials):
    return [replace(each, seconds=0.0) for each in trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nobody stopped: its study, how it ended, and what was told."""
    torch.set_num_threads(1)  # as in all tests of the trainers
    study = new_study(asked(), tmp_path_factory.mktemp("whole") / "study")
    return study, *tuned(study)


def test_the_recipe_leaves_everything(whole):
    study, result, told, _ = whole
    assert result.state == FINISHED
    assert {path.name for path in study.path.iterdir()} - {".lock"} == FILES
    about = read_json(study.about)
    assert about["state"] == FINISHED
    stages = [each["name"] for each in about["stages"]]
    assert stages == ["target", "match", "noise", "prior"]
    assert [each.stage.name for each in result.played] == stages
    trials = read_trials(study)
    assert [t for each in result.played for t in each.trials] == trials
    noise, prior = result.played[2:]
    assert prior.trials[0].scores == noise.best.scores  # begins with what was found
    best = RunConfig.from_dict(read_json(study.best))
    assert best.optimizer.name == "vogn"
    assert best.optimizer.hyperparameters["sampled"] is True
    lines = [line for line in told if not line.startswith("Stage")]
    assert len(lines) == len(trials)
    text = study.page.read_text(encoding="utf-8")
    assert all(each.stage.title in text for each in result.played)


def test_what_launches_does_what_the_best_trial_did(whole):
    study, result, *_ = whole
    config = RunConfig.from_dict(read_json(study.best))
    again = Bench(config, Stop()).train(
        asked().tried("vogn", config.optimizer.hyperparameters), lambda _: False
    )
    last = [each.best.nll for each in result.played[2:]]
    assert again.scores[-1].nll == min(last)


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_stopped_search_goes_on_to_the_same_end(tmp_path, plain, whole, share):
    whole, _, _, stop = whole
    study = new_study(asked(), tmp_path / "parts")
    result, _, _ = tuned(study, after=int(share * stop.questions))
    assert result.state == STOPPED
    assert result.message == "Stopped on request."
    assert read_json(study.about)["state"] == STOPPED
    kept = study.trials.read_bytes() if study.trials.exists() else b""
    result, _, _ = tuned(study)
    assert result.state == FINISHED
    assert study.trials.read_bytes().startswith(kept)
    assert without_time(read_trials(study)) == without_time(read_trials(whole))
    assert study.best.read_bytes() == whole.best.read_bytes()


def test_a_finished_search_trains_nothing_again(tmp_path, plain):
    study = new_study(asked("sgd"), tmp_path / "study")
    tuned(study)
    before = study.trials.read_bytes()
    _, _, stop = tuned(study)
    assert stop.questions == 0
    assert study.trials.read_bytes() == before


def test_the_end_of_the_time_is_a_stop(tmp_path, plain):
    study = new_study(asked("adamw"), tmp_path / "study")
    result, *_ = tuned(study, timeout=1e-9)
    assert (result.state, result.message) == (STOPPED, "The time was over.")
    assert not study.best.exists()


def test_a_stage_in_which_all_diverge_is_told_and_kept(tmp_path, plain):
    wanted = asked("sgd", given=("lr", "momentum", "weight_decay"))
    content = wanted.to_dict()
    content["config"]["optimizer"]["hyperparameters"]["lr"] = 1e6
    study = new_study(type(wanted).from_dict(content), tmp_path / "study")
    with pytest.raises(RunError, match="No trial of stage 'search' came to its end"):
        tuned(study)
    about = json.loads(study.about.read_text())
    assert about["state"] == FAILED
    assert "No trial of stage" in about["message"]
    assert [each.state for each in read_trials(study)] == ["diverged"]


def test_a_record_with_a_gap_is_refused(tmp_path):
    study = new_study(asked("sgd"), tmp_path / "study")
    append_trial(study, trial(1))
    with pytest.raises(RunError, match="trial 1 of stage 'search' is in the place of"):
        tuned(study)


def test_the_prior_may_follow_the_elbo(tmp_path, plain):
    study = new_study(asked(prior="elbo", num_trials=2), tmp_path / "study")
    tuned(study)
    found = [t.found for t in read_trials(study) if t.stage == "prior"]
    assert all(each["prior_precision"] > 0 for each in found if each)
    assert any(found)
