"""Covariances of blocks against Kronecker products that are formed."""

import pytest
import torch

from vogn_app.curvature.kronecker.blocks import (
    DIAGONAL,
    GRADIENTS,
    INPUTS,
    OUTPUTS,
    UNIT,
)
from vogn_app.curvature.kronecker.covariances import covariances_of
from vogn_app.curvature.kronecker.damped import Request
from vogn_app.curvature.kronecker.moments import Moment

IN, OUT = 4, 3


def factor(n, blocks=1, form="matrix"):
    v = torch.randn(blocks, n + 1, n)
    return {
        "matrix": lambda: Moment("matrix", v.mT @ v, 1),
        "rows": lambda: Moment("rows", v[:, : n - 2], 1),
        "diagonal": lambda: Moment("diagonal", v[:, 0].square(), 1),
    }[form]()


def two_sides(blocks=1, inputs="matrix", outputs="matrix", joint=False):
    a, g = ([0.3], [0.3]) if joint else ([0.5] * blocks, [0.2] * blocks)
    return {
        ("b", INPUTS): Request(factor(IN, blocks, inputs), torch.tensor(a)),
        ("b", OUTPUTS): Request(factor(OUT, blocks, outputs), torch.tensor(g)),
    }


def one_side(side, form="matrix"):
    return {("b", side): Request(factor(5, 1, form), torch.tensor([0.3]))}


def inverse(request):
    x = request.moment_mean.matrix()
    return (x + request.damping.reshape(-1, 1, 1) * torch.eye(x.shape[-1])).inverse()


def truth_of(requests, joint=False):
    """C [B, n, n] over elements of each block's matrix, row by row."""
    each = list(requests.values())
    if len(each) == 1:
        return inverse(each[0])
    a, g = each
    if joint:
        a, g = a.moment_mean.matrix(), g.moment_mean.matrix()
        whole = torch.stack([torch.kron(y, x) for x, y in zip(a, g, strict=True)])
        return (whole + 0.3 * torch.eye(IN * OUT)).inverse()
    pairs = zip(inverse(a), inverse(g), strict=True)
    return torch.stack([torch.kron(y, x) for x, y in pairs])


CASES = {
    "matrices": two_sides,
    "groups": lambda: two_sides(3),
    "thin": lambda: two_sides(inputs="rows", outputs="rows"),
    "table": lambda: two_sides(inputs="diagonal"),
    "gradients": lambda: one_side(GRADIENTS),
    "thin gradients": lambda: one_side(GRADIENTS, "rows"),
    "squares": lambda: one_side(DIAGONAL, "diagonal"),
}
JOINT = {
    "matrices": lambda: two_sides(joint=True),
    "groups": lambda: two_sides(3, joint=True),
    "thin": lambda: two_sides(inputs="rows", joint=True),
    "table": lambda: two_sides(inputs="diagonal", joint=True),
}
EVERY = pytest.mark.parametrize(
    ("make", "joint"),
    [pytest.param(make, False, id=name) for name, make in CASES.items()]
    + [pytest.param(make, True, id=f"joint {name}") for name, make in JOINT.items()],
)


def found_of(requests, joint):
    return covariances_of(requests, {"b"} if joint else ())["b"]


def root_of(covariance, blocks, shape):
    """The linear map from noise to draws [B, n, n]: a row an element of the noise."""
    n = shape[0] * shape[1]
    noise = torch.eye(n).view(n, 1, *shape).expand(n, blocks, *shape)
    return covariance.draw(noise.contiguous()).transpose(0, 1).reshape(blocks, n, n)


@EVERY
def test_draws_have_the_covariance(make, joint):
    """Exactly: draws are linear in the noise, so B^T B is their covariance."""
    requests = make()
    truth, shape = (
        truth_of(requests, joint),
        (OUT, IN) if len(requests) == 2 else (1, 5),
    )
    root = root_of(found_of(requests, joint), len(truth), shape)
    torch.testing.assert_close(root.mT @ root, truth, rtol=1e-10, atol=1e-12)


@EVERY
def test_variances_are_its_diagonal(make, joint):
    requests = make()
    truth = truth_of(requests, joint).diagonal(0, 1, 2)
    variances = found_of(requests, joint).variances()
    torch.testing.assert_close(variances.flatten(1), truth, rtol=1e-10, atol=0)


@EVERY
def test_the_determinant_is_its_own(make, joint):
    requests = make()
    truth = truth_of(requests, joint).logdet().sum()
    found = found_of(requests, joint).log_determinant()
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-10)


@EVERY
def test_many_draws_are_each_as_alone(make, joint):
    requests = make()
    covariance, shape = found_of(requests, joint), (OUT, IN)
    shape = shape if len(requests) == 2 else (1, 5)
    blocks = next(iter(requests.values())).moment_mean.value.shape[0]
    noise = torch.randn(4, blocks, *shape)
    each = torch.cat([covariance.draw(noise[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(covariance.draw(noise), each, rtol=1e-12, atol=1e-12)


def test_a_norm_layer_draws_scales_and_shifts():
    w, b = torch.randn(2, 6, 5)
    entries = torch.stack([(w * w).sum(0), (w * b).sum(0), (b * b).sum(0)])
    requests = {
        ("n", UNIT): Request(Moment("diagonal", entries, 6), torch.tensor([0.4]))
    }
    covariance = covariances_of(requests)["n"]
    assert covariance.variances().shape == (1, 1, 10)
    root = root_of(covariance, 1, (1, 10))[0]
    ww, wb, bb = entries
    precision = torch.cat((
        torch.cat((torch.diag(ww + 0.4), torch.diag(wb)), 1),
        torch.cat((torch.diag(wb), torch.diag(bb + 0.4)), 1),
    ))  # fmt: skip
    torch.testing.assert_close(
        root.T @ root, precision.inverse(), rtol=1e-10, atol=1e-12
    )
    torch.testing.assert_close(covariance.log_determinant(), -precision.logdet())


def test_blocks_together_and_one_that_fails():
    good = two_sides()
    bad = {
        ("x", side): Request(Moment("matrix", -torch.eye(2)[None], 1), r.damping)
        for (_, side), r in good.items()
    }
    never = Request(
        Moment("matrix", torch.full((1, 2, 2), torch.nan), 1), torch.ones(1)
    )
    turned = {("y", INPUTS): never, ("y", OUTPUTS): never}
    found = covariances_of(good | bad | turned, {"y"})
    assert found["x"] is None
    assert found["y"] is None
    alone = covariances_of(good)["b"].variances()
    torch.testing.assert_close(found["b"].variances(), alone)


def test_factored_dampings_are_never_wider_than_a_joint_one():
    """With a g = x their precision exceeds the joint one's by a G + g A."""
    joint = two_sides(joint=True)
    a, g = torch.tensor([0.5]), torch.tensor([0.6])
    pairs = zip(joint.items(), (a, g), strict=True)
    factored = {key: Request(r.moment_mean, damping) for (key, r), damping in pairs}
    narrow, wide = truth_of(factored), truth_of(joint, joint=True)
    assert torch.linalg.eigvalsh(wide - narrow).min() > -1e-12
    narrow = covariances_of(factored)["b"].variances()
    assert (narrow <= covariances_of(joint, {"b"})["b"].variances()).all()
