"""Tasks small enough to learn in a test."""

from benchmarks.tasks import Problem, Task, load_problem
from trainers.config import TrainingConfig

MOONS = Task(dataset="moons", model="mlp", epochs=2, validation_fraction=0.0)
DIGITS = Task(
    dataset="digits", model="lenet5", epochs=1, validation_fraction=0.0, num_samples=2
)


def moons() -> tuple[Problem, TrainingConfig]:
    """Two moons and two epochs with seed 1."""
    return load_problem(MOONS), MOONS.config("adamw", seed=1).training
