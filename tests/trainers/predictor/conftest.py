"""Small trained runs, with and without a posterior, and on points."""

import pytest

from tests.trainers.examples import run_of
from trainers.session import train_run
from trainers.trained import load_trained


def trained(path, dataset, optimizer):
    run = run_of(
        path, dataset=dataset, optimizer=optimizer,
        training={"epochs": 2, "batch_size": 200, "device": "cpu"},
    )  # fmt: skip
    assert train_run(run, show_bar=False).state == "finished"
    return run


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("digits") / "run", "digits", "vogn")


@pytest.fixture(scope="session", params=["vogn", "noisy_kfac", "adamw"])
def any_digits(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "run"
    return trained(path, "digits", request.param)


@pytest.fixture(scope="session")
def moons(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("moons") / "run", "moons", "vogn")


@pytest.fixture
def images(digits):
    return load_trained(digits).data.test.inputs[:20]
