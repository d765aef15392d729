"""A pass over the data: the curvature of all of it, and nothing left behind."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients
from vogn_app.likelihoods import Bernoulli, Categorical, Gaussian
from vogn_app.optim.measuring import (
    Measured,
    Way,
    check_finite,
    measure,
    negative_log_likelihood,
)


def way(shape="layer", curvature="exact", likelihood=None, seed=0):
    return Way(
        shape=shape, sharing="expand", curvature=curvature,
        likelihood=likelihood or Categorical(), seed=seed,
    )  # fmt: skip


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 3))


def data(num=10):
    return torch.randn(num, 3), torch.randint(3, (num,))


def gauss_newton(model, x):
    """Mean over examples of J^T (diag p - p p^T) J, an example after the other."""
    total = 0.0
    for i in range(len(x)):
        p = model(x[i : i + 1]).softmax(1)[0].detach()
        rows = example_gradients(model, lambda c, i=i: model(x[i : i + 1])[0, c], 3)
        jacobian = torch.cat([row.flatten(1) for row in rows.values()], 1)
        total = total + jacobian.T @ (torch.diag(p) - p.outer(p)) @ jacobian
    return total / len(x)


@pytest.mark.parametrize("sizes", [(10,), (4, 4, 2)])
def test_the_whole_curvature_of_one_layer_is_gauss_newton(sizes):
    model, (x, y) = network(), data()
    last = {n: p for n, p in model.named_parameters() if n.startswith("3")}
    batches = list(zip(x.split(sizes), y.split(sizes), strict=True))
    found = measure(model, last, batches, way())
    model.eval()
    model[0].requires_grad_(False)
    ((key, moment),) = found.factors.items()
    torch.testing.assert_close(moment.matrix()[0], gauss_newton(model, x))
    assert key == ("3", "gradients")
    assert found.num_examples == 10
    expected = -F.cross_entropy(model(x).detach(), y, reduction="sum")
    assert found.log_likelihood == pytest.approx(float(expected), rel=1e-12)


def test_kronecker_factors_do_not_depend_on_the_batches():
    model, (x, y) = network(), data()
    named = dict(model.named_parameters())
    whole = measure(model, named, [(x, y)], way("kronecker"))
    parts = [(x[:7], y[:7]), (x[7:], y[7:])]
    other = measure(model, named, parts, way("kronecker"))
    assert whole.factors.keys() == other.factors.keys()
    for key, moment in whole.factors.items():
        torch.testing.assert_close(moment.matrix(), other.factors[key].matrix())
    model.eval()
    hidden = torch.cat((model[:3](x), torch.ones(10, 1)), 1)
    torch.testing.assert_close(
        whole.factors["3", "inputs"].matrix()[0], hidden.T @ hidden / 10
    )


def test_the_data_s_own_labels_give_their_gradients():
    model, (x, y) = network(), data()
    found = measure(
        model, dict(model.named_parameters()), [(x, y)], way("diagonal", "empirical")
    )
    model.eval()
    rows = example_gradients(
        model, lambda i: F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]), 10
    )
    for name in ("0", "3"):
        each = [
            rows[f"{name}.{k}"].square().mean(0).flatten() for k in ("weight", "bias")
        ]
        torch.testing.assert_close(
            found.factors[name, "diagonal"].value[0], torch.cat(each), rtol=1e-10,
            atol=0,
        )  # fmt: skip


def test_drawn_labels_follow_the_seed_alone():
    model, batch = network(), data()
    named = dict(model.named_parameters())

    def once(seed):
        torch.rand(3)  # others draw, too
        found = measure(model, named, [batch], way("diagonal", "fisher", seed=seed))
        return found.factors["3", "diagonal"].value

    assert torch.equal(once(1), once(1))
    assert not torch.equal(once(1), once(2))


def test_every_batch_draws_labels_of_its_own():
    model, batch = network(), data()
    named = dict(model.named_parameters())
    once, twice = (
        measure(model, named, [batch] * num, way("diagonal", "fisher"))
        for num in (1, 2)
    )
    values = [found.factors["3", "diagonal"].value for found in (once, twice)]
    assert not torch.allclose(*values)  # means: the same labels would give the same


def test_the_network_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model[0].requires_grad_(False)
    model[1].eval()
    model[2].weight.grad = gradient = torch.ones(3, 4)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    last = {n: p for n, p in model.named_parameters() if n.startswith("2")}

    def failing():
        yield data()
        raise KeyboardInterrupt

    measure(model, last, [data()], way())
    with pytest.raises(KeyboardInterrupt):
        measure(model, last, failing(), way())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model[2].weight.grad is gradient
    assert model[2].bias.grad is None
    assert [p.requires_grad for p in model[0].parameters()] == [False, False]
    assert [m.training for m in model] == [True, False, True]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_layer_that_takes_no_part_has_no_factors():
    model = nn.ModuleDict({"used": nn.Linear(3, 3), "idle": nn.Linear(3, 3)})
    model.forward = lambda x: model["used"](x)
    found = measure(model, dict(model.named_parameters()), [data()], way("kronecker"))
    assert {name for name, _ in found.factors} == {"used"}


def test_no_examples_and_no_numbers_are_refused():
    model = network()
    named = dict(model.named_parameters())
    with pytest.raises(ValueError, match=r"at least one example, got none\."):
        measure(model, named, [], way())
    with torch.no_grad():
        model[3].bias[0] = float("inf")
    found = measure(model, named, [data()], way("diagonal"))
    with pytest.raises(RuntimeError, match="training has diverged"):
        check_finite(found)
    check_finite(Measured({}, -1.0, 1))


def test_the_loss_is_the_one_that_the_likelihood_belongs_to():
    logits, classes = torch.randn(4, 3, 5), torch.randint(3, (4, 5))
    found = negative_log_likelihood(Categorical(), logits, classes)
    torch.testing.assert_close(found, F.cross_entropy(logits, classes))
    ones = torch.randint(2, (4, 3, 5))
    found = negative_log_likelihood(Bernoulli(), logits, ones)
    wanted = F.binary_cross_entropy_with_logits(logits, ones.double())
    torch.testing.assert_close(found, wanted)
    normal = torch.distributions.Normal(logits, 0.5**0.5)
    labels = torch.randn_like(logits)
    torch.testing.assert_close(
        negative_log_likelihood(Gaussian(variance=0.5), logits, labels),
        -normal.log_prob(labels).sum() / 4,
    )

    class Own:
        def draw(self, outputs, generator):
            return outputs

        def loss(self, outputs, labels):
            return (outputs * labels).sum()

    found = negative_log_likelihood(Own(), logits, labels)
    torch.testing.assert_close(found, (logits * labels).sum())
