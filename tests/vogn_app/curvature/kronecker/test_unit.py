"""Unit-wise blocks against dense solves in double precision."""

import pytest
import torch
from torch.testing import assert_close

from vogn_app.curvature.kronecker.unit import unit_apply, unit_inverse, unit_moment

SHAPES = {"channels": (5,), "two dimensions": (3, 4), "one channel": (1,)}
HUGE = 3e38  # nearly the largest number of single precision


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


def both(*shape):
    return {"weight": torch.randn(shape), "bias": torch.randn(shape)}


def solved(moment, gradients, damping):
    return unit_apply(unit_inverse(moment, damping), gradients)


def dense_solution(contributions, gradients, damping):
    """(F + damping I)^-1 g, a channel at a time."""
    names = list(gradients)
    c = torch.stack([contributions[name].double().flatten(1) for name in names])
    g = torch.stack([gradients[name].double().flatten() for name in names])
    fisher = torch.einsum("pnc,qnc->cpq", c, c)
    systems = fisher + damping * torch.eye(len(names))
    solutions = torch.linalg.solve(systems, g.T.unsqueeze(2)).squeeze(2).T
    return {
        name: solution.view(gradients[name].shape)
        for name, solution in zip(names, solutions, strict=True)
    }


@pytest.mark.parametrize("num", [1, 2, 9])
def test_two_parameters_are_solved_a_channel(shape, num):
    contributions, gradients = both(num, *shape), both(*shape)
    moment = unit_moment(contributions)
    assert moment.shape == (3, *shape)
    got = solved(moment, gradients, 0.1)
    assert_close(got, dense_solution(contributions, gradients, 0.1))


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_one_parameter_is_solved_alone(shape, name):
    contributions = {name: torch.randn(9, *shape)}
    gradients = {name: torch.randn(shape)}
    moment = unit_moment(contributions)
    assert moment.shape == (1, *shape)
    got = solved(moment, gradients, 0.1)
    assert_close(got, dense_solution(contributions, gradients, 0.1))


def test_the_order_of_names_means_nothing():
    contributions, gradients = both(6, 4), both(4)
    moment = unit_moment(contributions)
    other = unit_moment(dict(reversed(contributions.items())))
    assert torch.equal(moment, other)
    turned = dict(reversed(gradients.items()))
    expected = solved(moment, gradients, 0.1)
    assert_close(solved(moment, turned, 0.1), expected)


def test_an_inverse_may_be_kept_and_applied():
    contributions, gradients = both(6, 4), both(4)
    inverse = unit_inverse(unit_moment(contributions), torch.tensor(0.1))
    got = unit_apply(inverse, gradients)
    assert_close(got, dense_solution(contributions, gradients, 0.1))


def test_layers_may_be_joined():
    pairs = [(both(6, n), both(n)) for n in (3, 4)]
    moments = [unit_moment(contributions) for contributions, _ in pairs]
    joined = {k: torch.cat([g[k] for _, g in pairs]) for k in ("weight", "bias")}
    got = solved(torch.cat(moments, 1), joined, 0.1)
    for name, value in got.items():
        alone = [solved(m, g, 0.1)[name] for m, (_, g) in zip(
            moments, pairs, strict=True)]  # fmt: skip
        assert_close(value, torch.cat(alone))


def test_single_precision_is_solved_to_its_last_digits():
    """Blocks that are nearly singular: the sums' own rounding is not the solver's."""
    ww, bb = torch.rand(50).float() + 0.5, torch.rand(50).float() + 0.5
    wb = (ww * bb).sqrt() * (1 - 1e-6)
    gradients = {k: v.float() for k, v in both(50).items()}
    got = solved(torch.stack((ww, wb, bb)), gradients, 1e-4)
    entries = torch.stack((ww, wb, wb, bb), 1).double().view(-1, 2, 2)
    g = torch.stack((gradients["weight"], gradients["bias"]), 1).double()
    truth = torch.linalg.solve(entries + 1e-4 * torch.eye(2), g.unsqueeze(2))
    for name, column in zip(("weight", "bias"), truth.squeeze(2).T, strict=True):
        assert got[name].dtype == torch.float32
        assert ((got[name] - column).abs() < 1e-6 * g.norm(dim=1) / 1e-4).all()


EXTREMES = {
    "zero": (0, 0, 0),
    "no weight": (0, 0, 1),
    "no bias": (1, 0, 0),
    "huge": (HUGE, 0, HUGE),
    "huge and alike": (HUGE, HUGE, HUGE),
    "huge beside zero": (HUGE, 0, 0),
    "huge beside tiny": (1e38, 1, 1e-38),
    "tiny": (1e-38, 1e-38, 1e-38),
    "more than alike": (1, 1 + 1e-6, 1),
}


@pytest.mark.parametrize("damping", [1e-30, 1e-8, 1e-3, 1e3])
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_of_single_precision_give_a_finite_direction(name, damping):
    moment = torch.tensor(EXTREMES[name]).float().unsqueeze(1)
    inverse = unit_inverse(moment, damping).double()
    assert inverse.isfinite().all()
    ww, wb, bb = inverse.squeeze(1) * damping  # eigenvalues from 0 to 1
    rounding = 1e-6
    assert -rounding <= ww * bb - wb * wb
    assert 0 <= ww <= 1 + rounding
    assert 0 <= bb <= 1 + rounding
    assert unit_inverse(moment[:1], damping).isfinite().all()


def test_a_direction_of_a_singular_block_never_ascends():
    weight, bias = torch.randn(2, 1, 1000).float()
    moment = unit_moment({"weight": weight, "bias": bias})
    gradients = {k: v.float() for k, v in both(1000).items()}
    got = solved(moment, gradients, 1e-9)
    assert (sum(got[name] * gradients[name] for name in got) >= 0).all()
