"""Ground truth for the library: slow, obvious loops over examples and over weights."""

import math

import torch


def example_gradients(model, loss_of, num):
    """Gradients of `loss_of(i)` for every example i alone, `[num, *shape]` by name."""
    wanted = {k: p for k, p in model.named_parameters() if p.requires_grad}
    rows = {name: [] for name in wanted}
    for i in range(num):
        found = torch.autograd.grad(
            loss_of(i), list(wanted.values()), allow_unused=True
        )
        for (name, parameter), gradient in zip(wanted.items(), found, strict=True):
            nothing = torch.zeros_like(parameter)
            rows[name].append(nothing if gradient is None else gradient)
    return {name: torch.stack(each) for name, each in rows.items()}


def contributions_alone(module, x, g):
    """Gradients of `<module(x_i), g_i>` for every example i, run on its own."""
    return example_gradients(
        module, lambda i: (module(x[i : i + 1]) * g[i : i + 1]).sum(), len(x)
    )


def batch_norm_contributions(x, g, eps):
    """Per-example scale and shift gradients with the statistics of the batch fixed."""
    num, channels = x.shape[:2]
    scale, shift = torch.zeros(num, channels), torch.zeros(num, channels)
    for c in range(channels):
        values = x[:, c].flatten().tolist()
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        for n in range(num):
            for a, b in zip(
                x[n, c].flatten().tolist(), g[n, c].flatten().tolist(), strict=True
            ):
                scale[n, c] += (a - mean) / math.sqrt(variance + eps) * b
                shift[n, c] += b
    return {"weight": scale, "bias": shift}


class ScalarVOGN:
    """VOGN of a single weight, in Python numbers, after the module docstring."""

    def __init__(
        self, mu, *, num_data, lr, momentum, decay, initial, prior, tau, gamma
    ):
        self.mu, self.s, self.m, self.t = mu, initial, 0.0, 0
        self.num_data, self.lr, self.beta, self.decay = num_data, lr, momentum, decay
        self.prior, self.tau, self.gamma = prior, tau, gamma

    def precision(self):
        """P of the posterior."""
        likelihood = self.num_data * (self.s + self.gamma)
        return (likelihood + self.tau * self.prior) / self.tau

    def step(self, g, h):
        """One step with mean gradient g and mean square h."""
        self.t += 1
        delta = self.tau * self.prior / self.num_data
        self.m = self.beta * self.m + (1 - self.beta) * (g + delta * self.mu)
        self.s = self.decay * self.s + (1 - self.decay) * h
        corrected = self.m / (1 - self.beta**self.t)
        self.mu -= self.lr * corrected / (self.s + self.gamma + delta)


def integrate_gaussian(function, mean, variance, *, points=4001, width=12.0):
    """E[function(w)] for w ~ N(mean, variance), by the trapezoid rule."""
    z = torch.linspace(-width, width, points, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return torch.trapezoid(density * function(mean + variance**0.5 * z), z)


def solve_fixed_point(function, start, *, steps=200):
    """The x with x = function(x), by plain iteration from `start`."""
    for _ in range(steps):
        start = function(start)
    return start


def best_gaussian(loss, num_data, prior, tau, start):
    """Mean and precision of the q that minimises N E_q[loss] + tau KL(q || prior).

    Args:
        loss: Mean loss over the data of weights [W], `[W]`.
        num_data: N.
        prior: Precision of the normal prior around 0.
        tau: Weight of the divergence.
        start: Mean and precision to start from.

    Returns:
        Two numbers, found by minimising the integral itself.
    """
    mean, log_precision = (torch.tensor(x, dtype=torch.float64) for x in start)
    variables = [mean.requires_grad_(), log_precision.log_().requires_grad_()]
    search = torch.optim.LBFGS(
        variables,
        max_iter=200,
        tolerance_grad=1e-10,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def objective():
        search.zero_grad()
        variance = (-log_precision).exp()
        expected = integrate_gaussian(loss, mean, variance)
        divergence = prior * (variance + mean.square()) / 2 + log_precision / 2
        total = num_data * expected / tau + divergence
        total.backward()
        return total

    search.step(objective)
    return mean.item(), log_precision.exp().item()
