"""What is not finite or cannot be inverted, wrong settings, and states."""

import io
import math
import warnings

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.natural import (
    DAMPING,
    Scale,
    backward,
    close,
    convolutional,
    gradients_of,
    images,
    natural_of,
)
from vogn_app import KroneckerPreconditioner
from vogn_app.optim import curvature


def linear():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


def rows(num=6):
    return torch.randn(num, 3), torch.randint(3, (num,))


def made(model, **options):
    settings = {"damping": DAMPING, "factor_decay": 0.0, "factor_interval": 1}
    return KroneckerPreconditioner(model, **settings | options)


def poisoned(model, x, y, at):
    """A backward pass whose gradient is not a number at a layer's output."""
    handle = model[at].register_forward_hook(
        lambda m, a, out: out.register_hook(lambda g: g * math.nan) and None
    )
    backward(model, x, y)
    handle.remove()


def test_statistics_that_are_not_finite_are_named_and_left_out():
    model, (x, y) = linear(), rows()
    preconditioner, other = made(model), made(model)
    backward(model, x, y)
    expected = preconditioner.natural_gradients()
    poisoned(model, x, y, 0)
    for p in model.parameters():
        p.grad.nan_to_num_(0)  # the user's own care
    with pytest.warns(
        UserWarning, match=r"^Statistics are not finite .*outputs of 0\."
    ):
        natural = preconditioner.natural_gradients()
    assert all(p.isfinite().all() for p in natural.values())
    backward(model, x, y)
    close(preconditioner.natural_gradients(), expected)
    del other


def test_a_block_whose_first_statistic_was_left_out_is_inverted_at_the_next():
    model, (x, y) = linear(), rows()
    preconditioner = made(model, factor_interval=10)
    poisoned(model, x, y, 0)
    with pytest.warns(UserWarning, match=r"outputs of 0"):
        preconditioner.natural_gradients()
    backward(model, x, y)
    natural = preconditioner.natural_gradients()
    expected, *_ = natural_of(model, lambda: backward(model, x, y))
    close(natural["0.weight"], expected["0.weight"])


def test_scales_that_are_not_finite_are_left_out_and_training_recovers():
    model, (x, y) = linear(), rows()
    preconditioner = made(model, inversion="ekfac", factor_decay=0.9)
    backward(model, x, y)
    preconditioner.natural_gradients()
    before = {k: f.mean.value for k, f in preconditioner._state.scales.items()}
    poisoned(model, 1.5 * x, y, 0)  # other rows: the same ones change nothing
    with pytest.warns(UserWarning, match=r"^Statistics are not finite") as caught:
        preconditioner.natural_gradients()
    assert len(caught) == 1  # the scales of what is named go without saying
    assert torch.equal(preconditioner._state.scales["0"].mean.value, before["0"])
    assert not torch.equal(preconditioner._state.scales["2"].mean.value, before["2"])
    backward(model, x, y)
    natural = preconditioner.natural_gradients()
    assert all(p.isfinite().all() for p in natural.values())


def test_scales_that_overflow_alone_are_named_once():
    model, (x, y) = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3)).float(), rows()
    preconditioner = made(model, inversion="ekfac", factor_decay=0.9)
    backward(model, x.float(), y)
    preconditioner.natural_gradients()
    before = preconditioner._state.scales["0"].mean.value
    model[0].register_forward_hook(
        lambda m, a, out: out.register_hook(lambda g: g * 1e15) and None
    )
    for messages in (["not finite and left out at step 1: scales of 0."], []):
        backward(model, 1e6 * x.float(), y)  # squares of a or c are finite, of a c not
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            preconditioner.natural_gradients()
        said = [f"Statistics are {message}" for message in messages]
        assert [str(warning.message) for warning in caught] == said
        assert torch.equal(preconditioner._state.scales["0"].mean.value, before)


def test_a_factor_that_cannot_be_inverted_keeps_its_last_inverse(monkeypatch):
    model, (x, y) = linear(), rows()
    preconditioner = made(model)
    backward(model, x, y)
    expected = preconditioner.natural_gradients()
    invert = curvature.invert

    def failing(*args):
        return invert(*args) | {("2", "inputs"): None}

    monkeypatch.setattr(curvature, "invert", failing)
    backward(model, x, y)
    with pytest.warns(
        UserWarning, match=r"^Statistics are not inverted.*: inputs of 2\."
    ):
        natural = preconditioner.natural_gradients()
    close(natural, expected)


def test_single_precision_stays_single():
    torch.set_default_dtype(torch.float32)
    model, (x, y) = convolutional(), images()
    natural, *_ = natural_of(model, lambda: backward(model, x, y))
    assert {p.dtype for p in natural.values()} == {torch.float32}
    wide = model.double()
    run = lambda: backward(wide, x.double(), y)  # noqa: E731
    expected, *_ = natural_of(wide, run)
    close({k: p.double() for k, p in natural.items()}, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("damping", 0.0), ("damping", -1.0), ("damping", lambda step: math.nan),
        ("factor_decay", 1.0), ("factor_interval", 0), ("factor_interval", 1.5),
        ("inverse_interval", 0), ("kl_clip", 0.0), ("shape", "round"),
        ("curvature", "true"), ("likelihood", "none"), ("sharing", "all"),
        ("loss_reduction", "none"), ("seed", -1), ("inversion", "lu"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        made(linear(), **{name: value})


# --- state -------------------------------------------------------------------------


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def several():
    """Blocks of every kind, and moments of every form."""
    return nn.Sequential(
        nn.Embedding(5, 6, padding_idx=0), nn.Flatten(), nn.LayerNorm(18), Scale(18),
        nn.Linear(18, 40), nn.Tanh(), nn.Linear(40, 3),
    )  # fmt: skip


STATES = {
    "every step": {},
    "between refreshes": {"factor_interval": 4},
    "inverses behind factors": {"factor_interval": 2, "inverse_interval": 5},
    "averaged": {"factor_decay": 0.9},
    "drawn labels": {"curvature": "fisher"},
    "eigenbases": {"inversion": "eigen", "factor_interval": 2},
    "layer": {"shape": "layer"},
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("steps", [1, 3, 6])
def test_a_state_goes_on_where_it_was_saved(steps, name):
    model = several()
    batches = [
        (torch.randint(5, (4, 3)), torch.randint(3, (4,))) for _ in range(steps + 4)
    ]
    first = made(model, **STATES[name])
    for x, y in batches[:steps]:
        backward(model, x, y)
        first.natural_gradients()
    second = made(model, **STATES[name])
    second.load_state_dict(through_a_file(first.state_dict()))
    for x, y in batches[steps:]:
        for preconditioner in (first, second):
            # Both watch: the passes of one are the other's.
            preconditioner._arm()
        backward(model, x, y)
        naturals = [each.natural_gradients() for each in (first, second)]
        close(*naturals, rtol=0, atol=0)
    assert first.num_steps == second.num_steps == steps + 4


def test_a_saved_state_does_not_change_with_later_steps():
    model, (x, y) = linear(), rows()
    preconditioner = made(model, factor_decay=0.5)
    backward(model, x, y)
    preconditioner.natural_gradients()
    state = preconditioner.state_dict()
    values = {k: e["value"].clone() for k, e in state["factors"].items()}
    backward(model, 2 * x, y)
    preconditioner.natural_gradients()
    assert all(torch.equal(state["factors"][k]["value"], v) for k, v in values.items())


def state_of(model, x, y):
    *_, preconditioner = natural_of(model, lambda: backward(model, x, y))
    return preconditioner.state_dict()


def test_the_state_of_another_model_is_refused_and_changes_nothing():
    x, y = rows()
    wider = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3))
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3))
    model = linear()
    expected, _, preconditioner = natural_of(model, lambda: backward(model, x, y))
    for state in (state_of(wider, x, y), state_of(other, x, y)):
        with pytest.raises(
            ValueError, match=r"^state must be of a preconditioner of the"
        ):
            preconditioner.load_state_dict(state)
    with pytest.raises(
        ValueError, match=r"^state must be of a preconditioner, got none"
    ):
        preconditioner.load_state_dict({"num_steps": 1})
    close(preconditioner.precondition(gradients_of(model)), expected)


def test_a_model_with_nothing_to_train_is_refused():
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match=r"^model must have a parameter to train"):
        KroneckerPreconditioner(model)
