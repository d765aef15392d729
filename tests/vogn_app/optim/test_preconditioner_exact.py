"""Natural gradients against dense solves, and cases in which K-FAC is exact."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import batch_norm_contributions, example_gradients
from tests.vogn_app.curvature.kronecker.reference import factors, seen
from tests.vogn_app.optim.natural import (
    DAMPING,
    Scale,
    close,
    convolutional,
    dense_solve,
    example_rows,
    gradients_of,
    images,
    kronecker_solve,
    natural_of,
)
from vogn_app import Gaussian

N = 6


def layers_of(model):
    """Parameters of each layer, by its name."""
    result = {}
    for name in dict(model.named_parameters()):
        result.setdefault(name.rpartition(".")[0], []).append(name)
    return result


def mixed():
    return nn.Sequential(
        nn.Conv2d(2, 2, 2), nn.GroupNorm(1, 2), nn.Flatten(), Scale(18),
        nn.Linear(18, 3, bias=False), nn.RMSNorm(3), nn.Linear(3, 3),
    )  # fmt: skip


@pytest.mark.parametrize("num", [3, 40])
def test_layer_blocks_are_solved_densely(num):
    model, (x, y) = mixed(), images(num)
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    natural, gradients, _ = natural_of(model, run, shape="layer")
    rows, expected = example_rows(model, x, y), {}
    for names in layers_of(model).values():
        expected |= dense_solve(rows, gradients, names)
    close(natural, expected)


@pytest.mark.parametrize("num", [3, 40])
def test_a_full_block_is_solved_densely(num):
    model, (x, y) = mixed(), images(num)
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    natural, gradients, _ = natural_of(model, run, shape="full")
    close(natural, dense_solve(example_rows(model, x, y), gradients, list(gradients)))


def test_diagonal_blocks_divide():
    model, (x, y) = mixed(), images()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    natural, gradients, _ = natural_of(model, run, shape="diagonal")
    rows = example_rows(model, x, y)
    expected = {
        name: g / (rows[name].square().mean(0).view_as(g) + DAMPING)
        for name, g in gradients.items()
    }
    close(natural, expected)


def test_kronecker_blocks_are_solved_as_kronecker_products():
    model, (x, y) = convolutional(), images()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    natural, gradients, made = natural_of(model, run)
    for at in (0, 4, 6):
        layer = model[at]
        (a,), (g,) = factors(layer, seen(layer, run), N)
        bias = gradients[f"{at}.bias"][:, None]
        matrix = torch.cat((gradients[f"{at}.weight"].flatten(1), bias), 1)
        expected = kronecker_solve(a, g, matrix)
        weight = expected[:, :-1].reshape(layer.weight.shape)
        close(natural[f"{at}.weight"], weight)
        close(natural[f"{at}.bias"], expected[:, -1])
    assert set(made.coverage().values()) == {
        "kronecker (linear)", "kronecker (convolution)", "unit",
    }  # fmt: skip


NORMS = {
    "batch norm": (lambda: nn.BatchNorm1d(4), ()),
    "layer norm": (lambda: nn.LayerNorm(4), ()),
    "layer norm, no bias": (lambda: nn.LayerNorm(4, bias=False), ()),
    "group norm": (lambda: nn.GroupNorm(2, 4), (3,)),
    "rms norm": (lambda: nn.RMSNorm(4), ()),
    "instance norm": (lambda: nn.InstanceNorm1d(4, affine=True), (3,)),
}


class Residual(nn.Module):
    """A branch that ends in a norm layer, which may begin with zeros."""

    def __init__(self, norm, places):
        super().__init__()
        self.stem, self.branch, self.norm = nn.Linear(3, 4), nn.Linear(4, 4), norm
        self.head, self.places = nn.Linear(4, 3), places

    def forward(self, x):
        h = self.stem(x).tanh()
        b = self.branch(h)
        if self.places:
            b = b[..., None] * torch.arange(1.0, 4.0)
            return self.head(h + self.norm(b).sum(-1))
        return self.head(h + self.norm(b))


@pytest.mark.parametrize("start", [1.0, 0.0])
@pytest.mark.parametrize("name", NORMS)
def test_unit_blocks_of_norm_layers_are_solved_channel_by_channel(name, start):
    make, places = NORMS[name]
    model, x, y = Residual(make(), places), torch.randn(N, 3), torch.randint(3, (N,))
    nn.init.constant_(model.norm.weight, start)
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    ((inputs, g),) = seen(model.norm, run)
    natural, gradients, _ = natural_of(model, run)
    if name == "batch norm":
        alone = batch_norm_contributions(inputs, g * N, model.norm.eps)
        rows = {f"norm.{local}": value for local, value in alone.items()}
    else:
        loss_of = lambda i: F.cross_entropy(model(x[i : i + 1]), y[i : i + 1])  # noqa: E731
        rows = example_gradients(model, loss_of, N)
    names = [name for name in gradients if name.startswith("norm")]
    for channel in range(4):
        part = {name: rows[name][:, channel : channel + 1] for name in names}
        own = {name: gradients[name][channel : channel + 1] for name in names}
        expected = dense_solve(part, own, names)
        got = {name: natural[name][channel : channel + 1] for name in names}
        close(got, expected)
    assert all(value.isfinite().all() for value in natural.values())
    assert natural["norm.weight"].any()


# --- exactness ---------------------------------------------------------------------


def squared(outputs, labels):
    """To which the Gaussian likelihood of variance 1 belongs."""
    return (outputs - labels).square().flatten(1).sum(1).mean() / 2


def gauss_newton(model, x, names):
    """(1 / N) sum_i J_i^T J_i of some parameters."""
    outputs = model(x)
    total = 0
    for i in range(len(x)):
        rows = []
        for output in outputs[i].flatten():
            found = torch.autograd.grad(
                output, [model.get_parameter(n) for n in names], retain_graph=True
            )
            rows.append(torch.cat([g.flatten() for g in found]))
        jacobian = torch.stack(rows)
        total = total + jacobian.T @ jacobian / len(x)
    return total


def as_flat(a, g, module):
    """A (x) G in the order of weight and then bias."""
    product = torch.kron(g.contiguous(), a.contiguous())
    out, size = len(g), len(a)
    places = torch.arange(out * size).view(out, size)
    bias = module.bias is not None
    weight = places[:, : size - bias].flatten()
    order = torch.cat((weight, places[:, -1])) if bias else weight
    return product[order][:, order]


def exact_factors(model, x, y, **options):
    options = {"curvature": "exact", "likelihood": Gaussian(), **options}
    run = lambda: squared(model(x), y).backward()  # noqa: E731
    *_, made = natural_of(model, run, **options)
    return {key: moment.matrix()[0] for key, moment in made.factors().items()}


def test_of_a_deep_linear_network_every_block_is_exact():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3, bias=False), nn.Linear(3, 2))
    x, y = torch.randn(N, 3), torch.randn(N, 2)
    got = exact_factors(model, x, y)
    for name, names in layers_of(model).items():
        product = as_flat(got[name, "inputs"], got[name, "outputs"], model[int(name)])
        close(product, gauss_newton(model, x, names))


class Tokens(nn.Module):
    """A deep linear network on tokens, averaged at the end if wanted."""

    def __init__(self, pools):
        super().__init__()
        self.first, self.second, self.pools = nn.Linear(3, 4), nn.Linear(4, 2), pools

    def forward(self, x):
        y = self.second(self.first(x))
        return y.mean(1) if self.pools else y


@pytest.mark.parametrize(("pools", "sharing"), [(False, "expand"), (True, "reduce")])
def test_of_tokens_expand_is_exact_for_each_and_reduce_for_their_mean(pools, sharing):
    model, x = Tokens(pools), torch.randn(N, 5, 3)
    y = torch.randn_like(model(x))
    got = exact_factors(model, x, y, sharing=sharing)
    other = exact_factors(model, x, y, sharing="expand" if pools else "reduce")
    for name, names in layers_of(model).items():
        layer, exact = model.get_submodule(name), gauss_newton(model, x, names)
        close(as_flat(got[name, "inputs"], got[name, "outputs"], layer), exact)
        product = as_flat(other[name, "inputs"], other[name, "outputs"], layer)
        assert (product - exact).norm() > 0.05 * exact.norm()


class Pooled(nn.Module):
    """Convolutions without nonlinearities, and the mean over all places."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1, stride=2)

    def forward(self, x):
        return self.conv(x).mean((2, 3))


def test_reduce_is_exact_for_a_convolution_with_global_pooling():
    model, x, y = Pooled(), torch.randn(N, 2, 5, 4), torch.randn(N, 3)
    got = exact_factors(model, x, y, sharing="reduce")
    product = as_flat(got["conv", "inputs"], got["conv", "outputs"], model.conv)
    close(product, gauss_newton(model, x, ["conv.weight", "conv.bias"]))


@pytest.mark.parametrize("shape", ["layer", "full", "kronecker"])
def test_one_example_has_an_exact_empirical_fisher(shape):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    x, y = torch.randn(1, 3), torch.randint(3, (1,))
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    *_, made = natural_of(model, run, shape=shape)
    moments = {key: moment.matrix()[0] for key, moment in made.factors().items()}
    gradients = gradients_of(model)
    for at, names in layers_of(model).items():
        flat = torch.cat([gradients[name].flatten() for name in names])
        if shape == "kronecker":
            layer = model[int(at)]
            product = as_flat(moments[at, "inputs"], moments[at, "outputs"], layer)
            close(product, torch.outer(flat, flat))
        elif shape == "layer":
            close(moments[at, "gradients"], torch.outer(flat, flat))
    if shape == "full":
        flat = torch.cat([g.flatten() for g in gradients.values()])
        close(moments["model", "gradients"], torch.outer(flat, flat))
