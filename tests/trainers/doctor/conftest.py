"""The engine of the checks."""

from tests.trainers.jobs.conftest import engine  # noqa: F401 - a fixture
