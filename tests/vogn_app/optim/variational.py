"""IVON and Vadam of a single weight in Python numbers, and what their tests share."""

import math

import torch
from torch import nn


class OneWeight(nn.Module):
    """Gives w * x."""

    def __init__(self, value=0.7):
        super().__init__()
        self.linear = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.linear.weight, value)

    def forward(self, x):
        return self.linear(x)


class ScalarIVON:
    """After the docstring of `vogn_app.optim.ivon`; a step is told its noise."""

    def __init__(
        self, mu, *, num_data, lr, momentum, decay, initial, prior, tau, gamma,
        radius=math.inf, debias=True, rescale=True,
    ):  # fmt: skip
        self.mu, self.s, self.m, self.t = mu, initial, 0.0, 0
        self.initial, self.num_data, self.lr = initial, num_data, lr
        self.beta, self.decay, self.radius = momentum, decay, radius
        self.delta, self.gamma, self.tau = tau * prior / num_data, gamma, tau
        self.debias, self.rescale = debias, rescale

    def precision(self):
        return self.num_data * (self.s + self.gamma + self.delta) / self.tau

    def step(self, draws):
        """One step of draws (w, g), each with the gradient at it."""
        g = sum(g for _, g in draws) / len(draws)
        u = sum((w - self.mu) * g for w, g in draws) / len(draws)
        self.t += 1
        self.m = self.beta * self.m + (1 - self.beta) * g
        c, f = self.s + self.gamma + self.delta, u * self.precision()
        e = (1 - self.decay) * (f - self.s)
        self.s += e + e**2 / (2 * c)
        c = self.s + self.gamma + self.delta
        m = self.m / (1 - self.beta**self.t) if self.debias else self.m
        change = (m + self.delta * self.mu) / c
        rate = self.lr
        if self.rescale:
            rate *= self.initial + self.gamma + self.delta
        self.mu -= rate * max(-self.radius, min(self.radius, change))


class ScalarVadam:
    """After the docstring of `vogn_app.optim.vadam`."""

    def __init__(
        self, mu, *, num_data, lr, momentum, decay, initial, prior, tau, gamma
    ):
        self.mu, self.v, self.m, self.t = mu, 0.0, 0.0, 0
        self.initial, self.num_data, self.lr = initial, num_data, lr
        self.beta, self.decay, self.tau = momentum, decay, tau
        self.prior, self.gamma = prior, gamma

    def precision(self):
        s = self.v + self.decay**self.t * self.initial
        likelihood = self.num_data * (s + self.gamma)
        return (likelihood + self.tau * self.prior) / self.tau

    def step(self, draws):
        """One step of draws (w, g)."""
        g = sum(g for _, g in draws) / len(draws)
        share = self.tau * self.prior / self.num_data
        self.t += 1
        self.m = self.beta * self.m + (1 - self.beta) * (g + share * self.mu)
        self.v = self.decay * self.v + (1 - self.decay) * g**2
        m = self.m / (1 - self.beta**self.t)
        v = self.v / (1 - self.decay**self.t)
        self.mu -= self.lr * m / (math.sqrt(v) + share + 1e-8)


def drawn_step(optimizer, model, x, num=1):
    """A step on the loss mean of w^2 x / 2; gives draws and gradients, as numbers."""
    draws = []
    for _ in range(num):
        with optimizer.sampled_params(train=True):
            w = model.linear.weight
            (model(x) * w / 2).mean().backward()
            draws.append((w.item(), (w * x.mean()).item()))
    optimizer.step()
    return draws


def train(optimizer, batches, num_samples=1, scheduler=None):
    """Steps on (inputs, classes)."""
    for x, y in batches:
        for _ in range(num_samples):
            with optimizer.sampled_params(train=True):
                optimizer.zero_grad()
                nn.functional.cross_entropy(optimizer.model(x), y).backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


def averages(optimizer, model):
    """Means, averages and counts by name."""
    return {
        f"{name}.{key}": value
        for name, p in model.named_parameters()
        for key, value in [("mean", p.detach()), *optimizer.state[p].items()]
        if isinstance(value, torch.Tensor)
    }
