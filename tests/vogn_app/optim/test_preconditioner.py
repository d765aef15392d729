"""The preconditioner's behaviour: invariances, schedules, clipping, faults, state."""

import io
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import (
    DAMPING,
    Prefixed,
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

SHAPES = pytest.mark.parametrize("shape", ["kronecker", "layer", "full", "diagonal"])


def linear():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


def rows(num=6):
    return torch.randn(num, 3), torch.randint(3, (num,))


def made(model, **options):
    settings = {"damping": DAMPING, "factor_decay": 0.0, "factor_interval": 1}
    return KroneckerPreconditioner(model, **settings | options)


# --- invariances -------------------------------------------------------------------


@SHAPES
@pytest.mark.parametrize("labels", ["empirical", "exact"])
def test_duplicates_permutations_and_parts_of_the_batch_change_nothing(shape, labels):
    model, (x, y) = convolutional(), images()
    options = {"shape": shape, "curvature": labels}

    def natural(at, sizes=None):
        def run():
            for part in at.split(sizes or len(at)):
                share = len(part) / len(at)
                (F.cross_entropy(model(x[part]), y[part]) * share).backward()

        return natural_of(model, run, **options)[0]

    expected = natural(torch.arange(6))
    close(natural(torch.arange(6).repeat(3)), expected)
    close(natural(torch.randperm(6)), expected)
    close(natural(torch.arange(6), [2, 2, 2]), expected)
    close(natural(torch.arange(6), [1, 5]), expected)


@SHAPES
@pytest.mark.parametrize("labels", ["empirical", "exact"])
def test_a_sum_of_losses_is_told_by_its_reduction(shape, labels):
    model, (x, y) = convolutional(), images()
    options = {"shape": shape, "curvature": labels}
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    expected, *_ = natural_of(model, run, **options)

    def summed():
        for part in torch.arange(6).split([2, 4]):
            F.cross_entropy(model(x[part]), y[part], reduction="sum").backward()

    got, *_ = natural_of(model, summed, loss_reduction="sum", **options)
    close(got, expected)


@pytest.mark.parametrize("labels", ["empirical", "exact"])
@pytest.mark.parametrize("unscaled", [False, True])
def test_the_scale_of_a_loss_is_undone(unscaled, labels):
    model, (x, y) = convolutional(), images()
    options = {"curvature": labels}
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    expected, *_ = natural_of(model, run, **options)
    preconditioner = made(model, **options)
    backward(model, x, y, factor=1024.0)
    if unscaled:
        for p in model.parameters():
            p.grad.div_(1024.0)
    preconditioner.step(loss_scale=1024.0)
    carried = 1.0 if unscaled else 1024.0
    close({k: g / carried for k, g in gradients_of(model).items()}, expected)


def test_what_stands_in_the_gradients_is_preconditioned():
    model, (x, y) = linear(), rows()
    preconditioner = made(model)
    backward(model, x, y)
    nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
    clipped = gradients_of(model)
    expected = preconditioner.precondition(clipped)
    close(expected, clipped)  # nothing is known before the first step
    natural = preconditioner.natural_gradients()
    close(natural, preconditioner.precondition(clipped))
    close(gradients_of(model), clipped, rtol=0, atol=0)


# --- coverage ----------------------------------------------------------------------


def test_parameters_without_a_block_are_named_with_their_share_and_left_alone():
    model = Prefixed()
    with pytest.warns(UserWarning, match=r"^token \(21\.1% of the parameters\)") as seen:
        preconditioner = made(model)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    kinds = {"token": "", "head.weight": "kronecker (linear)"}
    assert preconditioner.coverage() == kinds | {"head.bias": kinds["head.weight"]}
    backward(model, torch.randn(6, 4), torch.randint(3, (6,)))
    before = gradients_of(model)
    natural = preconditioner.natural_gradients()
    assert torch.equal(natural["token"], before["token"])
    assert natural["token"] is not model.token.grad
    assert not torch.equal(natural["head.weight"], before["head.weight"])


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.other = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(x)


@SHAPES
def test_an_unused_layer_has_no_gradient_and_harms_no_other(shape):
    model, (x, y) = Unused(), rows()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    natural, _, preconditioner = natural_of(model, run, shape=shape)
    assert set(natural) == {"head.weight", "head.bias"}
    alone = nn.Sequential(model.head)
    run = lambda: F.cross_entropy(alone(x), y).backward()  # noqa: E731
    expected, *_ = natural_of(alone, run, shape=shape)
    close(natural["head.weight"], expected["0.weight"])
    if shape != "full":
        assert {block for block, _ in preconditioner.factors()} == {"head"}


def test_chosen_parameters_alone_are_preconditioned():
    model, (x, y) = linear(), rows()
    preconditioner = made(model, params=model[2].parameters())
    backward(model, x, y)
    assert set(preconditioner.natural_gradients()) == {"2.weight", "2.bias"}
    other = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"^params must be parameters of the model, go"):
        made(model, params=other.parameters())


def test_a_vector_may_lack_parameters_which_count_as_zero():
    model, (x, y) = linear(), rows()
    *_, preconditioner = natural_of(model, lambda: backward(model, x, y))
    weight = torch.randn_like(model[0].weight)
    whole = {"0.weight": weight, "0.bias": torch.zeros(4)}
    got = preconditioner.precondition({"0.weight": weight})
    assert set(got) == {"0.weight"}
    close(got["0.weight"], preconditioner.precondition(whole)["0.weight"])


def test_a_vector_of_attention_may_hold_a_part_of_its_parameters():
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    x = torch.randn(5, 3, 4)
    run = lambda: model(x, x, x)[0].square().sum((1, 2)).mean().backward()  # noqa: E731
    natural, gradients, preconditioner = natural_of(model, run)
    close(preconditioner.precondition(gradients), natural)
    before = gradients["in_proj_bias"].clone()
    alone = preconditioner.precondition({"in_proj_bias": gradients["in_proj_bias"]})
    assert torch.equal(gradients["in_proj_bias"], before)
    zeros = torch.zeros_like(gradients["in_proj_weight"])
    both = preconditioner.precondition({"in_proj_bias": before, "in_proj_weight": zeros})
    close(alone["in_proj_bias"], both["in_proj_bias"])


# --- schedules ---------------------------------------------------------------------


def refreshes(preconditioner, model, steps):
    """Steps that changed a factor, and those that changed an inverse."""
    factors, inverses = [], []
    vector = {k: torch.ones_like(p) for k, p in model.named_parameters()}
    old = None
    for step in range(steps):
        backward(model, *rows())
        preconditioner.natural_gradients()
        new = preconditioner.factors()["0", "inputs"].matrix().clone()
        product = preconditioner.precondition(vector)["0.weight"]
        if old is None or not torch.equal(new, old[0]):
            factors.append(step)
        if old is None or not torch.equal(product, old[1]):
            inverses.append(step)
        old = new, product
    return factors, inverses


@pytest.mark.parametrize(
    ("factor", "inverse", "factors", "inverses"),
    [
        (1, None, [0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7]),
        (3, None, [0, 3, 6], [0, 3, 6]),
        (2, 4, [0, 2, 4, 6], [0, 4]),
        (2, 3, [0, 2, 4, 6], [0, 3, 6]),
        (3, 1, [0, 3, 6], [0, 3, 6]),
        (lambda step: step + 1, None, [0, 1, 3, 7], [0, 1, 3, 7]),
        (1, lambda step: 2 if step < 4 else 1, list(range(8)), [0, 2, 4, 5, 6, 7]),
    ],
)
def test_factors_and_inverses_have_intervals_of_their_own(
    factor, inverse, factors, inverses
):
    model = linear()
    preconditioner = made(model, factor_interval=factor, inverse_interval=inverse)
    assert refreshes(preconditioner, model, 8) == (factors, inverses)


def test_statistics_are_bias_corrected_averages():
    model, decay, batches = linear(), 0.7, [rows(num) for num in (4, 6, 5)]
    averaging = made(model, factor_decay=decay)
    each = []
    for x, y in batches:
        *_, alone = natural_of(model, lambda x=x, y=y: backward(model, x, y))
        each.append({k: m.matrix() for k, m in alone.factors().items()})
        backward(model, x, y)
        averaging.natural_gradients()
    weights = [decay**2, decay, 1.0]
    for key, moment in averaging.factors().items():
        terms = zip(weights, each, strict=True)
        expected = sum(w * one[key] for w, one in terms) / sum(weights)
        close(moment.matrix(), expected)


def test_the_damping_may_change_with_the_steps():
    model, (x, y) = linear(), rows()
    scheduled = made(model, damping=lambda step: 0.5**step)
    for step in range(3):
        run = lambda: backward(model, x, y)  # noqa: E731
        expected, *_ = natural_of(model, run, damping=0.5**step)
        run()
        close(scheduled.natural_gradients(), expected)
    assert scheduled.figures()["damping"] == 0.5**3


# --- clipping ----------------------------------------------------------------------


@pytest.mark.parametrize("bound", [1e-6, 1e-3, 1e6])
def test_the_step_is_clipped_to_a_trust_region(bound):
    model, (x, y), lr = linear(), rows(), 0.3
    run = lambda: backward(model, x, y)  # noqa: E731
    natural, gradients, _ = natural_of(model, run)
    change = lr**2 * sum((natural[k] * g).sum() for k, g in gradients.items())
    factor = min(1.0, math.sqrt(bound / change))
    got, *_ = natural_of(model, run, kl_clip=bound, lr=lr)
    close(got, {k: factor * p for k, p in natural.items()})
    assert (factor < 1) == (bound < 1)
    got, *_ = natural_of(model, run, kl_clip=bound, lr=lambda: lr)
    close(got, {k: factor * p for k, p in natural.items()})


def test_a_gradient_of_zero_is_not_clipped():
    model, (x, y) = linear(), rows()
    run = lambda: (model(x) * 0).sum().backward()  # noqa: E731
    natural, *_ = natural_of(model, run, kl_clip=1e-3)
    assert all(torch.equal(p, torch.zeros_like(p)) for p in natural.values())


# --- faults ------------------------------------------------------------------------


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
    with pytest.warns(UserWarning, match=r"^Statistics are not finite .*outputs of 0\."):
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
    with pytest.warns(UserWarning, match=r"^Statistics are not inverted.*: inputs of 2\."):
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
        naturals = []
        for preconditioner in (first, second):
            # Both watch: the passes of one are the other's.
            preconditioner._arm()
        backward(model, x, y)
        for preconditioner in (first, second):
            naturals.append(preconditioner.natural_gradients())
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
        with pytest.raises(ValueError, match=r"^state must be of a preconditioner of the"):
            preconditioner.load_state_dict(state)
    with pytest.raises(ValueError, match=r"^state must be of a preconditioner, got none"):
        preconditioner.load_state_dict({"num_steps": 1})
    close(preconditioner.precondition(gradients_of(model)), expected)
