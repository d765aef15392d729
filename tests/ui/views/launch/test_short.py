"""Tests of `ui/views/launch/short.py`."""

from dataclasses import replace

from tests.ui.fakes import config
from trainers.config import OptimizerConfig
from trainers.recipes import num_training
from ui.views.launch.short import num_steps, too_short


def of(epochs, optimizer="snapshot", **values):
    chosen = config("moons", optimizer=optimizer, epochs=epochs)
    return replace(
        chosen, optimizer=OptimizerConfig(name=optimizer, hyperparameters=values)
    )


def test_steps_are_batches_times_epochs():
    chosen = of(20)
    batches = -(-num_training(chosen.dataset) // chosen.training.batch_size)
    assert num_steps(chosen) == 20 * batches


def test_a_snapshot_ensemble_of_one_network_is_told():
    steps = num_steps(of(20))
    assert steps < 200 <= num_steps(of(100))
    assert too_short([of(20)]) == (
        f"Snapshot ensemble: {steps} steps are too few for more than one network. "
        "Train for at least 200 steps, or set cycles."
    )
    assert too_short([of(100), of(20)])


def test_what_has_several_or_asks_for_its_number_is_not():
    assert too_short([of(100)]) == ""
    assert too_short([of(20, cycles=1)]) == ""
    assert too_short([of(20, "sgd"), of(20, "swag")]) == ""
