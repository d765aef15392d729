"""Tests of ensembles as one optimizer."""

import contextlib
import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.vogn_app.distributed.processes import run
from vogn_app import (
    SWAG,
    VOGN,
    DropoutPosterior,
    Ensemble,
    GaussianPosterior,
    LowRankPosterior,
    MCDropout,
    SnapshotEnsemble,
)
from vogn_app.distributed import Ranks
from vogn_app.optim.ensemble import dist

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
    assert posterior.num_draws(32) == 33
    for part, member in zip(posterior.components, optimizer.members, strict=True):
        own = member.optimizer.posterior()
        assert_equal(list(part.precision.values()), list(own.precision.values()))


KINDS = {
    "dropout": (MCDropout, DropoutPosterior, 1),
    "swag": (lambda model: SWAG(model, num_steps=4), LowRankPosterior, 1),
    "snapshot": (
        lambda model: SnapshotEnsemble(model, num_steps=4, cycles=2),
        GaussianPosterior,
        2,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_members_may_have_posteriors_of_any_kind(name):
    make, kind, number = KINDS[name]
    models = networks()
    optimizer = Ensemble([make(model) for model in models], models)
    assert optimizer.has_posterior == (name == "dropout")
    train(optimizer)
    assert optimizer.has_posterior
    posterior = optimizer.posterior()
    assert len(posterior.components) == number * M
    for index, member in enumerate(optimizer.members * number):
        own = member.optimizer.posterior().strata[index // M]
        assert isinstance(own, kind)
        found = posterior.components[index]
        assert_equal(list(found.mean.values()), list(own.mean.values()))


def with_scaler(optimizer, scaler, unscale=False):
    """A step by a scaler."""
    x, y = data()
    for member in optimizer.own:
        member.optimizer.zero_grad()
        scale = scaler.get_scale() if unscale else None
        settings = {"train": True, "loss_scale": scale}
        drawn = getattr(member.optimizer, "sampled_params", None)
        with drawn(**settings) if drawn else contextlib.nullcontext():
            scaler.scale(functional.cross_entropy(member.model(x), y)).backward()
    if unscale:
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()


@pytest.mark.parametrize("unscale", [False, True])
@pytest.mark.parametrize("make", [adamw, vogn])
def test_the_scale_of_the_loss_leaves_no_trace(make, unscale):
    found = []
    for scale in (1.0, 1024.0):
        models = networks()
        optimizer = make(models)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        with_scaler(optimizer, scaler, unscale)
        own = [m.optimizer.state_dict()["state"] for m in optimizer.members]
        tensors = [t for each in own for entry in each.values()
                   for t in entry.values() if torch.is_tensor(t)]  # fmt: skip
        found.append([*weights(models), *tensors])
        assert not hasattr(optimizer.members[0].optimizer, "found_inf")
    assert len(found[0]) > 3 * len(weights(models[:1]))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", [adamw, vogn])
def test_overflow_in_one_member_keeps_all_from_stepping(make):
    models = networks()
    optimizer = make(models)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    hook = models[1][2].weight.register_hook(lambda grad: grad * float("inf"))
    before = [p.detach().clone() for m in models for p in m.parameters()]
    with_scaler(optimizer, scaler)
    assert_equal(before, [p for m in models for p in m.parameters()])
    assert scaler.get_scale() == 1
    hook.remove()
    with_scaler(optimizer, scaler)
    after = [p for m in models for p in m.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_groups_are_not_added_to_an_ensemble():
    models = networks()
    optimizer = adamw(models)
    group = {"params": [nn.Parameter(torch.ones(1))]}
    for each in (optimizer, copy.deepcopy(optimizer)):
        with pytest.raises(ValueError, match="param_group must be added to a member's"):
            each.add_param_group(group)
        assert len(each.param_groups) == M


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


WRONG_MEMBERS = {
    "must have the tensors of the networks, got a difference in 0.weight": (
        lambda member: member["model"].update({"0.weight": torch.ones(4, 2)})
    ),
    "must have the tensors of the networks, got a difference in 2.bias": (
        lambda member: member["model"].pop("2.bias")
    ),
    "must hold 6 parameters, got 5": (
        lambda member: member["optimizer"]["param_groups"][0]["params"].pop()
    ),
    "must have model and optimizer, got none of optimizer": (
        lambda member: member.pop("optimizer")
    ),
}


def test_states_of_others_are_refused():
    optimizer = adamw(networks())
    before = weights([m.model for m in optimizer.members])
    with pytest.raises(ValueError, match=r"state_dict must be of 3 members, got .* 2"):
        optimizer.load_state_dict(adamw(networks(2)).state_dict())
    with pytest.raises(ValueError, match="without members"):
        optimizer.load_state_dict(torch.optim.SGD([torch.ones(1)]).state_dict())
    for text, spoil in WRONG_MEMBERS.items():
        state = copy.deepcopy(adamw(networks()[::-1]).state_dict())
        spoil(state["members"][1])
        with pytest.raises(ValueError, match=text):
            optimizer.load_state_dict(state)
    assert_equal(before, weights([m.model for m in optimizer.members]))


def test_networks_of_several_architectures_are_refused():
    models = [*networks(2), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))]
    text = "models must be of one architecture, got a difference in 1.num_batches"
    with pytest.raises(ValueError, match=text):
        adamw(models)


def test_no_device_is_asked_for_that_the_group_may_lack(monkeypatch):
    asked = []
    monkeypatch.setattr(
        dist, "broadcast_object_list", lambda told, **how: asked.append(how)
    )
    assert adamw(networks(1))._everywhere_told(Ranks())
    assert asked == [{"src": 0, "group": None}]


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
