"""Tests of the command line."""

import json
import logging
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.trainers.examples import command_line, config, run_of
from trainers import __main__ as module
from trainers import launcher
from trainers.__main__ import build_parser, config_from_options, main, summary
from trainers.catalogue import OPTIMIZERS
from trainers.config import RunConfig, command
from trainers.ranks import Ranks
from trainers.runs import Run, list_runs, load_config, read_json
from trainers.status import FAILED, STOPPED, begin_status, end_status, read_status
from trainers.sweep import SECTIONS

SHORT = [
    "run", "--dataset", "moons", "--model", "mlp", "--optimizer", "vogn", "--epochs",
    "1", "--batch-size", "350", "--test-samples", "2", "--validation-samples", "1",
]  # fmt: skip


def parsed(*words):
    return config_from_options(build_parser().parse_args(words))


def test_the_last_line_is_the_path_of_the_run(tmp_path):
    path = tmp_path / "a run"
    done = subprocess.run(
        command_line(*SHORT, "--run-dir", path),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == str(path)
    assert "2 posterior samples: accuracy 0." in lines[0]
    assert "at the mean: accuracy 0." in lines[1]
    assert "training: 100%" in done.stderr
    assert read_status(Run(path)).state == "finished"


@pytest.mark.parametrize("words", [SHORT, ["queue"], ["serve"]])
@pytest.mark.parametrize("place", ["build_parser", "launched_ranks"])
def test_an_early_ctrl_c_is_no_fault(words, place, monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(module, place, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert main(words) == 130
    assert tuple(capfd.readouterr()) == ("", "")
    assert not (tmp_path / "runs").exists()


def test_without_a_folder_the_run_gets_one_under_the_root(tmp_path, capsys):
    assert main(SHORT) == 0
    (run,) = list_runs(tmp_path / "runs")
    assert capsys.readouterr().out.splitlines()[-1] == str(run.path)
    settings = load_config(run)
    assert (settings.training.epochs, settings.training.batch_size) == (1, 350)
    assert settings.optimizer.hyperparameters == OPTIMIZERS["vogn"].defaults()
    assert read_json(run.config)["code_version"]


def test_a_relative_folder_is_made_here_and_resumed_from_here(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main([*SHORT, "--run-dir", "a b"]) == 0
    run = Run(tmp_path / "a b")
    assert capsys.readouterr().out.splitlines()[-1] == str(run.path)
    end_status(run, read_status(run), STOPPED)
    run.evaluation.unlink()
    assert main(["run", "--resume", "a b"]) == 0
    assert run.evaluation.exists()


@pytest.mark.parametrize("which", ["id", "path"])
def test_a_stopped_run_is_resumed_by_id_and_by_path(tmp_path, capsys, which):
    run = run_of(tmp_path / "runs" / "x", training={"epochs": 1})
    end_status(run, begin_status(run), STOPPED)
    run.stop_request.touch()
    assert main(["run", "--resume", "x" if which == "id" else str(run.path)]) == 0
    assert read_status(run).state == "finished"
    assert not run.stop_request.exists()
    assert capsys.readouterr().out.splitlines()[-1] == str(run.path)


def test_a_saved_configuration_equals_its_flags(tmp_path, monkeypatch):
    original = config(training={"seed": 4}, optimizer="adamw")
    (tmp_path / "saved config.json").write_text(json.dumps(original.to_dict()))
    monkeypatch.chdir(tmp_path)
    assert parsed("run", "--config", "saved config.json") == original
    assert parsed(*command(original)[3:]) == original


def test_flags_go_before_the_saved_configuration(tmp_path):
    saved = config(
        optimizer={"name": "vogn", "hyperparameters": {"lr": 0.3, "damping": 0.2}}
    )
    path = tmp_path / "c.json"
    path.write_text(json.dumps(saved.to_dict() | {"code_version": "1"}))

    def changed(*words):
        return parsed("run", "--config", str(path), *words)

    assert changed("--lr", "0.5").optimizer.hyperparameters["lr"] == 0.5
    assert changed("--lr", "0.5").optimizer.hyperparameters["damping"] == 0.2
    assert changed("--optimizer", "vogn").optimizer == saved.optimizer
    assert changed("--optimizer", "sgd").optimizer.hyperparameters["lr"] == 0.05
    assert changed("--epochs", "9").training.epochs == 9
    assert changed("--epochs", "9").training.log_interval == 3
    assert changed("--dataset", "blobs").dataset.name == "blobs"


def test_a_folder_is_kept_as_seen_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--model", "lenet5", "--optimizer", "sgd", "--folder", "my images"]
    settings = parsed("run", "--dataset", "folder", *words)
    assert settings.dataset.folder == str(tmp_path / "my images")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            ["--epochs", "0"],
            r"error: epochs must be a whole number in \[1, 100000\], g",
        ),
        (["--epochs", "two"], "got 'two'"),
        (["--batch-size", "1.5"], "batch_size must be .* got '1.5'"),
        (["--lr", "-1"], "lr must be a number in"),
        (["--lr", "nan"], "lr must be a number in .*got 'nan'"),
        (["--beta1", "0.5"], "hyper-parameter of vogn must be one of .*got 'beta1'"),
        (["--model", "lenet5"], "model must take points inputs"),
        (["--model", "x"], "model must be one of"),
        (["--dataset", "x"], "must be one of .*got 'x'"),
        (["--optimizer", "x"], "optimizer must be one of"),
        (["--optimizer", "sgd", "--nesterov", "maybe"], "nesterov must be true or fa"),
        (["--device", "tpu"], "device must be auto, cpu"),
        (["--num-processes", "0"], r"num_processes must be .* \[1, 1024\], got 0"),
        (
            ["--num-processes", "2", "--device", "cuda:1"],
            "device must be auto, cpu or cuda for 2 processes, got 'cuda:1'.",
        ),
        (
            ["--validation-fraction", "0.9"],
            r"validation_fraction must be a number in \[0, 0.5\]",
        ),
        (["--ood", "digits"], "ood must be another set of images"),
        (["--folder", "x"], "folder must be left out"),
        (["--config", "absent.json"], r"absent\.json does not exist"),
        (["--resume", "x"], "--resume must stand alone, .*got also --batch-size, "),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_no_folder(
    tmp_path, capsys, change, text
):
    assert main([*SHORT, *change]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert re.search(text, line)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["dataset", "model", "optimizer"])
def test_the_three_choices_must_be_made(name, capsys):
    words = list(SHORT)
    place = words.index(f"--{name}")
    assert main(words[:place] + words[place + 2 :]) == 2
    assert f"--{name} must be given" in capsys.readouterr().err


def test_a_full_folder_is_not_written_into(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main([*SHORT, "--run-dir", str(tmp_path)]) == 2
    assert "run folder must be new or empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 3}', "\xff"])
def test_a_damaged_configuration_file_is_told(tmp_path, capsys, content):
    path = tmp_path / "c.json"
    path.write_text(content, encoding="latin-1")
    assert main(["run", "--config", str(path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("name", ["nothing", "../no-such-run", "<script>", ""])
def test_an_unknown_run_is_told(name, capsys):
    for words in (["run", "--resume", name], ["train", name]):
        assert main(words) == 2
        assert f"error: There is no run {name!r}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["fly"], ["run", "--unknown", "1"]])
def test_unknown_words_end_with_the_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: python -m trainers" in capsys.readouterr().err


def test_a_failed_run_tells_why_and_where(tmp_path, capsys):
    wild = ["--optimizer", "sgd", "--lr", "1000000", "--epochs", "3"]
    path = tmp_path / "a"
    assert main([*SHORT, *wild, "--run-dir", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("failed: The training")
    assert lines[-1] == str(path)
    assert read_status(Run(path)).error_class == "diverged"


@pytest.fixture
def together(monkeypatch):
    """Have runs of several processes fail at once; note what was asked."""
    asked = []

    def fail(run, num_processes):
        asked.append((run.path, num_processes))
        told = {"error_class": "killed", "message": "It was killed."}
        return end_status(run, read_status(run), FAILED, **told), False

    monkeypatch.setattr(launcher, "train_together", fail)
    return asked


def test_a_run_of_two_processes_starts_them(tmp_path, capsys, together):
    path = tmp_path / "a"
    assert main([*SHORT, "--num-processes", "2", "--run-dir", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["failed: It was killed.", str(path)]
    assert load_config(Run(path)).training.num_processes == 2
    assert main(["run", "--resume", str(path)]) == 1
    assert together == [(path, 2), (path, 2)]


def test_a_stop_before_the_ranks_is_told(tmp_path, capsys, monkeypatch):
    def interrupt(run, num_processes):
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher, "train_together", interrupt)
    path = tmp_path / "a"
    assert main([*SHORT, "--num-processes", "2", "--run-dir", str(path)]) == 130
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "stopped: Stopped on request."
    assert lines[-1] == str(path)


def test_a_rank_starts_no_others(tmp_path, monkeypatch, together):
    run = run_of(tmp_path / "a", training={"num_processes": 2})
    alone = []
    monkeypatch.setattr(module, "_train_here", lambda *words: alone.append(words) or 0)
    assert main(["train", str(run.path)]) == 0
    outer = Ranks(0, 3)
    monkeypatch.setattr(module, "launched_ranks", lambda: outer)
    assert main(["run", "--resume", str(run.path)]) == 0
    assert alone == [(run, Ranks()), (run, outer)]
    assert together == []


def test_help_lists_every_flag(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for words in (
        "--curvature-decay",
        "--test-samples",
        "--run-dir",
        f"vogn {OPTIMIZERS['vogn'].defaults()['lr']}, kfac",
        "--recipe",
    ):
        assert words in text


def test_a_run_that_never_started_can_be_resumed(tmp_path):
    run = run_of(tmp_path / "a", training={"epochs": 1})
    assert main(["run", "--resume", str(run.path)]) == 0


def test_the_summary_names_what_was_averaged():
    metrics = {"accuracy": 0.9, "nll": 0.25, "brier": 0.125, "ece": 0.01}
    content = {"num_samples": 1, "metrics": metrics, "mean": None, "ood": {}}
    assert summary(content).strip() == (
        "single model: accuracy 0.9000, NLL 0.2500, Brier 0.1250, ECE 0.0100"
    )
    content |= {"num_samples": 32, "mean": metrics}
    content["ood"] = {"mnist": {"auroc": 0.75, "fpr95": 0.5}}
    lines = [line.strip() for line in summary(content).splitlines()]
    assert lines[0].startswith("32 posterior samples: ")
    assert lines[1].startswith("at the mean: ")
    assert lines[2] == "OOD mnist: AUROC 0.7500, FPR95 0.5000"
    content |= {"num_samples": 5, "mean": None, "ood": {}}  # of several networks
    (line,) = summary(content).splitlines()
    assert line.strip().startswith("5 posterior samples: ")


def test_the_demo_is_called(monkeypatch):
    from trainers import demo

    monkeypatch.setattr(demo, "demo", lambda: 7)
    assert main(["demo"]) == 7


def test_the_sections_are_those_of_the_configuration():
    assert set(SECTIONS) < set(RunConfig.__dataclass_fields__)
    assert logging.getLogger().handlers
    assert Path(module.__file__).name == "__main__.py"
