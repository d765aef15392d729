"""The Gaussian that curvature and prior make, against dense matrices."""

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.noisy import dense_precision
from vogn_app import MatrixGaussianPosterior
from vogn_app.curvature.kronecker.layout import blocks_of, find_watched
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.optim.marginal_likelihood import occam
from vogn_app.optim.matrix_noise import layout_of
from vogn_app.optim.mode_curvature import ModeCurvature, layer_of, square_norm

STRENGTH = 40.0  # N / tau


def layouts_of(model, shape="kronecker"):
    named = dict(model.named_parameters())
    blocks = blocks_of(find_watched(model, named, shape))
    return [layout_of(block, {n: n for n in named}) for block in blocks.values()]


def factors_of(layouts):
    found = {}
    for layout in layouts:
        _, outputs, inputs = layout.shape
        sizes = {"inputs": inputs, "outputs": outputs, "gradients": inputs}
        for side in layout.sides:
            if side == "diagonal":
                moment = Moment("diagonal", torch.rand(1, inputs), 1)
            else:
                rows = torch.randn(1, 2 * sizes[side], sizes[side])
                moment = Moment("matrix", rows.mT @ rows, 1)
            found[layout.name, side] = moment
    return found


def curvature_of(model, shape="kronecker"):
    layouts = layouts_of(model, shape)
    return ModeCurvature.of(layouts, factors_of(layouts), STRENGTH)


def mode(model):
    return {name: p.detach() for name, p in model.named_parameters()}


def test_two_factors_make_the_exact_inverse():
    model = nn.Linear(3, 2)
    curvature = curvature_of(model)
    blocks = curvature.matrix_blocks(mode(model), {"": 0.7})
    posterior = MatrixGaussianPosterior.from_model(
        model, blocks, prior_precision=curvature.by_parameter({"": 0.7})
    )
    a, g = (curvature.factors["", side].matrix()[0] for side in ("inputs", "outputs"))
    expected = STRENGTH * torch.kron(g, a) + 0.7 * torch.eye(8)
    torch.testing.assert_close(dense_precision(posterior), expected)
    assert posterior.prior_precision == {"weight": 0.7, "bias": 0.7}


def test_one_matrix_makes_the_exact_inverse_and_bears_rounding():
    model = nn.Linear(3, 2)
    curvature = curvature_of(model, "layer")
    (moment,) = curvature.factors.values()
    (block,) = curvature.matrix_blocks(mode(model), {"": 0.7})
    ((_, request),) = block.requests(torch.float64).items()
    expected = STRENGTH * moment.matrix()[0] + 0.7 * torch.eye(8)
    damped = request.moment_mean.matrix()[0] + request.damping * torch.eye(8)
    torch.testing.assert_close(damped / block.scale, expected)
    single = {name: p.float() for name, p in mode(model).items()}
    (block,) = curvature.matrix_blocks(single, {"": 1e-12})
    ((_, request),) = block.requests(torch.float32).items()
    norm = torch.linalg.norm(moment.matrix())
    assert 5e-7 * norm < request.damping.item() < 2e-6 * norm


def test_a_diagonal_is_given_by_parameter():
    model = nn.Linear(3, 2)
    curvature = curvature_of(model, "diagonal")
    (moment,) = curvature.factors.values()
    found = curvature.precisions({"": 0.7})
    weight, bias = moment.value[0].split([6, 2])
    torch.testing.assert_close(found["weight"], STRENGTH * weight.view(2, 3) + 0.7)
    torch.testing.assert_close(found["bias"], STRENGTH * bias + 0.7)


def test_priors_are_of_all_or_of_each_layer():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    curvature, mean = curvature_of(model), mode(model)
    for layer, factor in (("0", 0.1), ("1", 10.0)):
        mean[f"{layer}.weight"] *= factor
    each = curvature.best_priors(mean, by_layer=True)
    assert each["0"] > 5 * each["1"]
    one = curvature.best_priors(mean, by_layer=False)
    assert one["0"] == one["1"]
    assert curvature.occam(mean, each) <= curvature.occam(mean, one)
    for name in each:
        for factor in (0.9, 1.1):
            other = {**each, name: each[name] * factor}
            assert curvature.occam(mean, each) < curvature.occam(mean, other)
    both = {name: value * 1.1 for name, value in one.items()}
    assert curvature.occam(mean, one) < curvature.occam(mean, both)


def test_occam_is_the_sum_over_blocks():
    model = nn.Linear(3, 2)
    curvature, mean = curvature_of(model), mode(model)
    a, g = (curvature.factors["", side].matrix()[0] for side in ("inputs", "outputs"))
    values = STRENGTH * torch.linalg.eigvalsh(torch.kron(g, a))
    squares = sum(float(p.square().sum()) for p in mean.values())
    expected = occam(squares, values, 0.7)
    assert curvature.occam(mean, {"": 0.7}) == pytest.approx(expected, rel=1e-10)


def test_projections_of_attention_share_the_prior_of_their_module():
    model = nn.MultiheadAttention(4, 2)
    layouts = layouts_of(model)
    assert [layer_of(layout) for layout in layouts] == ["", "", "", "out_proj"]
    curvature = ModeCurvature.of(layouts, factors_of(layouts), STRENGTH)
    total = sum(square_norm(layout, mode(model)) for layout in layouts)
    expected = sum(float(p.square().sum()) for p in mode(model).values())
    assert total == pytest.approx(expected)
    assert set(curvature.layers) == {"", "out_proj"}
    priors = curvature.by_parameter({"": 2.0, "out_proj": 3.0})
    assert priors == {
        "in_proj_weight": 2.0, "in_proj_bias": 2.0, "out_proj.weight": 3.0,
        "out_proj.bias": 3.0,
    }  # fmt: skip


def test_blocks_without_factors_are_left_out():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    layouts = layouts_of(model)
    factors = {k: v for k, v in factors_of(layouts).items() if k[0] == "0"}
    curvature = ModeCurvature.of(layouts, factors, STRENGTH)
    assert [layout.name for layout in curvature.layouts] == ["0"]
    nothing = ModeCurvature.of(layouts, {}, STRENGTH)
    assert nothing.best_priors(mode(model), by_layer=False) == {}


def test_eigenvalues_are_taken_once_for_all_priors(monkeypatch):
    model, calls = nn.Linear(3, 2), []
    curvature, own = curvature_of(model), torch.linalg.eigvalsh
    monkeypatch.setattr(
        torch.linalg, "eigvalsh", lambda matrix: calls.append(1) or own(matrix)
    )
    curvature.best_priors(mode(model), by_layer=True)
    for delta in (0.1, 1.0, 10.0):
        curvature.occam(mode(model), {"": delta})
    assert len(calls) == 2  # one for each factor
