"""Tests of ensembles as one optimizer."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.vogn_app.distributed.processes import run
from vogn_app import VOGN, Ensemble

M = 3


def networks(num=M):
    models = []
    for seed in range(num):
        torch.manual_seed(seed)
        models.append(
            nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        )
    return models


def adamw(models):
    each = [torch.optim.AdamW(m.parameters(), lr=0.01 * (1 + k))
            for k, m in enumerate(models)]  # fmt: skip
    return Ensemble(each, models)


def vogn(models):
    each = [
        VOGN(m, num_data=40, seed=k, process_group=None) for k, m in enumerate(models)
    ]
    return Ensemble(each, models)


def data():
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(40, 3, generator=generator, dtype=torch.get_default_dtype())
    return x, (x.sum(1) > 0).long()


def train(optimizer, steps=4):
    """Steps of all members that this process trains."""
    x, y = data()
    optimizer.zero_grad()
    for _ in range(steps):
        for member in optimizer.own:
            member.optimizer.zero_grad()
            sampled = isinstance(member.optimizer, VOGN)
            if sampled:
                with member.optimizer.sampled_params(train=True):
                    functional.cross_entropy(member.model(x), y).backward()
            else:
                functional.cross_entropy(member.model(x), y).backward()
        optimizer.step()


def weights(models):
    return [each.detach().clone() for m in models for each in m.state_dict().values()]


def assert_equal(first, second):
    assert len(first) == len(second)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_members_end_as_they_would_alone():
    together, alone = networks(), networks()
    train(adamw(together))
    for k, model in enumerate(alone):
        own = torch.optim.AdamW(model.parameters(), lr=0.01 * (1 + k))
        train(Ensemble([own], [model]))
    assert_equal(weights(together), weights(alone))


def test_a_point_posterior_draws_the_members_with_their_statistics():
    models = networks()
    optimizer = adamw(models)
    train(optimizer)
    posterior, (x, _) = optimizer.posterior(), data()
    assert posterior.num_draws(32) == M
    assert not posterior.has_mean
    found = posterior.predict(models[0], x, M)
    for model in models:
        model.eval()
    with torch.no_grad():
        expected = torch.stack([model(x) for model in models])
    torch.testing.assert_close(found, expected)


def test_members_with_posteriors_make_a_mixture_of_them():
    models = networks()
    optimizer = vogn(models)
    train(optimizer)
    posterior = optimizer.posterior()
    assert posterior.num_draws(32) == 32
    for part, member in zip(posterior.components, optimizer.members, strict=True):
        own = member.optimizer.posterior()
        assert_equal(list(part.precision.values()), list(own.precision.values()))


def test_a_scheduler_sets_the_members_also_after_loading():
    optimizer = adamw(networks())
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    optimizer.load_state_dict(optimizer.state_dict())
    train(optimizer, 1)
    scheduler.step()
    rates = [m.optimizer.param_groups[0]["lr"] for m in optimizer.members]
    assert rates == pytest.approx([0.005, 0.01, 0.015])


@pytest.mark.parametrize("make", [adamw, vogn])
def test_a_saved_state_goes_on_bit_for_bit(make):
    whole, models, others = networks(), networks(), networks()[::-1]
    train(make(whole), 6)
    first = make(models)
    train(first, 3)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = make(others)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    train(resumed, 3)
    assert_equal(weights(whole), weights(others))


def test_a_copy_trains_by_itself():
    models = networks()
    optimizer = adamw(models)
    train(optimizer, 2)
    before, twin = weights(models), copy.deepcopy(optimizer)
    train(twin, 1)
    assert_equal(weights(models), before)
    train(optimizer, 1)
    assert_equal(weights(models), weights([m.model for m in twin.members]))


def test_a_closure_runs_once_with_gradients():
    models = networks()
    optimizer, (x, y) = adamw(models), data()

    @torch.no_grad()
    def step():
        return optimizer.step(closure)

    def closure():
        losses = [functional.cross_entropy(model(x), y) for model in models]
        total = torch.stack(losses).sum()
        total.backward()
        return total

    assert step().requires_grad
    assert all(p.grad is not None for m in models for p in m.parameters())


@pytest.mark.parametrize(
    ("optimizers", "models", "seeds", "found"),
    [
        ([], [], None, "0, 0 and 0"),
        ([None], [None, None], None, "2, 1 and 2"),
        ([None], [None], [1, 2], "1, 1 and 2"),
    ],
)
def test_members_must_be_complete(optimizers, models, seeds, found):
    with pytest.raises(ValueError, match=f"models must be at least one.* got {found}"):
        Ensemble(optimizers, models, seeds=seeds)


def test_states_of_others_are_refused():
    optimizer = adamw(networks())
    before = weights([m.model for m in optimizer.members])
    with pytest.raises(ValueError, match=r"state_dict must be of 3 members, got .* 2"):
        optimizer.load_state_dict(adamw(networks(2)).state_dict())
    with pytest.raises(ValueError, match="without members"):
        optimizer.load_state_dict(torch.optim.SGD([torch.ones(1)]).state_dict())
    assert_equal(before, weights([m.model for m in optimizer.members]))


def on_a_rank(rank):
    """Train the members of a rank; the first one gives all of them."""
    models = networks()
    optimizer = adamw(models)
    train(optimizer)
    untold = []
    for ask in (optimizer.posterior, optimizer.state_dict):
        try:
            ask()
        except RuntimeError as error:
            untold.append(str(error))
    optimizer.consolidate_state_dict()
    optimizer.consolidate_state_dict()  # nothing was trained since
    optimizer.step()
    optimizer.consolidate_state_dict()
    places = [optimizer.members.index(member) for member in optimizer.own]
    return weights(models) if rank == 0 else None, places, untold


def test_ranks_share_out_the_members(tmp_path):
    (found, first, untold), (_, second, also) = run(on_a_rank, 2, tmp_path)
    assert (first, second) == ([0, 2], [1])
    assert len(untold) == len(also) == 2
    assert "consolidate_state_dict() must be called on all ranks before" in untold[0]
    torch.set_default_dtype(torch.float64)
    try:
        models = networks()
        optimizer = adamw(models)
        train(optimizer)
        optimizer.step()
    finally:
        torch.set_default_dtype(torch.float32)
    assert_equal(found, weights(models))
