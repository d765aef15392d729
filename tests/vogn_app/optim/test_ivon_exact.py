"""Where IVON ends on a quadratic loss: at the best diagonal Gaussian, exactly.

Linear regression, with unit noise, on all the data at every step; the rows of one layer
are replicas that share nothing but the data. With H the Hessian of the mean loss, the
exact answer has the precision P = N diag(H) / tau + delta and the mean of the ridge
regression with tau delta / N.

How far from it s may be. With z the normals of a draw and r the gradient at mu, the
estimate of weight i is

    f = H_ii z_i^2 + sum over j != i of H_ij sqrt(P_i / P_j) z_i z_j + sqrt(P_i) r_i z_i

with mean H_ii and variance V = 2 H_ii^2 + sum H_ij^2 P_i / P_j + P_i r_i^2. So with the
decay rho, s moves about with a variance of (1 - rho) V / (1 + rho), and the correction
e^2 / (2 c) raises it by (1 - rho) V / (2 c), one or two percent here, where the step's
mean change vanishes; what is left of its start is rho^NUM_STEPS. Both hold to first
order in 1 - rho, so a half of the rise is allowed beside six errors of the average over
replicas. The mean moves about too, by lr, and must lie within its own six errors.
"""

import math

import pytest
import torch
from torch import nn

from vogn_app import IVON

REPLICAS, NUM_STEPS, DECAY, NUM_DATA, PRIOR, START = 400, 700, 0.99, 20, 4.0, 3.0


@pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])
def test_linear_regression_ends_at_the_exact_diagonal_posterior(tau):
    inputs = torch.randn(NUM_DATA, 3) * torch.tensor([0.7, 1.0, 1.5])
    labels = inputs @ torch.tensor([1.0, -1.0, 0.5]) + torch.randn(NUM_DATA)
    model = nn.Linear(3, REPLICAS, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = IVON(
        model, num_data=NUM_DATA, curvature_decay=DECAY, initial_curvature=START,
        prior_precision=PRIOR, temperature=tau, damping=0.0, rescale_lr=False,
    )  # fmt: skip
    for step in range(NUM_STEPS):
        optimizer.param_groups[0]["lr"] = 0.1 * 0.01 ** (step / NUM_STEPS)
        with optimizer.sampled_params(train=True):
            residuals = model(inputs) - labels[:, None]
            (residuals.square().sum(1) / 2).mean().backward()
        optimizer.step()

    hessian, delta = inputs.T @ inputs / NUM_DATA, tau * PRIOR / NUM_DATA
    ridge = hessian + delta * torch.eye(3)
    mean = torch.linalg.solve(ridge, inputs.T @ labels / NUM_DATA)
    weights = model.weight.detach()
    error = weights.std(0) / math.sqrt(REPLICAS)
    assert ((weights.mean(0) - mean).abs() < 6 * error + 1e-3).all()
    assert (weights.std(0) < 0.3 * (NUM_DATA * ridge.diagonal() / tau).rsqrt()).all()

    exact, total = hessian.diagonal(), ridge.diagonal()
    others = (hessian - exact.diag()).square() @ (1 / total) * total
    variance = 2 * exact**2 + others + NUM_DATA * total / tau * (delta * mean) ** 2
    rise = (1 - DECAY) * variance / (2 * total)
    left = DECAY**NUM_STEPS * START
    s = (optimizer.posterior_precision()["weight"] - PRIOR) * tau / NUM_DATA
    deviation = ((1 - DECAY) / (1 + DECAY) * variance).sqrt()
    assert ((s.std(0) / deviation - 1).abs() < 0.25).all()
    bound = 6 * s.std(0) / math.sqrt(REPLICAS) + rise / 2 + left
    assert ((s.mean(0) - exact - rise).abs() < bound).all()
    assert (bound < 0.07 * exact).all()
