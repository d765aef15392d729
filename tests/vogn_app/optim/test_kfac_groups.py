"""Parameter groups of K-FAC: settings of their own, which schedulers change."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import (
    backward,
    close,
    convolutional,
    gradients_of,
    images,
    parameters_of,
    train,
)
from tests.vogn_app.optim.test_kfac import SETTINGS, twins
from vogn_app import KFAC, SPNGD, KroneckerPreconditioner, NoisyKFAC


def groups_of(model):
    return [
        {"params": list(model[:4].parameters()), "lr": 0.05, "momentum": 0.0},
        {"params": list(model[4:].parameters()), "weight_decay": 0.2},
    ]


def test_groups_have_settings_of_their_own_and_schedulers_change_them():
    ours, theirs = twins()
    kfac = KFAC(ours, 0.1, params=groups_of(ours), kl_clip=None, **SETTINGS)
    sgd = torch.optim.SGD(groups_of(theirs), 0.1, momentum=0.9)
    preconditioner = KroneckerPreconditioner(theirs, **SETTINGS)
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(o, 0.2, total_steps=6, cycle_momentum=False)
        for o in (kfac, sgd)
    ]
    for _ in range(5):
        x, y = images()
        train(kfac, ours, [(x, y)])
        sgd.zero_grad()
        F.cross_entropy(theirs(x), y).backward()
        preconditioner.step()
        sgd.step()
        for schedule in schedules:
            schedule.step()
        close(parameters_of(ours), parameters_of(theirs))
    rates = [group["lr"] for group in kfac.param_groups]
    assert rates == [group["lr"] for group in sgd.param_groups]


def scaled_step(kfac, model, x, y, scale):
    """A step whose gradients still carry a scale, as `GradScaler.step` has it."""
    backward(model, x, y, factor=scale or 1.0)
    if scale is not None:
        kfac.grad_scale, kfac.found_inf = torch.tensor(scale), torch.tensor(0.0)
    kfac.step()
    if scale is not None:
        del kfac.grad_scale, kfac.found_inf


@pytest.mark.parametrize("bound", [1e-5, 1e-2, 1e6])
@pytest.mark.parametrize("scale", [None, 256.0])
def test_the_whole_step_is_kept_within_a_trust_region(bound, scale):
    """The change of the sum of steps, followed by its recursion, at each group's lr."""
    ours, theirs = twins()
    settings = {**SETTINGS, "factor_decay": 0.0}
    groups = groups_of(ours)
    groups[0] |= {"momentum": 0.5}
    kfac = KFAC(ours, 0.1, params=groups, kl_clip=bound, **settings)
    preconditioner = KroneckerPreconditioner(theirs, **settings)
    weights = parameters_of(theirs)
    rate, momentum, decay = (
        {k: a if int(k[0]) < 4 else b for k in weights}
        for a, b in ((0.05, 0.1), (0.5, 0.9), (0.0, 0.2))
    )
    steps = {k: torch.zeros_like(p) for k, p in weights.items()}
    changes, factors = {0.05: 0.0, 0.1: 0.0}, []
    for _ in range(4):
        x, y = images()
        theirs.load_state_dict(weights)
        backward(theirs, x, y)
        gradients, natural = gradients_of(theirs), preconditioner.natural_gradients()
        for lr in changes:
            names = [k for k in weights if rate[k] == lr]
            changes[lr] *= momentum[names[0]] ** 2
            for k in names:
                terms = natural[k] + 2 * momentum[k] * steps[k]
                changes[lr] += (terms * gradients[k]).sum().item()
            changes[lr] = max(changes[lr], 0.0)
        change = sum(lr**2 * q for lr, q in changes.items())
        factors.append(min(1.0, (bound / change) ** 0.5))
        changes = {lr: factors[-1] ** 2 * q for lr, q in changes.items()}
        for k, p in weights.items():
            new = momentum[k] * steps[k] + natural[k] + decay[k] * p
            steps[k] = factors[-1] * new
            weights[k] = p - rate[k] * steps[k]
        scaled_step(kfac, ours, x, y, scale)
        close(parameters_of(ours), weights)
    assert (factors[-1] < 1) == (bound < 1)


@pytest.mark.parametrize("number", [np.float32(0.5), torch.tensor(0.5)], ids=str)
@pytest.mark.parametrize("make", [KFAC, SPNGD, partial(NoisyKFAC, num_data=9)])
def test_numbers_may_be_those_of_numpy_and_torch(make, number):
    model = nn.Linear(2, 2)
    groups = [{"params": [model.weight], "lr": number}, {"params": [model.bias]}]
    optimizer = make(model, lr=number, momentum=number, params=groups)
    for group in optimizer.param_groups:
        assert type(group["lr"]) is type(group["momentum"]) is float
        assert group["lr"] == group["momentum"] == 0.5


def test_a_group_that_comes_later_is_refused():
    model = convolutional()
    kfac = KFAC(model, 0.1, params=model[:4].parameters())
    with pytest.raises(
        ValueError, match=r"^params must all be given when the optimizer"
    ):
        kfac.add_param_group({"params": list(model[4:].parameters())})
    assert len(kfac.param_groups) == 1
