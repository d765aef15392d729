"""Tests of `ui/views/run/snippet.py`."""

import subprocess
import sys

import pytest

from tests.trainers.examples import run_of
from tests.ui.conftest import REPOSITORY
from trainers.config import DatasetConfig, ModelConfig, OptimizerConfig, RunConfig
from trainers.runs import load_config, read_json
from trainers.session import train_run
from ui.views.run.snippet import posterior_snippet


@pytest.mark.parametrize("dataset", ["moons", "digits"])
def test_the_program_runs_beside_the_posterior_of_a_run(tmp_path, dataset):
    training = {"epochs": 1, "batch_size": 700}
    run = run_of(tmp_path / "run", dataset=dataset, training=training)
    assert train_run(run, show_bar=False).state == "finished"
    programs = [
        posterior_snippet(load_config(run), evaluation)
        for evaluation in (read_json(run.evaluation), None)
    ]
    assert ["of the training part" in each for each in programs] == [True, False]
    check = "\nassert probabilities.shape[0] == 1\n"
    check += "assert abs(float(probabilities.sum()) - 1) < 1e-5\nprint('done')\n"
    done = subprocess.run(  # one after the other, in one process
        [sys.executable, "-c", "".join(each + check for each in programs)],
        cwd=run.path, env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "done\ndone\n", done.stderr


def folder_config():
    return RunConfig(
        dataset=DatasetConfig(name="folder", folder="pictures"),
        model=ModelConfig(name="resnet20"),
        optimizer=OptimizerConfig(name="vogn"),
    )


def test_a_posterior_without_a_mean_is_not_loaded_at_it():
    rows = [{"name": "a"}]
    at_mean = {"posterior": rows, "mean": {"accuracy": 0.5}}
    for told, shown in ((at_mean, True), (at_mean | {"mean": None}, False)):
        program = posterior_snippet(folder_config(), OWN | told)
        assert ("posterior.load_into(model)" in program) is shown
        assert "posterior.predict_proba(model, inputs, 32)" in program
        compile(program, "snippet", "exec")


OWN = {
    "num_classes": 4, "input_shape": [3, 32, 32],
    "normalisation": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
}  # fmt: skip


def test_what_the_catalogue_does_not_know_comes_from_the_evaluation():
    program = posterior_snippet(folder_config(), OWN)
    assert 'build_model("resnet20", (3, 32, 32), 4)' in program
    assert "torch.rand(1, 3, 32, 32)  # yours: pixels from 0 to 1" in program
    assert "torch.tensor([0.1, 0.2, 0.3])" in program
    compile(program, "snippet", "exec")


@pytest.mark.parametrize(
    "damage",
    [
        {"input_shape": None}, {"input_shape": ["3", 32, 32]}, {"input_shape": "abc"},
        {"num_classes": "4"}, {"num_classes": None},
    ],
)  # fmt: skip
def test_without_the_size_of_an_input_there_is_no_program(damage):
    assert posterior_snippet(folder_config(), OWN | damage) == ""
    assert posterior_snippet(folder_config(), None) == ""


@pytest.mark.parametrize(
    "normalisation",
    [None, 3, {}, {"mean": [0.1], "std": [0.2]}, {"mean": "x", "std": [1, 1, 1]},
     {"mean": ["__import__('os')"] * 3, "std": [1.0] * 3}],
)  # fmt: skip
def test_damaged_constants_are_left_out(normalisation):
    program = posterior_snippet(folder_config(), OWN | {"normalisation": normalisation})
    assert "normalised as in training" in program
    compile(program, "snippet", "exec")
