"""How the tests hold a rule against a loop over examples."""

import torch

from tests.helpers.closed_form import contributions_alone
from tests.vogn_app.curvature.exactness import assert_close
from vogn_app.curvature.rules import contribution_chunks, layer_sums, rule_for

# torch's own remark on even kernels, from the forward pass.
EVEN_KERNELS = "ignore:Using padding='same' with even kernel:UserWarning"


def randomised(module):
    """The module with parameters and statistics that are nothing special."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
        for name, buffer in module.named_buffers():
            if name.startswith("running"):
                buffer.uniform_(0.5, 2)
    return module


@torch.no_grad()
def output_gradient(module, x):
    """Anything of the output's shape; running statistics stay what they are."""
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    g = torch.randn_like(module(x))
    for name, buffer in module.named_buffers():
        buffer.copy_(kept[name])
    return g


def of_parameters(module, values):
    """Those values, by local name, that belong to a parameter."""
    return {name: values[name] for name, _ in module.named_parameters()}


@torch.no_grad()
def contributions(module, x, g):
    """The rule's contributions of all examples."""
    parts = list(contribution_chunks(rule_for(module), module, x, g))
    names = [name for name, _ in module.named_parameters()]
    return {name: torch.cat([part[name] for part in parts]) for name in names}


@torch.no_grad()
def sums(module, x, g):
    """The rule's sums and sums of squares."""
    found = layer_sums(rule_for(module), module, x, g)
    return tuple(of_parameters(module, values) for values in found)


def assert_sums(module, x, g, expected, relative=1e-10):
    """Sums of the rule are those of the expected contributions [N, *shape]."""
    summed, squares = sums(module, x, g)
    wanted = {name: rows.sum(0) for name, rows in expected.items()}
    assert_close(summed, wanted, relative)
    wanted = {name: rows.square().sum(0) for name, rows in expected.items()}
    assert_close(squares, wanted, relative)


def assert_gradients(module, x, g):
    """Sum, gradients and input gradient of the rule are autograd's."""
    module.zero_grad()
    x = x.clone().requires_grad_(x.is_floating_point())
    module(x).backward(g)
    gradients = {name: p.grad for name, p in module.named_parameters()}
    assert_close(sums(module, x.detach(), g)[0], gradients)
    rule = rule_for(module)
    if rule.input_gradient is not None:
        with torch.no_grad():
            found = rule.input_gradient(module, x.detach(), g, module.weight)
            own = rule.gradients(module, x.detach(), g)
        assert_close({"x": found}, {"x": x.grad})
        assert_close(of_parameters(module, own), gradients)


def assert_exact(module, x, g=None):
    """Contributions, sums and input gradient of the rule are what they should be."""
    module = randomised(module)
    g = output_gradient(module, x) if g is None else g
    expected = contributions_alone(module, x, g)
    assert_close(contributions(module, x, g), expected)
    assert_sums(module, x, g, expected)
    assert_gradients(module, x, g)
