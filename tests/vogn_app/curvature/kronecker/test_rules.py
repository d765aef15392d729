"""Rules against rows that autograd gives, one example after the other."""

from itertools import starmap

import pytest
import torch
from torch import nn

from tests.helpers.closed_form import contributions_alone
from tests.vogn_app.curvature.kronecker.convolutions import (
    CONVOLUTIONS,
    convolution,
    rows_by_autograd,
)
from tests.vogn_app.curvature.rules.exact import EVEN_KERNELS
from vogn_app.curvature.kronecker import rules
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.curvature.kronecker.rules import kronecker_rule_for

pytestmark = pytest.mark.filterwarnings(EVEN_KERNELS)
BOTH, WEIGHT, BIAS = (
    frozenset({"weight", "bias"}),
    frozenset({"weight"}),
    frozenset({"bias"}),
)
LINEAR = {
    "linear": (7, 4),
    "linear, few": (2, 4),
    "linear, tokens": (3, 5, 4),
    "linear, one token": (3, 1, 4),
    "linear, grid": (3, 2, 4, 4),
}
CASES = [*LINEAR, *CONVOLUTIONS]


def layer(case):
    """A layer, an input and contributions."""
    if case in LINEAR:
        module, x = nn.Linear(4, 3), torch.randn(LINEAR[case])
    else:
        module, x = convolution(case)
    return module, x, torch.randn_like(module(x))


def contribution_rows(module, c):
    """[N, B, T, out]."""
    c = c.movedim(-1, 1) if isinstance(module, nn.Linear) else c
    blocks = getattr(module, "groups", 1)
    return (
        c.flatten(2).unflatten(1, (blocks, -1)).mT if c.ndim > 2 else c[:, None, None]
    )


def shared(rows, sharing, reduction):
    """Rows [N, B, T, n] as they are, or one for each example."""
    return rows if sharing == "expand" else reduction(rows, 2, keepdim=True)


def products(rows):
    return torch.einsum("nbti,nbtj->bij", rows, rows)


def wanted_columns(rows, wanted):
    """Rows [N, B, T, n + 1] with what is wanted of them."""
    first = None if "weight" in wanted else -1
    return rows[..., first : None if "bias" in wanted else -1]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("wanted", [BOTH, WEIGHT, BIAS], ids=["both", "weight", "bias"])
@pytest.mark.parametrize("sharing", ["expand", "reduce"])
def test_inputs_are_rows_that_the_parameters_meet(case, wanted, sharing):
    module, x, _ = layer(case)
    rule = kronecker_rule_for(module)
    found = rule.inputs(module, x, wanted, sharing)
    rows = shared(rows_by_autograd(module, x), sharing, torch.mean)
    expected = products(wanted_columns(rows, wanted))
    torch.testing.assert_close(found.matrix(), expected)
    assert found.count == rows.shape[0] * rows.shape[2]
    assert (len(expected), found.size) == rule.sizes(module, wanted)[::2]
    assert torch.equal(found.matrix(), found.matrix().mT)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sharing", ["expand", "reduce"])
def test_outputs_are_rows_of_contributions(case, sharing):
    module, _, c = layer(case)
    rule = kronecker_rule_for(module)
    found = rule.outputs(module, c, sharing)
    rows = shared(contribution_rows(module, c), sharing, torch.sum)
    torch.testing.assert_close(found.matrix(), products(rows))
    assert found.count == len(c)
    assert (len(found.matrix()), found.size) == rule.sizes(module, BOTH)[:2]
    assert torch.equal(found.matrix(), found.matrix().mT)


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("case", ["2d", "2d, groups", "2d, circular, dilated", "3d"])
def test_both_ways_to_products_of_windows_agree(case, pays, monkeypatch):
    monkeypatch.setattr(rules, "prefers_autocorrelation", lambda *args: pays)
    module, x, _ = layer(case)
    found = kronecker_rule_for(module).inputs(module, x, BOTH, "expand")
    expected = products(rows_by_autograd(module, x))
    torch.testing.assert_close(found.matrix(), expected)


@pytest.mark.parametrize("case", CASES)
def test_rows_give_the_gradient(case):
    module, x, c = layer(case)
    rule = kronecker_rule_for(module)
    if rule.rows is None:
        assert max(module.kernel_size) > 1 or module.groups > 1
        return
    for wanted in (BOTH, WEIGHT, BIAS):
        a, rows = rule.rows(module, x, c, wanted)
        own = {name: p for name, p in module.named_parameters() if name in wanted}
        found = torch.autograd.grad((module(x) * c).sum(), list(own.values()))
        expected = rule.to_matrix(module, dict(zip(own, found, strict=True)))
        torch.testing.assert_close((rows.T @ a)[None], expected)


@pytest.mark.parametrize("case", ["linear", "2d, groups", "1d", "3d"])
@pytest.mark.parametrize("wanted", [BOTH, WEIGHT, BIAS], ids=["both", "weight", "bias"])
@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_gradients_become_matrices_and_back(case, wanted, leading):
    module, _, _ = layer(case)
    rule = kronecker_rule_for(module)
    values = {
        name: torch.randn(*leading, *parameter.shape)
        for name, parameter in module.named_parameters()
        if name in wanted
    }
    matrix = rule.to_matrix(module, values)
    assert matrix.shape == (*leading, *rule.sizes(module, wanted))
    back = rule.from_matrix(module, matrix, wanted)
    assert set(back) == wanted
    assert all(torch.equal(back[name], values[name]) for name in wanted)


@pytest.mark.parametrize("case", CASES)
def test_matrices_are_sums_over_rows(case):
    module, x, c = layer(case)
    gradients = {k: v.sum(0) for k, v in contributions_alone(module, x, c).items()}
    found = kronecker_rule_for(module).to_matrix(module, gradients)
    rows, own = rows_by_autograd(module, x), contribution_rows(module, c)
    expected = torch.einsum("nbto,nbti->boi", own, rows)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("case", ["linear", "linear, one token", "2d, one window"])
def test_one_datum_with_one_row_has_its_exact_curvature(case):
    if case == "2d, one window":
        module, x = nn.Conv2d(2, 3, 3), torch.randn(1, 2, 3, 3)
    else:
        module, x, _ = layer(case)
        x = x[:1]
    c = torch.randn_like(module(x))
    rule = kronecker_rule_for(module)
    matrix = rule.to_matrix(module, contributions_alone(module, x, c))
    exact = torch.outer(matrix.flatten(), matrix.flatten())
    for sharing in ("expand", "reduce"):
        A = rule.inputs(module, x, BOTH, sharing).matrix()[0]
        G = rule.outputs(module, c, sharing).matrix()[0]
        torch.testing.assert_close(torch.kron(G, A), exact)


def mean_inputs(module, x, sharing):
    moment = kronecker_rule_for(module).inputs(module, x, BOTH, sharing)
    return moment.matrix() / moment.count


EVERY = [*CASES, "embedding"]


def any_layer(case):
    if case != "embedding":
        return layer(case)
    module, x = nn.Embedding(6, 3, padding_idx=2), torch.randint(0, 6, (5, 4))
    return module, x, torch.randn(5, 4, 3)


@pytest.mark.parametrize("case", EVERY)
@pytest.mark.parametrize("sharing", ["expand", "reduce"])
def test_means_do_not_know_order_or_copies(case, sharing):
    module, x, _ = any_layer(case)
    mean = mean_inputs(module, x, sharing)
    order = torch.randperm(len(x))
    torch.testing.assert_close(mean_inputs(module, x[order], sharing), mean)
    copies = torch.cat((x, x, x))
    torch.testing.assert_close(mean_inputs(module, copies, sharing), mean)


@pytest.mark.parametrize("case", EVERY)
@pytest.mark.parametrize("sharing", ["expand", "reduce"])
def test_moments_of_parts_add_up(case, sharing):
    module, x, c = any_layer(case)
    rule = kronecker_rule_for(module)

    def both(x, c):
        inputs = rule.inputs(module, x, BOTH, sharing)
        return inputs, rule.outputs(module, c, sharing)

    parts = list(starmap(both, [(x[:1], c[:1]), (x[1:], c[1:])]))
    for part, rest, whole in zip(*parts, both(x, c), strict=True):
        total: Moment = part + rest
        assert total.count == whole.count
        torch.testing.assert_close(total.matrix(), whole.matrix())


@pytest.mark.parametrize("case", ["linear", "linear, tokens", "2d", "2d, groups", "1d"])
@pytest.mark.parametrize("sharing", ["expand", "reduce"])
def test_no_examples_are_a_moment_of_nothing(case, sharing):
    module, x, c = layer(case)
    rule = kronecker_rule_for(module)
    for wanted in (BOTH, BIAS):
        inputs = rule.inputs(module, x[:0], wanted, sharing)
        assert (inputs.count, inputs.matrix().any()) == (0, False)
    outputs = rule.outputs(module, c[:0], sharing)
    assert (outputs.count, outputs.matrix().any()) == (0, False)


@pytest.mark.parametrize("case", ["linear", "2d", "2d, strided", "2d, pointwise"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_everything_is_at_least_in_single_precision(case, dtype):
    module, x, c = layer(case)
    rule = kronecker_rule_for(module)
    x, c = (100 * x).to(dtype), (100 * c).to(dtype)
    for sharing in ("expand", "reduce"):
        inputs = rule.inputs(module, x, BOTH, sharing).matrix()
        outputs = rule.outputs(module, c, sharing).matrix()
        assert inputs.dtype == outputs.dtype == torch.float32
        expected = rule.inputs(module, x.double(), BOTH, sharing).matrix()
        assert (inputs - expected).norm() <= 1e-5 * expected.norm()
    if rule.rows is not None:
        assert all(r.dtype == torch.float32 for r in rule.rows(module, x, c, BOTH))


def test_only_plain_layers_have_a_rule():
    class Mine(nn.Linear):
        pass

    for module in (nn.Linear(2, 2), nn.Conv1d(2, 2, 1), nn.Conv3d(2, 2, 1)):
        assert kronecker_rule_for(module) is not None
    changed = nn.Linear(2, 2)
    changed.forward = lambda x: x
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    others = Mine(2, 2), nn.ConvTranspose2d(2, 2, 1), nn.BatchNorm1d(2), changed
    assert all(kronecker_rule_for(module) is None for module in (*others, normed))
