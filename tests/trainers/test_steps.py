"""Tests of one step."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.trainers.building import built
from trainers.config import OptimizerConfig
from trainers.steps import train_step


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("vogn", {"num_samples": 2}),
        ("noisy_kfac", {"num_samples": 2}),
        ("kfac", {"damping": 0.01}),
        ("sp_ngd", {"damping": 0.01}),
        ("adamw", {"lr": 0.01}),
        ("sgd", {}),
        ("lamb", {"lr": 0.03}),
    ],
)
def test_steps_lower_the_loss(name, hyperparameters):
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    settings = OptimizerConfig(name=name, hyperparameters=hyperparameters)
    optimizer = built(settings, model, 1000, 0)
    inputs = torch.randn(64, 2)
    labels = (inputs.sum(1) > 0).long()
    losses = [train_step(model, optimizer, inputs, labels)[0] for _ in range(60)]
    assert torch.stack(losses[-5:]).mean() < 0.7 * losses[0]


def test_a_step_tells_the_loss_before_it_and_counts_what_was_right():
    model = nn.Linear(2, 2)
    settings = OptimizerConfig(name="sgd")
    optimizer = built(settings, model, 10, 0)
    inputs, labels = torch.randn(10, 2), torch.randint(2, (10,))
    logits = model(inputs).detach()
    loss, correct = train_step(model, optimizer, inputs, labels)
    assert float(loss) == float(functional.cross_entropy(logits, labels))
    assert int(correct) == int((logits.argmax(1) == labels).sum())


@pytest.mark.parametrize("size", [4, 10])
def test_weighted_shares_add_up_to_the_batch(size):
    model = nn.Linear(2, 2)
    inputs, labels = torch.randn(10, 2), torch.randint(2, (10,))
    optimizer = built(OptimizerConfig(name="sgd"), model, 10, 0)
    optimizer.step = lambda: None  # only the gradients are of interest
    train_step(model, optimizer, inputs, labels)
    expected, found = model.weight.grad, torch.zeros(2, 2)
    for part in (slice(0, size), slice(size, 10)):
        weight = len(labels[part]) / 10
        if weight:
            train_step(model, optimizer, inputs[part], labels[part], weight)
            found += model.weight.grad
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac"])
def test_without_rows_an_optimizer_that_draws_takes_part_with_nothing(
    monkeypatch, name
):
    model = nn.Linear(2, 2)
    optimizer = built(
        OptimizerConfig(name=name, hyperparameters={"num_samples": 3}), model, 10, 0
    )
    blocks, real = [], optimizer.sampled_params

    def counted(**options):
        blocks.append(options)
        return real(**options)

    monkeypatch.setattr(optimizer, "sampled_params", counted)
    monkeypatch.setattr(optimizer, "step", lambda: None)
    nothing = torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64)
    loss, correct = train_step(model, optimizer, *nothing)
    assert (float(loss), float(correct)) == (0, 0)
    assert blocks == [{"train": True}] * 3
    assert model.weight.grad is None


def test_targets_may_be_probabilities_and_smoothed():
    model = nn.Linear(2, 3)
    optimizer = built(OptimizerConfig(name="sgd"), model, 10, 0)
    inputs, targets = torch.randn(10, 2), torch.rand(10, 3).softmax(1)
    logits = model(inputs).detach()
    loss, correct = train_step(model, optimizer, inputs, targets, label_smoothing=0.25)
    smooth = 0.75 * targets + 0.25 / 3
    expected = -(smooth * logits.log_softmax(1)).sum(1).mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert int(correct) == int((logits.argmax(1) == targets.argmax(1)).sum())


def test_classes_as_probabilities_are_the_same():
    model = nn.Linear(2, 3)
    inputs, labels = torch.randn(10, 2), torch.randint(3, (10,))
    found = []
    for targets in (labels, torch.eye(3)[labels]):
        optimizer = built(OptimizerConfig(name="sgd"), model, 10, 0)
        optimizer.step = lambda: None
        loss, correct = train_step(model, optimizer, inputs, targets)
        found.append((loss, correct, model.weight.grad.clone()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
