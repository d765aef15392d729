"""Tests of `python -m trainers tune`."""

import builtins
import os
import signal

import pytest

from data import DatasetError
from tests.trainers.tuning.examples import config
from trainers.__main__ import main
from trainers.runs import read_json
from trainers.saved import find_saved, save_config
from trainers.tuning import training
from trainers.tuning.study import find_study, load_asked, new_study, studies_folder

SMALL = (
    "tune", "--dataset", "moons", "--model", "mlp", "--optimizer", "sgd", "--trials",
    "2", "--epochs", "2", "--batch-size", "240", "--validation-samples", "2",
)  # fmt: skip


def test_a_search_tells_what_it_does_and_what_to_launch(say, tmp_path):
    code, out, err = say(*SMALL, "--study-dir", tmp_path / "one", "--save", "best sgd")
    assert (code, err) == (0, [])
    assert out[0] == f"Study {tmp_path / 'one'}"
    assert out[1] == "Stage 1 of 1: SGD, 2 trials"
    assert out[2].startswith("    0  as it begins: lr 0.05, momentum 0.9, weight decay")
    assert " ".join(out[4].split()) == "method trials NLL accuracy ECE best with"
    assert out[5].startswith("SGD     2 ")
    best = tmp_path / "one" / "best.json"
    assert out[-2:] == [
        f"Launch the best: python -m trainers run --config {best}",
        str(tmp_path / "one"),
    ]
    assert find_saved("best sgd").config.to_dict() == read_json(best)


def test_by_default_it_is_vogn_in_a_folder_among_the_runs(say, monkeypatch):
    asked = []

    def begun(wanted, path):
        asked.append((wanted, path))
        raise ValueError("enough")

    monkeypatch.setattr("trainers.commands.tune.new_study", begun)
    code, _, err = say("tune", "--dataset", "moons", "--model", "mlp", "--lr", "2")
    assert (code, err) == (2, ["error: enough"])
    ((wanted, path),) = asked
    assert path is None
    assert wanted.config.optimizer.name == "vogn"
    assert wanted.given == ("lr",)
    assert (wanted.num_trials, wanted.min_epochs, wanted.factor) == (20, 1, 3)
    assert (wanted.num_samples, wanted.prior) == (16, "search")
    study = new_study(wanted)
    assert study.path.parent == studies_folder()
    assert load_asked(study) == wanted


def test_ctrl_c_ends_it_in_order_and_resume_goes_on(say, monkeypatch):
    """The signal comes in the second trial, at a step."""
    passes = []
    advance = training._Reporter.advance

    def interrupted(reporter):
        passes.append(None)
        if len(passes) == 7:  # of four steps an epoch, two epochs a trial
            os.kill(os.getpid(), signal.SIGINT)
        advance(reporter)

    monkeypatch.setattr(training._Reporter, "advance", interrupted)
    before = signal.getsignal(signal.SIGINT)
    code, out, _ = say(*SMALL)
    (study,) = map(find_study, map(str, studies_folder().iterdir()))
    assert code == 130
    assert out[-2:] == [
        "Stopped on request. Go on with: python -m trainers tune --resume "
        f"{study.path}",
        str(study.path),
    ]
    assert len(passes) == 7
    assert read_json(study.about)["state"] == "stopped"
    assert signal.getsignal(signal.SIGINT) is before
    code, out, err = say("tune", "--resume", study.path.name, "--timeout", "60")
    assert (code, err) == (0, [])
    assert out[-1] == str(study.path)
    assert read_json(study.about)["state"] == "finished"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--trials", "x"], "error: trials must be a whole number, got 'x'."),
        (["--timeout", "0"], "error: timeout must be a number > 0, got '0'."),
        (["--timeout", "nan"], "error: timeout must be a number > 0, got 'nan'."),
        (
            ["--validation-fraction", "0"],
            "error: validation_fraction must be > 0 for a search, which looks at "
            "nothing but the validation split, got 0.",
        ),
        (
            ["--min-epochs", "3"],
            "error: min_epochs must be a whole number in [1, 2], g",
        ),
        (
            ["--prior", "elbo"],
            "error: prior must be search for optimizer 'sgd', got 'e",
        ),
        (["--save", "/"], "error: name must have at most 64 letters"),
    ],
)
def test_errors_come_before_there_is_a_folder(say, words, text):
    code, _, (line,) = say(*SMALL, *words)
    assert code == 2
    assert line.startswith(text)
    assert not studies_folder().exists()


def test_a_name_that_is_taken_is_told_before_the_search(say):
    save_config("mine", config())
    code, _, err = say(*SMALL, "--save", "mine")
    assert (code, err) == (2, ["error: There is a configuration 'mine' already."])


def test_data_that_cannot_be_had_are_told(say, monkeypatch):
    def fail(_):
        raise DatasetError("The disk is gone.")

    monkeypatch.setattr(training, "load_data", fail)
    code, _, err = say(*SMALL)
    assert (code, err) == (2, ["error: The disk is gone."])


def test_resume_stands_alone(say):
    code, _, err = say("tune", "--resume", "x", "--trials", "5", "--lr", "1")
    assert code == 2
    assert err == [
        "error: --resume must stand alone but for --timeout and --save, since a study "
        "keeps what it was begun with, got also --lr, --trials."
    ]
    code, _, (line,) = say("tune", "--resume", "x")
    assert (code, line[:30]) == (2, "error: There is no study 'x' i")


def test_without_optuna_it_says_what_to_install(monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(list(SMALL)) == 2
    assert "pip install" in capsys.readouterr().err
    assert not studies_folder().exists()
