"""Finished runs of seconds, and an environment with torch alone."""

import pytest

from tests.trainers.examples import run_of
from tests.trainers.parcel.bare import bare_environment
from trainers.parcel.wheel import build_wheel
from trainers.session import train_run

SAMPLES = 16


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Train a run once: a function of optimizer, model and dataset."""
    made = {}

    def train(optimizer="vogn", model="mlp", dataset="digits"):
        key = f"{optimizer}-{model}-{dataset}"
        if key not in made:
            run = run_of(
                tmp_path_factory.mktemp("finished") / key,
                optimizer=optimizer, model=model, dataset=dataset,
                training={"epochs": 2, "batch_size": 200},
                evaluation={"test_samples": SAMPLES, "ood": "none"},
            )  # fmt: skip
            assert train_run(run, show_bar=False).state == "finished"
            made[key] = run
        return made[key]

    return train


@pytest.fixture(scope="session")
def torch_alone(tmp_path_factory):
    """Python of an environment with torch alone."""
    return bare_environment(tmp_path_factory.mktemp("bare") / "alone")


@pytest.fixture(scope="session")
def torch_and_wheel(tmp_path_factory):
    """Python of an environment with torch and the wheel unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    built = build_wheel()
    (folder / built.name).write_bytes(built.content)
    return bare_environment(folder / "environment", folder / built.name)
