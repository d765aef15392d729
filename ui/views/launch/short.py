"""What a training is too short for, said before it is launched."""

from collections.abc import Iterable
from math import ceil

from trainers.config import RunConfig
from trainers.hyperparameters import AUTO
from trainers.monte_carlo import SHORTEST_CYCLE, SNAPSHOT
from trainers.recipes import num_training
from ui.components.formats import count


def too_short(configs: Iterable[RunConfig]) -> str:
    """Say that a snapshot ensemble would be one network; "" where none would be.

    Args:
        configs: What would be queued; images of one's own must be countable.
    """
    found = [num_steps(each) for each in configs if _leaves_cycles(each)]
    steps = min(found, default=2 * SHORTEST_CYCLE)
    if steps >= 2 * SHORTEST_CYCLE:
        return ""
    return (
        f"{SNAPSHOT.title}: {count(steps)} steps are too few for more than one "
        f"network. Train for at least {2 * SHORTEST_CYCLE} steps, or set cycles."
    )


def _leaves_cycles(config: RunConfig) -> bool:
    optimizer = config.optimizer
    cycles = optimizer.hyperparameters.get("cycles", AUTO)
    return optimizer.name == SNAPSHOT.name and cycles == AUTO


def num_steps(config: RunConfig) -> int:
    """Steps of a training, to within a rounding of how many examples there are."""
    training = config.training
    return training.epochs * ceil(num_training(config.dataset) / training.batch_size)
