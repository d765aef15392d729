"""K-FAC is a preconditioner and SGD; groups, closures, state, copies, lifetime."""

import copy
import gc
import io
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import (
    Prefixed,
    Scale,
    backward,
    close,
    convolutional,
    gradients_of,
    images,
    parameters_of,
    train,
)
from vogn_app import KFAC, KroneckerPreconditioner

SETTINGS = {"damping": 0.05, "factor_interval": 2, "factor_decay": 0.8}


def twins():
    one, other = convolutional(), convolutional()
    other.load_state_dict(one.state_dict())
    return one, other


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.0},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.0, "weight_decay": 0.1},
    ],
)
def test_kfac_is_a_preconditioner_before_sgd(options):
    ours, theirs = twins()
    kfac = KFAC(ours, 0.1, **options, **SETTINGS)
    sgd = torch.optim.SGD(theirs.parameters(), 0.1, **options)
    preconditioner = KroneckerPreconditioner(theirs, **SETTINGS)
    for _ in range(5):
        x, y = images()
        train(kfac, ours, [(x, y)])
        sgd.zero_grad()
        F.cross_entropy(theirs(x), y).backward()
        preconditioner.step()
        sgd.step()
        close(parameters_of(ours), parameters_of(theirs))


def groups_of(model):
    return [
        {"params": list(model[:4].parameters()), "lr": 0.05, "momentum": 0.0},
        {"params": list(model[4:].parameters()), "weight_decay": 0.2},
    ]


def test_groups_have_settings_of_their_own_and_schedulers_change_them():
    ours, theirs = twins()
    kfac = KFAC(ours, 0.1, params=groups_of(ours), **SETTINGS)
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


def test_the_trust_region_looks_at_each_group_s_rate():
    ours, theirs = twins()
    x, y = images()
    kfac = KFAC(ours, 0.1, params=groups_of(ours), momentum=0.0, kl_clip=1e-5, **SETTINGS)
    preconditioner = KroneckerPreconditioner(theirs, **SETTINGS)
    backward(theirs, x, y)
    gradients, natural = gradients_of(theirs), preconditioner.natural_gradients()
    rates = {k: 0.05 if int(k[0]) < 4 else 0.1 for k in natural}
    change = sum(rates[k] ** 2 * (natural[k] * g).sum() for k, g in gradients.items())
    factor = (1e-5 / change).sqrt()
    decay = {k: 0.0 if int(k[0]) < 4 else 0.2 for k in natural}
    expected = {
        k: p - rates[k] * (factor * natural[k] + decay[k] * p)
        for k, p in parameters_of(theirs).items()
    }
    train(kfac, ours, [(x, y)])
    close(parameters_of(ours), expected)
    assert factor < 1


def test_a_closure_gives_the_loss():
    ours, theirs = twins()
    x, y = images()
    one, other = KFAC(ours, 0.1, **SETTINGS), KFAC(theirs, 0.1, **SETTINGS)

    def closure():
        one.zero_grad()
        loss = F.cross_entropy(ours(x), y)
        loss.backward()
        return loss

    loss = one.step(closure)
    train(other, theirs, [(x, y)])
    assert loss.item() > 0
    close(parameters_of(ours), parameters_of(theirs), rtol=0, atol=0)


def test_gradients_are_left_as_they_are():
    """Also those of parameters without a block, with decay and clipping."""
    model = Prefixed()
    with pytest.warns(UserWarning, match="token"):
        kfac = KFAC(model, 0.1, weight_decay=0.1, kl_clip=1e-6)
    for _ in range(3):
        backward(model, torch.randn(6, 4), torch.randint(3, (6,)))
        before = gradients_of(model)
        kfac.step()
        close(gradients_of(model), before, rtol=0, atol=0)


def test_parameters_without_a_gradient_stay():
    model = nn.ModuleDict({"used": nn.Linear(3, 3), "unused": nn.Linear(3, 3)})
    model.forward = lambda x: model["used"](x)
    kfac = KFAC(model, 0.1, weight_decay=0.1)
    before = parameters_of(model)
    train(kfac, model, [(torch.randn(6, 3), torch.randint(3, (6,)))])
    after = parameters_of(model)
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert changed == {"used.weight", "used.bias"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lr", {"lr": -0.1}),
        ("momentum", {"momentum": 1.0}),
        ("momentum", {"momentum": 0.0, "nesterov": True}),
        ("weight_decay", {"weight_decay": -1.0}),
        ("damping", {"damping": 0.0}),
    ],
)
def test_a_wrong_setting_is_named(name, options):
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        KFAC(nn.Linear(2, 2), **options)


def test_a_group_that_comes_later_is_refused():
    model = convolutional()
    kfac = KFAC(model, 0.1, params=model[:4].parameters())
    with pytest.raises(ValueError, match=r"^params must all be given when the optimizer"):
        kfac.add_param_group({"params": list(model[4:].parameters())})
    assert len(kfac.param_groups) == 1


def test_it_learns():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    x = torch.randn(256, 2)
    y = (x.prod(1) > 0).long()
    kfac = KFAC(model, 0.1, momentum=0.9, factor_interval=1)
    train(kfac, model, [(x, y)] * 40)
    assert (model(x).argmax(1) == y).double().mean() > 0.97


# --- state -------------------------------------------------------------------------


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


STATES = {
    "plain": {"factor_interval": 1},
    "between refreshes": {"factor_interval": 4},
    "inverses behind factors": {"factor_interval": 2, "inverse_interval": 5},
    "last batch alone": {"factor_interval": 3, "factor_decay": 0.0},
    "drawn labels": {"factor_interval": 1, "curvature": "fisher"},
    "functions": {
        "factor_interval": lambda step: 1 + step // 2,
        "damping": lambda step: 0.1 / (1 + step),
    },
    "ekfac": {"factor_interval": 3, "inversion": "ekfac"},
}


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", STATES)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(name, steps):
    options = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
    options |= {"damping": 0.05, **STATES[name]}
    batches = [images() for _ in range(steps + 6)]
    whole, first = twins()
    expected = train(KFAC(whole, **options), whole, batches)
    optimizer = KFAC(first, **options)
    train(optimizer, first, batches[:steps])
    state = through_a_file({"model": first.state_dict(), "kfac": optimizer.state_dict()})
    second = convolutional()
    second.load_state_dict(state["model"])
    resumed = KFAC(second, **options)
    resumed.load_state_dict(state["kfac"])
    got = train(resumed, second, batches[steps:])
    for mine, truth in zip(got, expected[steps:], strict=True):
        close(mine, truth, rtol=0, atol=0)


def test_a_state_may_be_loaded_in_the_middle_of_another_run():
    one, other = twins()
    batches = [images() for _ in range(6)]
    first, second = KFAC(one, 0.1, **SETTINGS), KFAC(other, 0.1, **SETTINGS)
    train(first, one, batches[:3])
    train(second, other, [images() for _ in range(2)])
    F.cross_entropy(other(images()[0]), images()[1]).backward()  # never stepped
    other.load_state_dict(one.state_dict())
    second.load_state_dict(through_a_file(first.state_dict()))
    expected = train(first, one, batches[3:])
    got = train(second, other, batches[3:])
    for mine, truth in zip(got, expected, strict=True):
        close(mine, truth, rtol=0, atol=0)


def test_a_state_of_another_model_or_optimizer_is_refused_and_changes_nothing():
    model, other = convolutional(), nn.Sequential(nn.Flatten(), Scale(32), nn.Linear(32, 3))
    one, two = KFAC(model, 0.1, **SETTINGS), KFAC(other, 0.1, **SETTINGS)
    train(one, model, [images()])
    train(two, other, [images()])
    state = copy.deepcopy(one.state_dict())
    with pytest.raises(ValueError, match="must"):
        one.load_state_dict(two.state_dict())
    sgd = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match=r"^state_dict must be of a KFAC, got one without"):
        one.load_state_dict(sgd.state_dict())
    after = one.state_dict()
    assert str(after) == str(state)


# --- copies and lifetime -----------------------------------------------------------


def test_copies_of_the_optimizer_are_refused_and_of_the_model_are_plain():
    model, (x, y) = convolutional(), images()
    kfac = KFAC(model, 0.1, **SETTINGS)
    for copied in (copy.deepcopy, copy.copy, pickle.dumps):
        for each in (kfac, kfac.preconditioner):
            with pytest.raises(TypeError, match=r"cannot be copied or pickled: make ano"):
                copied(each)
    average = torch.optim.swa_utils.AveragedModel(model)
    train(kfac, model, [(x, y)])
    average.update_parameters(model)
    close(average.module(x), model(x))
    other = KFAC(copied := copy.deepcopy(model), 0.1, **SETTINGS)
    other.load_state_dict(through_a_file(kfac.state_dict()))
    batches = [images() for _ in range(3)]
    expected = train(kfac, model, batches)
    for mine, truth in zip(train(other, copied, batches), expected, strict=True):
        close(mine, truth, rtol=0, atol=0)


@pytest.fixture
def no_collector():
    """Only reference counts free anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def attentive():
    return nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)


@pytest.mark.parametrize("options", [{}, {"curvature": "exact", "likelihood": "gaussian"}])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_an_optimizer_dies_with_its_last_reference(steps, options, no_collector):
    model = attentive()
    kfac = KFAC(model, 0.1, **SETTINGS, **options)
    for _ in range(steps):
        kfac.zero_grad()
        model(torch.randn(3, 2, 4)).square().sum((1, 2)).mean().backward()
        kfac.step()
    gone = [weakref.ref(kfac), weakref.ref(kfac.preconditioner)]
    gone += [weakref.ref(kfac.preconditioner._capture)]
    inverses = kfac.preconditioner._state.inverses.values()
    gone += [weakref.ref(each) for each in inverses]
    del kfac, inverses
    each = None
    assert [ref() for ref in gone] == [None] * len(gone)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert "forward" not in vars(model.self_attn)
    parameter = weakref.ref(model.linear1.weight)
    del model, each
    assert parameter() is None


def test_a_new_optimizer_on_the_same_model_begins_afresh():
    model = convolutional()
    train(KFAC(model, 0.1, **SETTINGS), model, [images() for _ in range(3)])
    other = convolutional()
    other.load_state_dict(model.state_dict())
    batches = [images() for _ in range(3)]
    expected = train(KFAC(other, 0.1, **SETTINGS), other, batches)
    got = train(KFAC(model, 0.1, **SETTINGS), model, batches)
    for mine, truth in zip(got, expected, strict=True):
        close(mine, truth, rtol=0, atol=0)


# --- figures -----------------------------------------------------------------------


def test_figures_tell_what_was_refreshed_since_they_were_last_asked():
    model = convolutional()
    kfac = KFAC(model, 0.1, damping=0.3, factor_interval=4, inverse_interval=8)
    train(kfac, model, [images() for _ in range(4)])
    figures = kfac.figures()
    assert figures.pop("inverse_seconds") > 0
    assert figures == {
        "damping": 0.3, "factor_interval": 4.0, "inverse_interval": 8.0,
        "refreshed_share": 0.25,
    }  # fmt: skip
    train(kfac, model, [images() for _ in range(2)])
    assert kfac.figures()["refreshed_share"] == 0.5
    assert kfac.figures()["refreshed_share"] == 0.0
