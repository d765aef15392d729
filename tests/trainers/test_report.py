"""A finished run as predictions for a report."""

import subprocess
import sys

import numpy as np
import pytest

from calibration.report import build_report
from tests.trainers.examples import run_of
from trainers.report import run_predictions
from trainers.runs import RunError, read_json, write_json
from trainers.session import train_run
from trainers.shift import predict_shift

SHORT = {"epochs": 1, "batch_size": 100, "device": "cpu"}


def trained(path, **sections):
    sections = {"dataset": "digits", "training": SHORT} | sections
    run = run_of(path, **sections)
    assert train_run(run, show_bar=False).state == "finished"
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("vogn") / "run", evaluation={"ood": "none"})


def test_everything_a_run_knows_is_in_its_predictions(run):
    (found,) = run_predictions([run])
    evaluation = read_json(run.evaluation)
    assert found.name == "VOGN"
    assert found.probabilities.shape == (3, evaluation["num_examples"], 10)
    assert found.class_names == evaluation["class_names"]
    assert found.validation is not None
    assert [row.name for row in found.posterior] == ["1", "3", "5"]
    assert all(row.deviation > 0 and row.kl > 0 for row in found.posterior)
    assert found.features.train.shape[1] == 512
    assert len(found.images) == len(found.image_rows) == evaluation["num_examples"]


def test_the_report_says_what_evaluation_said(run):
    report = build_report(run_predictions([run])).models[0]
    evaluation = read_json(run.evaluation)
    assert report.metrics == pytest.approx(evaluation["metrics"], rel=1e-6)
    at_mean = {name: float(each) for name, each in report.at_mean.items()}
    assert at_mean == pytest.approx(evaluation["mean"], rel=1e-5)
    shown = [each for each in report.confidently_wrong if each.image]
    assert len(shown) == len(report.confidently_wrong)


def test_provenance_tells_what_was_trained_on_what(run):
    told = run_predictions([run])[0].provenance
    assert told["Dataset"] == "digits"
    assert told["Seed"] == "0"
    assert told["Model"] == "MLP"
    assert told["Optimizer"] == "VOGN"
    assert told["Settings"].startswith("lr ")
    assert told["Code"] == "vogn-app test"
    assert "--optimizer vogn" in told["Command"]
    assert "UTC" in told["Trained"]


def test_shift_is_taken_in_once_it_is_there(run):
    assert any("trainers shift" in note for note in run_predictions([run])[0].notes)
    predict_shift(run, 40, 2, ("fog",), show_bar=False)
    (found,) = run_predictions([run])
    assert set(found.shift) == {("fog", severity) for severity in range(1, 6)}
    assert found.shift_clean.shape == (40, 10)
    assert not any("trainers shift" in note for note in found.notes)
    points = build_report([found]).models[0].shift
    assert len(points) == 6
    run.shift.unlink()


def test_points_have_neither_images_nor_corruptions(tmp_path):
    run = trained(tmp_path / "run", dataset="moons", optimizer="adamw")
    (found,) = run_predictions([run])
    assert found.images is None
    assert found.posterior == []
    assert not any("shift" in note for note in found.notes)
    assert build_report([found]).models[0].at_mean == {}


def test_an_unfinished_run_has_no_report(tmp_path):
    run = run_of(tmp_path / "run")
    with pytest.raises(RunError, match=r"status\.json does not exist"):
        run_predictions([run])


def test_a_run_of_an_older_version_has_a_report(run, tmp_path):
    """Its predictions hold probabilities alone, its evaluation no posterior."""
    for path in run.path.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    old = type(run)(tmp_path)
    with np.load(run.predictions) as file:
        arrays = {key: file[key] for key in ("probabilities", "labels", "indices")}
    np.savez(old.predictions, **arrays)
    evaluation = read_json(old.evaluation)
    del evaluation["posterior"], evaluation["notes"]
    write_json(old.evaluation, evaluation)
    (found,) = run_predictions([old])
    assert found.validation is None
    assert found.features is None
    assert found.mean_probabilities is None
    assert build_report([found]).models[0].ood == []


def test_the_layers_of_a_mixture_are_no_health_of_a_posterior(run, tmp_path):
    for path in run.path.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    mixed = type(run)(tmp_path)
    evaluation = read_json(run.evaluation)
    unknown = {"kl": None, "effective_parameters": None, "between": 1.0}
    rows = [row | unknown for row in evaluation["posterior"]]
    write_json(mixed.evaluation, evaluation | {"posterior": rows, "mean": None})
    (found,) = run_predictions([mixed])
    assert found.posterior == []
    assert found.mean_probabilities is None
    assert build_report([found]).models[0].at_mean == {}


def test_a_run_without_images_has_a_report_without_them(run, tmp_path):
    for path in run.path.iterdir():
        if path.is_file() and path != run.images:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (found,) = run_predictions([type(run)(tmp_path)])
    assert found.images is None
    assert found.image_rows is None


@pytest.mark.parametrize("content", [{}, {"class_names": 3}, {"map": None}])
def test_a_damaged_run_is_told(run, tmp_path, content):
    for path in run.path.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = type(run)(tmp_path)
    write_json(damaged.evaluation, content)
    with pytest.raises(RunError, match=r"evaluation\.json .* got damaged ones"):
        run_predictions([damaged])


def test_a_report_is_made_without_torch(run):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from trainers.report import run_predictions\nfrom trainers.runs import Run\n"
        f"run_predictions([Run(Path({str(run.path)!r}))])\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
