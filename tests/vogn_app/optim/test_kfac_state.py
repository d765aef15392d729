"""What K-FAC saves: resumed runs, states of others, copies."""

import contextlib
import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import (
    Scale,
    close,
    convolutional,
    images,
    kronecker_solve,
    train,
)
from vogn_app import KFAC, SPNGD, VOGN, NoisyKFAC

SETTINGS = {"damping": 0.05, "factor_interval": 2, "factor_decay": 0.8}


def twins():
    one, other = convolutional(), convolutional()
    other.load_state_dict(one.state_dict())
    return one, other


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
    state = through_a_file({
        "model": first.state_dict(),
        "kfac": optimizer.state_dict(),
    })
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
    model, other = (
        convolutional(),
        nn.Sequential(nn.Flatten(), Scale(32), nn.Linear(32, 3)),
    )
    one, two = KFAC(model, 0.1, **SETTINGS), KFAC(other, 0.1, **SETTINGS)
    train(one, model, [images()])
    train(two, other, [images()])
    state = copy.deepcopy(one.state_dict())
    with pytest.raises(ValueError, match="must"):
        one.load_state_dict(two.state_dict())
    sgd = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(
        ValueError, match=r"^state_dict must be of a KFAC, got one without"
    ):
        one.load_state_dict(sgd.state_dict())
    after = one.state_dict()
    assert str(after) == str(state)


def test_copies_of_the_optimizer_are_refused_and_of_the_model_are_plain():
    model, (x, y) = convolutional(), images()
    kfac = KFAC(model, 0.1, **SETTINGS)
    for copied in (copy.deepcopy, copy.copy, pickle.dumps):
        for each in (kfac, kfac.preconditioner):
            with pytest.raises(
                TypeError, match=r"cannot be copied or pickled: make ano"
            ):
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


# --- states of other settings ------------------------------------------------------


def measured(inversion, batches, model):
    optimizer = KFAC(model, 0.05, **SETTINGS, inversion=inversion)
    train(optimizer, model, batches)
    return optimizer


@pytest.mark.parametrize("after", ["cholesky", "eigen", "ekfac"])
@pytest.mark.parametrize("before", ["cholesky", "eigen", "ekfac"])
def test_the_statistics_of_another_inversion_are_inverted_anew(before, after):
    """The inverses are those of the state's statistics at the state's damping."""
    model = convolutional()
    saved = measured(before, [images() for _ in range(2)], model)
    other = convolutional()
    loaded = KFAC(other, 0.05, **{**SETTINGS, "damping": 9.0}, inversion=after)
    loaded.load_state_dict(through_a_file(saved.state_dict()))
    vector = {k: torch.randn_like(p) for k, p in model.named_parameters()}
    product = loaded.preconditioner.precondition(vector)
    if before == after:
        close(product, saved.preconditioner.precondition(vector))
        return
    assert not loaded.preconditioner._state.scales
    means = {k: m.matrix()[0] for k, m in saved.preconditioner.factors().items()}
    a, g = means["4", "inputs"], means["4", "outputs"]
    matrix = torch.cat([vector["4.weight"], vector["4.bias"][:, None]], 1)
    if after == "cholesky":
        expected = kronecker_solve(a, g, matrix, SETTINGS["damping"])
    else:
        whole = torch.kron(g, a) + SETTINGS["damping"] * torch.eye(len(a) * len(g))
        expected = torch.linalg.solve(whole, matrix.flatten()).view_as(matrix)
    close(product["4.weight"], expected[:, :-1])
    for name in ("1.weight", "5.bias"):  # one statistic: no other way to invert
        close(product[name], saved.preconditioner.precondition(vector)[name])


def test_scales_do_not_outlive_the_inversion_that_measures_them():
    one, other = twins()
    batches = [images() for _ in range(3)]
    saved = measured("ekfac", batches[:1], one)
    loaded = KFAC(other, 1e-9, **{**SETTINGS, "factor_interval": 1}, inversion="eigen")
    loaded.load_state_dict(through_a_file(saved.state_dict()))
    train(loaded, other, batches[1:])
    vector = {k: torch.randn_like(p) for k, p in other.named_parameters()}
    product = loaded.preconditioner.precondition(vector)
    again = KFAC(convolutional(), 0.1, **SETTINGS, inversion="eigen")
    again.load_state_dict(through_a_file(loaded.state_dict()))
    close(again.preconditioner.precondition(vector), product, rtol=0, atol=0)
    assert not loaded.state_dict()["preconditioner"]["scales"]


def grouped(model):
    first, *others = model.parameters()
    return [{"params": [first]}, {"params": others, "lr": 0.01}]


OTHERS = {
    "NoisyKFAC": (
        lambda model: NoisyKFAC(model, num_data=20),
        "state_dict must be of a KFAC, got one of a NoisyKFAC",
    ),
    "SPNGD": (SPNGD, "state_dict must be of a KFAC, got one of a SPNGD"),
    "VOGN": (
        lambda model: VOGN(model, num_data=20),
        "state_dict must be of a KFAC, got one without method",
    ),
    "groups": (
        lambda model: KFAC(model, params=grouped(model)),
        "groups of the state to load must hold 10 parameters, got 1, 9",
    ),
    "fewer": (
        lambda model: KFAC(model, params=model[4:].parameters()),
        "groups of the state to load must hold 10 parameters, got 6",
    ),
    "layer": (
        lambda model: KFAC(model, shape="layer"),
        "state must be of a preconditioner of the same model and shape, got statistics",
    ),
    "diagonal": (
        lambda model: KFAC(model, shape="diagonal"),
        "state must be of a preconditioner of the same model and shape, got statistics",
    ),
}


def stepped(optimizer, model):
    x, y = images()
    block = getattr(optimizer, "sampled_params", None)
    with block(train=True) if block else contextlib.nullcontext():
        F.cross_entropy(model(x), y).backward()
    optimizer.step()


def is_same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            is_same(one[key], other[key]) for key in one
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize("name", OTHERS)
def test_a_state_of_other_settings_is_refused_and_changes_nothing(name):
    make, message = OTHERS[name]
    model, other = twins()
    ours, theirs = KFAC(model, 0.1, **SETTINGS), make(other)
    for optimizer, its_model in ((ours, model), (theirs, other)):
        stepped(optimizer, its_model)
    before = copy.deepcopy(ours.state_dict())
    with pytest.raises(ValueError, match=f"^{message}"):
        ours.load_state_dict(theirs.state_dict())
    assert is_same(ours.state_dict(), before)
    stepped(ours, model)


def test_a_convolution_with_other_groups_of_the_same_size_is_refused():
    one = nn.Sequential(nn.Conv2d(2, 4, 2), nn.Flatten())
    other = nn.Sequential(nn.Conv2d(4, 4, 2, groups=2), nn.Flatten())
    made = [KFAC(model, 0.1, **SETTINGS) for model in (one, other)]
    for optimizer, model in zip(made, (one, other), strict=True):
        x = torch.randn(5, model[0].in_channels, 2, 2)
        model(x).square().mean().backward()
        optimizer.step()
    assert one[0].weight.shape == other[0].weight.shape
    with pytest.raises(ValueError, match=r"another shape or layer: 0:inputs, 0:outp"):
        made[0].load_state_dict(made[1].state_dict())


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {"curvature": "fisher"}), ({}, {"sharing": "reduce"}),
     ({"curvature": "exact"}, {"nesterov": True})],
)  # fmt: skip
def test_a_state_of_the_same_statistics_measured_otherwise_is_taken_over(before, after):
    model, other = twins()
    ours = KFAC(model, 0.1, **SETTINGS, **before)
    train(ours, model, [images()])
    theirs = KFAC(other, 0.1, **SETTINGS, **after)
    theirs.load_state_dict(through_a_file(ours.state_dict()))
    mine = ours.preconditioner.factors()
    for key, moment in theirs.preconditioner.factors().items():
        assert torch.equal(moment.value, mine[key].value)
    train(theirs, other, [images()])
    assert all(p.isfinite().all() for p in other.parameters())


def without_momentum(state):
    del state["param_groups"][0]["momentum"]


def without_a_layer(state):
    del state["preconditioner"]["factors"]["6:inputs"]


def of_three_groups(state):
    state["changes"] = torch.zeros(3)


DAMAGES = {
    without_momentum: "groups of the state to load must have momentum, got none",
    without_a_layer: "state must hold the statistics of all layers, got none of 6:inp",
    of_three_groups: r"changes must have shape \(1,\) in the state to load, got \(3,\)",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_refused_and_changes_nothing(damage):
    model, other = twins()
    ours, theirs = KFAC(model, 0.1, **SETTINGS), KFAC(other, 0.1, **SETTINGS)
    for optimizer, its_model in ((ours, model), (theirs, other)):
        train(optimizer, its_model, [images()])
    before, state = copy.deepcopy(ours.state_dict()), copy.deepcopy(theirs.state_dict())
    damage(state)
    with pytest.raises(ValueError, match=f"^{DAMAGES[damage]}"):
        ours.load_state_dict(state)
    assert is_same(ours.state_dict(), before)


@pytest.mark.parametrize("make", [KFAC, SPNGD])
@pytest.mark.parametrize("inversion", ["cholesky", "ekfac"])
@pytest.mark.parametrize("before", [torch.float32, torch.float64])
def test_a_state_goes_on_in_another_floating_type(make, inversion, before):
    settings = {"factor_interval": 3, "inversion": inversion} if make is KFAC else {}
    after = torch.float64 if before == torch.float32 else torch.float32
    batches = [images() for _ in range(6)]
    model, other = twins()
    model, ours = model.to(before), None
    for x, y in batches[:2]:
        ours = ours or make(model, 0.05, **settings)
        train(ours, model, [(x.to(before), y)])
    theirs = make(other.to(after), 0.05, **settings)
    other.load_state_dict(model.state_dict())
    theirs.load_state_dict(through_a_file(ours.state_dict()))
    factors = theirs.preconditioner.factors().values()
    assert {moment.value.dtype for moment in factors} == {after}
    for x, y in batches[2:]:
        train(ours, model, [(x.to(before), y)])
        train(theirs, other, [(x.to(after), y)])
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    for one, two in pairs:
        torch.testing.assert_close(two.double(), one.double(), rtol=1e-3, atol=1e-4)
