"""Tests of `trainers/presets.py`."""

import pytest

from trainers.catalogue import OPTIMIZERS
from trainers.config import RunConfig
from trainers.presets import PRESETS
from trainers.sweep import sweep


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_preset_is_a_run_that_can_be_written_down(preset):
    assert PRESETS[preset.name] is preset
    assert RunConfig.from_dict(preset.config.to_dict()) == preset.config
    assert preset.title
    assert preset.summary.endswith(".")
    assert preset.time


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_race_can_be_run(preset):
    given = {"optimizer": list(preset.race), "seed": list(preset.seeds)}
    given = {name: values for name, values in given.items() if values}
    configs = sweep(preset.config.to_dict(), given)
    assert len(configs) == max(1, len(preset.race)) * max(1, len(preset.seeds))
    # In a race each optimizer has its own defaults; ours has them, too.
    if preset.race:
        own = OPTIMIZERS[preset.config.optimizer.name].defaults()
        assert preset.config.optimizer.hyperparameters == own


def test_large_batches_follow_the_recipe():
    config = PRESETS["large-batch"].config
    assert config.training.batch_size == 4096
    assert config.training.couple_momentum
    assert config.optimizer.hyperparameters["weight_decay"] == 0.0
