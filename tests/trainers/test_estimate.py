"""Tests of measuring what a run will cost."""

import json
import subprocess
import sys
from functools import partial

import pytest
import torch

from tests.trainers.building import built
from tests.trainers.examples import config
from trainers import estimate, lanes
from trainers.batches import DeviceSplit
from trainers.estimate import measure, period, random_split
from trainers.models import build_model
from trainers.sizes import Sizes

CPU = torch.device("cpu")
QUICK = 0.2


@pytest.mark.parametrize("optimizer", ["vogn", "adamw", "kfac"])
def test_it_measures_steps_predictions_and_memory(optimizer):
    chosen = config(
        dataset="digits", model="lenet5", optimizer=optimizer,
        training={"device": "cpu", "batch_size": 32, "mixup": 0.2},
    )  # fmt: skip
    state = torch.get_rng_state()
    cost = measure(chosen, QUICK)
    torch.set_rng_state(state)
    assert cost.fits
    assert cost.parameters == sum(
        each.numel() for each in build_model("lenet5", (1, 8, 8), 10).parameters()
    )
    assert 0 < cost.step.low <= cost.step.middle <= cost.step.high
    assert cost.num_steps >= 1
    assert cost.batch_size == 32
    assert 0 < cost.predict < 1
    assert cost.draw == 0 or optimizer == "vogn"
    assert 50e6 < cost.memory < cost.available
    assert json.loads(cost.to_json())


def test_a_share_of_the_batch_is_measured_and_all_processes_count():
    def measured(processes):
        return measure(
            config(dataset="digits", model="mlp", optimizer="sgd",
                   training={"device": "cpu", "batch_size": 9,
                             "num_processes": processes}), QUICK,
        )  # fmt: skip

    several = measured(4)
    assert several.batch_size == 3
    assert several.memory > 3 * measured(1).memory


def test_processes_share_out_the_members_of_an_ensemble_and_not_the_batch():
    own = {"name": "ensemble", "hyperparameters": {"members": 3}}
    training = {"device": "cpu", "batch_size": 9, "num_processes": 2}
    chosen = config(optimizer=own, training=training)
    assert measure(chosen, 0.01).batch_size == 9
    stepped = []
    model = build_model("mlp", (2,), 2)
    optimizer = built(chosen.optimizer, model)
    for place, member in enumerate(optimizer.members):
        member.optimizer.step = partial(stepped.append, place)
    split = random_split(Sizes(input_shape=(2,), num_classes=2, train=9,
                               validation=0, test=3), 4, CPU)  # fmt: skip
    estimate._stepper(chosen, model, optimizer, split)(0)
    assert stepped == [0, 2]  # the first process has two of three


@pytest.mark.parametrize("optimizer", ["swag", "laplace"])
def test_draws_are_measured_of_what_is_collected_in_the_end(optimizer):
    cost = measure(config(optimizer=optimizer, training={"device": "cpu"}), 0.01)
    assert 0 < cost.draw < 0.1


def test_what_the_process_has_already_is_not_counted_twice(monkeypatch):
    monkeypatch.setattr(estimate, "free_memory", lambda _: 7_000_000)
    monkeypatch.setattr(estimate, "_measured", lambda cost, *_: cost)
    cost = measure(config(dataset="moons", training={"device": "cpu"}))
    # Nothing was done: what the process has is all that it takes, and there is more.
    assert cost.memory - cost.available == pytest.approx(-7e6, abs=6e6)


def test_a_batch_larger_than_the_data_is_the_data():
    chosen = config(training={"device": "cpu", "batch_size": 5000})
    assert measure(chosen, QUICK).batch_size == 700


def test_what_does_not_fit_is_told(monkeypatch):
    def full(*given, **named):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(lanes, "gradients", full)
    cost = measure(config(training={"device": "cpu"}), QUICK)
    assert not cost.fits
    assert cost.problem.startswith("A batch of 100 does not fit into the memory of the")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such limit")
def test_a_process_gets_an_error_before_the_machine_is_full():
    code = (
        "import torch; from trainers import estimate, memory\n"
        "from tests.trainers.examples import config\n"
        "memory.limit_memory(300_000_000)\n"
        "chosen = config(dataset='fashion-mnist', model='resnet20', optimizer='sgd',\n"
        "    training={'batch_size': 50_000, 'device': 'cpu'})\n"
        "print(estimate.measure(chosen, 1.0).problem)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("A batch of 50000 does not fit into the memory of")


def test_other_errors_are_not_hidden(monkeypatch):
    def wrong(*given, **named):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(lanes, "gradients", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        measure(config(training={"device": "cpu"}), QUICK)
    with pytest.raises(ValueError, match="model must be a name that timm knows"):
        measure(config(dataset="digits", model="timm:@@", training={"device": "cpu"}))


def test_the_period_is_the_longest_of_the_intervals():
    assert period(config(optimizer="sgd")) == 1
    assert period(config(dataset="digits", optimizer="kfac")) == 10
    rare = {"name": "kfac", "hyperparameters": {"inverse_interval": 5000}}
    assert period(config(dataset="digits", optimizer=rare)) == 100


@pytest.mark.parametrize("shape", [(2,), (3, 8, 8)])
def test_random_inputs_look_like_the_data(shape):
    sizes = Sizes(input_shape=shape, num_classes=5, train=9, validation=0, test=3)
    split = random_split(sizes, 12, CPU)
    assert isinstance(split, DeviceSplit)
    inputs, labels = split.take(torch.arange(12))
    assert inputs.shape == (12, *shape)
    assert set(labels.tolist()) == set(range(5))
    assert abs(float(inputs.mean())) < 0.1
    # The largest class is among the labels of however few rows: mixup counts by it.
    assert int(random_split(sizes, 2, CPU).labels.max()) == 4
