"""Tests of elastic weight consolidation against its equation."""

import pytest
import torch
from torch import nn

from trainers.continual.penalty import Penalty, diagonal_fisher


def test_the_fisher_information_of_a_linear_classifier():
    """E over labels of (p - e)^2 x^2 = p (1 - p) x^2, up to the draws of the labels."""
    torch.manual_seed(0)
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    chances = model(x).softmax(-1).detach()
    exact = (chances * (1 - chances)).T @ x.square() / 4
    generator = torch.Generator().manual_seed(0)
    draws = 4000
    batches = x.repeat(draws, 1).split(4000)
    found = diagonal_fisher(model, batches, generator)["weight"]
    # Of each square's mean the deviation is at most its largest value / 2 / sqrt(draws)
    bound = 6 * x.square().sum(0) / 4 / 2 / draws**0.5
    assert ((found - exact).abs() < bound).all()
    assert all(p.grad is None for p in model.parameters())


def test_batches_count_by_their_images():
    model, x = nn.Linear(3, 2), torch.randn(6, 3)
    whole, parts = (
        diagonal_fisher(model, batches, torch.Generator().manual_seed(0))
        for batches in ([x], [x[:1], x[1:]])
    )
    for name, values in whole.items():
        torch.testing.assert_close(parts[name], values)


def test_the_pull_is_the_gradient_of_all_penalties():
    torch.manual_seed(0)
    model, strength = nn.Linear(3, 2), 5.0
    penalty, kept = Penalty(strength), []
    for _ in range(3):
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.randn_like(p))
        fisher = {n: torch.rand_like(p) for n, p in model.named_parameters()}
        penalty.add(fisher, model)
        kept.append((fisher, {n: p.clone() for n, p in model.named_parameters()}))
    x = torch.randn(4, 3)
    model(x).square().mean().backward()
    penalty.pull(model)
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    loss = model(x).square().mean()
    for fisher, anchor in kept:
        for name, p in model.named_parameters():
            off = (p - anchor[name].detach()).square()
            loss = loss + strength / 2 * (fisher[name] * off).sum()
    loss.backward()
    for gradient, p in zip(got, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, p.grad)


def test_before_the_first_task_there_is_no_pull():
    model = nn.Linear(3, 2)
    model(torch.ones(1, 3)).sum().backward()
    before = model.weight.grad.clone()
    Penalty(1e6).pull(model)
    assert torch.equal(model.weight.grad, before)


@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_a_state_restores_both_sums(strength):
    model, ours, theirs = nn.Linear(3, 2), Penalty(strength), Penalty(strength)
    ours.add({n: torch.rand_like(p) for n, p in model.named_parameters()}, model)
    theirs.load_state_dict(ours.state_dict())
    ours.add(ours.fisher, model)
    assert not torch.equal(ours.fisher["weight"], theirs.fisher["weight"])
    assert theirs.state_dict().keys() == {"fisher", "anchors"}
