"""An engine that the commands find, with or without somebody who works on its queue."""

import pytest

from tests.trainers.jobs.conftest import engine  # noqa: F401 - a fixture
from trainers import jobs
from trainers.__main__ import main
from trainers.jobs import local

MOONS = ["--dataset", "moons", "--model", "mlp"]


@pytest.fixture
def working(engine, monkeypatch):  # noqa: F811
    """The engine of the commands, with a dispatcher as soon as one is wanted."""
    monkeypatch.setattr(jobs, "engine", lambda: engine)
    return engine


@pytest.fixture
def still(working, monkeypatch):
    """The engine of the commands, on whose queue nobody works."""
    monkeypatch.setattr(local, "ensure_dispatcher", lambda *_, **__: True)
    return working


@pytest.fixture
def say(capsys):
    """Run a command; returns its exit code, and the lines on stdout and stderr."""

    def said(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return said
