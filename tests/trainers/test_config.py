"""Tests of the configuration of a run."""

import json
import shlex

import pytest

from tests.trainers.examples import config
from trainers.__main__ import build_parser, config_from_options
from trainers.catalogue import OPTIMIZERS
from trainers.config import (
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
    command,
    command_line,
)

CONFIGS = [
    config(),
    config(dataset="digits", model="lenet5", optimizer="adamw"),
    config(optimizer={"name": "vogn", "hyperparameters": {"lr": 1e-5, "damping": 0.1}}),
    config(optimizer={"name": "vogn", "hyperparameters": {"batch_norm": "sampled"}}),
    config(optimizer={"name": "sgd", "hyperparameters": {"nesterov": True}}),
    config(
        dataset={"name": "fashion-mnist", "validation_fraction": 0, "split_seed": 3},
        model="timm:resnet18",
        evaluation={"ood": "digits", "test_samples": 1},
    ),
    config(dataset={"name": "folder", "folder": "/some where/é"}, model="resnet20"),
    config(dataset="digits", model={"name": "timm:resnet18", "pretrained": True}),
    config(dataset="digits", model={"name": "timm:x", "weights": "/a b/w.safetensors"}),
    config(
        training={"schedule": "constant", "device": "cuda:1", "seed": 7, "epochs": 1}
    ),
    config(training={"num_processes": 2, "device": "cuda"}),
    config(
        dataset="digits",
        optimizer={"name": "sp_ngd", "hyperparameters": {"staleness": 0}},
        training={
            "schedule": "polynomial",
            "decay_power": 11,
            "decay_start": 0.5,
            "decay_end": 7.25,
            "couple_momentum": True,
            "mixup": 0.4,
            "random_erasing": 0.5,
            "label_smoothing": 0.1,
            "rescale_weights": True,
        },
    ),
]


@pytest.mark.parametrize("original", CONFIGS)
def test_a_configuration_survives_json_exactly(original):
    content = json.loads(json.dumps(original.to_dict(), allow_nan=False))
    assert RunConfig.from_dict(content) == original
    assert RunConfig.from_dict(content).to_dict() == original.to_dict()


@pytest.mark.parametrize("original", CONFIGS)
def test_the_command_repeats_the_run(original):
    assert shlex.split(command_line(original)) == command(original)
    words = command(original)[3:]
    assert config_from_options(build_parser().parse_args(words)) == original


def test_the_command_names_the_processes():
    several = config(training={"num_processes": 2})
    assert command_line(several).endswith(
        " --num-processes 2 --test-samples 3 --validation-samples 2 --ood none"
    )


def test_the_command_leaves_out_defaults():
    plain = RunConfig(
        dataset=DatasetConfig(name="moons"),
        model=ModelConfig(name="mlp"),
        optimizer=OptimizerConfig(name="vogn"),
    )
    assert command_line(plain) == (
        "python -m trainers run --dataset moons --model mlp --optimizer vogn"
    )


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: DatasetConfig(name="x"), "^dataset must be one of .*got 'x'"),
        (lambda: DatasetConfig(name=3), "dataset must be a text, got 3."),
        (lambda: DatasetConfig(name="photo-patches"), "dataset must be one that can"),
        (lambda: DatasetConfig(name="folder"), "folder must be given for dataset"),
        (
            lambda: DatasetConfig(name="moons", folder="a"),
            "folder must be left out for dataset 'moons', got 'a'",
        ),
        (lambda: DatasetConfig(name="folder", folder=5), "folder must be a text"),
        (
            lambda: DatasetConfig(name="moons", validation_fraction=0.6),
            r"validation_fraction must be a number in \[0, 0.5\], got 0.6",
        ),
        (
            lambda: DatasetConfig(name="moons", validation_fraction=float("nan")),
            "validation_fraction must be .* got nan",
        ),
        (
            lambda: DatasetConfig(name="moons", validation_fraction="0.1"),
            "validation_fraction must be .* got '0.1'",
        ),
        (
            lambda: DatasetConfig(name="moons", split_seed=-1),
            r"split_seed must be a whole number in \[0, 2147483647\], got -1",
        ),
        (lambda: ModelConfig(name="x"), "model must be one of"),
        (lambda: ModelConfig(name=None), "model must be a text, got None."),
        (
            lambda: ModelConfig(name="lenet5", pretrained=True),
            "pretrained must be false for model 'lenet5', which is none of timm's",
        ),
        (
            lambda: ModelConfig(name="timm:nf_resnet26", pretrained=True),
            "for model 'timm:nf_resnet26', of which timm has no weights, got True.",
        ),
        (
            lambda: ModelConfig(name="timm:resnet18", pretrained="yes"),
            "pretrained must be true or false, got 'yes'.",
        ),
        (
            lambda: ModelConfig(name="mlp", weights="a.safetensors"),
            "weights must be left out for model 'mlp'",
        ),
        (
            lambda: ModelConfig(name="timm:resnet18", weights="a.pth"),
            r"weights must be a .safetensors file \(others can run code .* got 'a.pth'",
        ),
        (
            lambda: ModelConfig(name="timm:resnet18", weights=5),
            "weights must be a text, got 5.",
        ),
        (lambda: OptimizerConfig(name="x"), "optimizer must be one of"),
        (lambda: OptimizerConfig(name=[]), "optimizer must be a text"),
        (
            lambda: OptimizerConfig(name="sgd", hyperparameters={"lr": 0}),
            r"lr must be a number in \(0, 1e\+06\], got 0.",
        ),
        (
            lambda: OptimizerConfig(name="sgd", hyperparameters=[]),
            r"hyperparameters must be an object, got \[\].",
        ),
        (lambda: TrainingConfig(epochs=0), r"epochs must be .* in \[1, 100000\]"),
        (lambda: TrainingConfig(epochs=True), "epochs must be .* got True"),
        (lambda: TrainingConfig(batch_size=1.0), "batch_size must be .* got 1.0"),
        (lambda: TrainingConfig(seed=2**31), "seed must be a whole number"),
        (lambda: TrainingConfig(log_interval=0), "log_interval must be"),
        (
            lambda: TrainingConfig(num_processes=0),
            r"num_processes must be a whole number in \[1, 1024\], got 0.",
        ),
        (lambda: TrainingConfig(num_processes=1025), "num_processes must be .* 1025"),
        (
            lambda: TrainingConfig(num_processes=2, device="cuda:1"),
            "device must be auto, cpu or cuda for 2 processes, got 'cuda:1'.",
        ),
        (lambda: TrainingConfig(schedule="x"), "schedule must be one of cosine, const"),
        (lambda: TrainingConfig(mixup=-0.1), r"mixup must be a number in \[0, 100\]"),
        (lambda: TrainingConfig(mixup=True), "mixup must be a number .* got True"),
        (lambda: TrainingConfig(mixup=float("nan")), "mixup must be .* got nan"),
        (lambda: TrainingConfig(random_erasing=1.5), "random_erasing must be .* 1.5"),
        (lambda: TrainingConfig(label_smoothing="x"), "label_smoothing must be .* 'x'"),
        (lambda: TrainingConfig(decay_power=-1), "decay_power must be a number in"),
        (
            lambda: TrainingConfig(couple_momentum=1),
            "couple_momentum must be true or false, got 1.",
        ),
        (lambda: TrainingConfig(rescale_weights="yes"), "rescale_weights must be true"),
        (
            lambda: TrainingConfig(schedule="polynomial", epochs=3, decay_start=3),
            "decay_start must be < 3, where the decay ends, got 3.",
        ),
        (
            lambda: TrainingConfig(
                schedule="polynomial", decay_start=2.5, decay_end=2.5
            ),
            "decay_start must be < 2.5, where the decay ends, got 2.5.",
        ),
        (lambda: TrainingConfig(device="gpu"), "device must be auto, cpu, cuda or"),
        (lambda: TrainingConfig(device=["cpu"]), "device must be a text"),
        (lambda: TrainingConfig(device="cuda:999"), "device must be auto, cpu, cuda"),
        (lambda: EvaluationConfig(test_samples=0), "test_samples must be"),
        (lambda: EvaluationConfig(validation_samples=5000), "validation_samples must"),
        (lambda: EvaluationConfig(ood="x"), "^ood must be one of .*got 'x'"),
        (lambda: EvaluationConfig(ood=[]), "ood must be a text"),
    ],
)
def test_values_that_are_not_allowed_are_refused(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_a_network_for_images_takes_no_points():
    with pytest.raises(ValueError, match="model must take points inputs for dataset"):
        config(dataset="moons", model="lenet5")


@pytest.mark.parametrize(
    ("dataset", "ood"),
    [("digits", "digits"), ("moons", "digits"), ("digits", "moons")],
)
def test_the_ood_set_must_be_another_set_of_images(dataset, ood):
    with pytest.raises(ValueError, match="ood must be another set of images for"):
        config(dataset=dataset, model="mlp", evaluation={"ood": ood})


def test_points_cannot_be_erased():
    with pytest.raises(
        ValueError, match=r"random_erasing must be 0 for dataset 'moons', .* got 0\.5"
    ):
        config(training={"random_erasing": 0.5})
    config(dataset="digits", training={"random_erasing": 0.5})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_momentum_is_coupled_where_there_is_a_velocity(name):
    if name in {"sgd", "noisy_kfac", "kfac", "sp_ngd"}:
        assert config(optimizer=name, training={"couple_momentum": True})
        return
    with pytest.raises(
        ValueError, match=f"couple_momentum must be false for optimizer '{name}'"
    ):
        config(optimizer=name, training={"couple_momentum": True})


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac"])
def test_weights_with_a_posterior_are_not_rescaled(name):
    with pytest.raises(
        ValueError, match=f"rescale_weights must be false for optimizer '{name}'"
    ):
        config(optimizer=name, training={"rescale_weights": True})


def test_without_a_posterior_vogn_may_rescale_its_weights():
    mean = {"name": "vogn", "hyperparameters": {"sampled": False}}
    assert config(optimizer=mean, training={"rescale_weights": True})


def test_the_decay_matters_to_its_schedule_alone():
    assert TrainingConfig(epochs=3, decay_start=5).decay_start == 5
    assert isinstance(TrainingConfig(mixup=1).mixup, float)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"schema": 2}, "schema must be 1, got 2."),
        ({"schema": None}, "schema must be 1, got None."),
        ({"extra": 1}, "configuration must have only the keys .*, got 'extra'."),
        ({"dataset": None}, "dataset must be an object, got None."),
        ({"dataset": {}}, "dataset must have a name, got {}."),
        ({"dataset": {"name": "moons", "size": 1}}, "dataset must have only .*'size'"),
        ({"model": {"name": 5}}, "model must be a text, got 5."),
        ({"training": {"epoch": 1}}, "training must have only the keys .*got 'epoch'"),
        ({"optimizer": {"name": "sgd", "hyperparameters": 5}}, "hyperparameters must"),
        (
            {"optimizer": {"name": "sgd", "hyperparameters": {"x": 1}}},
            "hyper-parameter of sgd must be one of",
        ),
    ],
)
def test_damaged_content_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        RunConfig.from_dict(config().to_dict() | change)


@pytest.mark.parametrize("content", [None, [], "x", 3])
def test_content_must_be_an_object(content):
    with pytest.raises(ValueError, match="configuration must be an object, got"):
        RunConfig.from_dict(content)


def test_configurations_from_before_pretrained_networks_are_read():
    content = config(dataset="digits", model="timm:resnet18").to_dict()
    content["model"] = {"name": "timm:resnet18"}
    model = RunConfig.from_dict(content).model
    assert (model.pretrained, model.weights, model.begins_trained) == (
        False, None, False,
    )  # fmt: skip


def test_the_command_names_the_weights():
    chosen = {"name": "timm:resnet18", "pretrained": True, "weights": "/w.safetensors"}
    words = command(config(dataset="digits", model=chosen))
    assert words[words.index("--pretrained") + 1] == "True"
    assert words[words.index("--weights") + 1] == "/w.safetensors"


def test_the_note_of_the_code_version_is_allowed():
    content = config().to_dict() | {"code_version": "1.2"}
    assert RunConfig.from_dict(content) == config()
