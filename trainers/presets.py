"""Places to begin from: whole configurations with a name. Torch-free.

Each is a valid run that anybody can start at once; a race or a sweep says in what its
runs differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainers.catalogue import OPTIMIZERS
from trainers.config import (
    DatasetConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.recipes import RECIPES, recipe_settings


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A place to begin from.

    Args:
        name: Key in `PRESETS`.
        title: Name for people.
        summary: What one will see, in a sentence.
        time: How long it takes on two cores of a processor, in words.
        config: The run.
        race: Optimizers that run the same beside it, () for one run.
        seeds: Seeds that each runs with, () for the run's own.
        study: A study whose sweep is made of the run, "" for none.
    """

    name: str
    title: str
    summary: str
    time: str
    config: RunConfig
    race: Sequence[str] = ()
    seeds: Sequence[int] = ()
    study: str = ""


def _config(
    dataset: str,
    model: str,
    optimizer: str,
    training: TrainingConfig,
    values: Mapping[str, object] | None = None,
) -> RunConfig:
    return RunConfig(
        dataset=DatasetConfig(name=dataset),
        model=ModelConfig(name=model),
        optimizer=OptimizerConfig(name=optimizer, hyperparameters=values or {}),
        training=training,
    )


def _large_batch() -> RunConfig:
    """SP-NGD's recipe for a batch of a fifteenth of the data."""
    dataset = DatasetConfig(name="fashion-mnist")
    training = TrainingConfig(epochs=10, batch_size=4096)
    settings = recipe_settings(RECIPES["sp_ngd"], dataset, training)
    own = OPTIMIZERS["sp_ngd"].defaults()
    options = {name: value for name, value in settings.items() if name not in own}
    values = {name: value for name, value in settings.items() if name in own}
    return _config(
        "fashion-mnist",
        "lenet5",
        "sp_ngd",
        TrainingConfig(epochs=10, batch_size=4096, **options),
        values,
    )


_PRESETS = (
    Preset(
        name="first-look",
        title="First look",
        summary="VOGN on handwritten digits of 8 x 8 pixels: every tab of a run's page "
        "has something to show.",
        time="about a minute",
        config=_config(
            "digits", "mlp", "vogn", TrainingConfig(epochs=30, batch_size=64)
        ),
    ),
    Preset(
        name="moons-map",
        title="Uncertainty map of two moons",
        summary="Watch the network get sure near the points and stay unsure far from "
        "them.",
        time="half a minute",
        config=_config(
            "moons", "mlp", "vogn", TrainingConfig(epochs=60, batch_size=32)
        ),
    ),
    Preset(
        name="moons-race",
        title="Race of all optimizers",
        summary="Each optimizer with its own defaults on two moons, the same network "
        "and epochs: compare them side by side.",
        time="five minutes",
        config=_config(
            "moons", "mlp", "vogn", TrainingConfig(epochs=40, batch_size=32)
        ),
        race=tuple(OPTIMIZERS),
    ),
    Preset(
        name="bayesian-race",
        title="Race of the Bayesian family",
        summary="Every method with a posterior, from VOGN to deep ensembles, and AdamW "
        "on handwritten digits: whose probabilities can be trusted, at what cost.",
        time="about ten minutes",
        config=_config(
            "digits", "mlp", "vogn", TrainingConfig(epochs=30, batch_size=64)
        ),
        race=(
            *(name for name, spec in OPTIMIZERS.items() if spec.bayesian), "adamw",
        ),
    ),
    Preset(
        name="five-networks",
        title="Five networks",
        summary="A deep ensemble on Fashion-MNIST: five networks from different "
        "beginnings, whose disagreement tells what they do not know.",
        time="about five minutes",
        config=_config(
            "fashion-mnist", "lenet5", "ensemble", TrainingConfig(epochs=5)
        ),
    ),
    Preset(
        name="cold-posterior",
        title="Is colder better?",
        summary="VOGN on two moons at temperatures from 0.001 to 3, three seeds each: "
        "whether the posterior of Bayes' rule predicts best.",
        time="two minutes",
        config=_config(
            "moons", "mlp", "vogn", TrainingConfig(epochs=40, batch_size=32)
        ),
        study="cold_posterior",
    ),
    Preset(
        name="fashion-vogn",
        title="Fashion-MNIST with VOGN",
        summary="LeNet-5 on 60,000 pictures of clothes, with digits as the set that it "
        "has never seen.",
        time="about a minute",
        config=_config(
            "fashion-mnist", "lenet5", "vogn", TrainingConfig(epochs=5)
        ),
    ),
    Preset(
        name="fashion-seeds",
        title="Is the difference real?",
        summary="VOGN and AdamW on Fashion-MNIST with three seeds each: means, and how "
        "far seeds alone move them.",
        time="five minutes",
        config=_config(
            "fashion-mnist", "lenet5", "vogn", TrainingConfig(epochs=5)
        ),
        race=("vogn", "adamw"),
        seeds=(0, 1, 2),
    ),
    Preset(
        name="large-batch",
        title="Large batches with SP-NGD",
        summary="Batches of 4,096 by its authors' recipe: few steps, each of which "
        "knows the curvature.",
        time="a few minutes",
        config=_large_batch(),
    ),
)  # fmt: skip

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _PRESETS}
