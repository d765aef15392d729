"""Likelihoods: the losses they belong to, Gauss-Newton, draws, names, errors."""

import doctest
import itertools
import math
import re

import pytest
import torch
from torch.nn import functional as F

from vogn_app import likelihoods
from vogn_app.likelihoods import Bernoulli, Categorical, Gaussian, likelihood_named

NUM_DRAWS = 40_000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def raises(text):
    return pytest.raises(ValueError, match=f"^{re.escape(text)}$")


# --- the losses they belong to ----------------------------------------------------


def test_categorical_is_cross_entropy():
    logits, labels = torch.randn(5, 3), torch.randint(3, (5,))
    assert torch.equal(
        Categorical().loss(logits, labels), F.cross_entropy(logits, labels)
    )


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_bernoulli_is_binary_cross_entropy(shape):
    logits, labels = torch.randn(shape), torch.randint(2, shape).double()
    assert torch.equal(
        Bernoulli().loss(logits, labels),
        F.binary_cross_entropy_with_logits(logits, labels),
    )


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_gaussian_of_one_output_is_half_the_squared_error(shape):
    means, labels = torch.randn(shape), torch.randn(shape)
    torch.testing.assert_close(
        Gaussian().loss(means, labels), 0.5 * F.mse_loss(means, labels)
    )
    torch.testing.assert_close(
        Gaussian(0.25).loss(means, labels), 2 * F.mse_loss(means, labels)
    )


def test_mean_squared_error_of_several_outputs_has_half_their_number_as_variance():
    means, labels = torch.randn(5, 6), torch.randn(5, 6)
    torch.testing.assert_close(
        Gaussian(variance=3.0).loss(means, labels), F.mse_loss(means, labels)
    )


def test_gaussian_adds_up_the_outputs_of_an_example():
    means, labels = torch.randn(5, 2, 3), torch.randn(5, 2, 3)
    by_hand = (means - labels).square().sum((1, 2)).mean() / 8
    torch.testing.assert_close(Gaussian(4.0).loss(means, labels), by_hand)


# --- Gauss-Newton -----------------------------------------------------------------


def gauss_newton(loss, outputs):
    """Hessian of a training loss in its outputs, its diagonal [*outputs.shape]."""
    hessian = torch.autograd.functional.hessian(loss, outputs)
    num = outputs.numel()
    return hessian.reshape(num, num).diagonal().view(outputs.shape)


def expected_squares(likelihood, outputs, labels, weights):
    """Mean over labels, with these probabilities, of squared gradients."""
    total = torch.zeros_like(outputs)
    for each, weight in zip(labels, weights, strict=True):
        start = outputs.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(likelihood.loss(start, each), start)
        total += weight * gradient.square()
    return total


@pytest.mark.parametrize("positions", [(), (2,), (2, 2)])
def test_squares_for_classes_are_gauss_newton_also_for_a_mean_over_positions(positions):
    logits = torch.randn(1, 3, *positions)
    num = math.prod(positions)
    labels = [
        torch.tensor(each).view(1, *positions)
        for each in itertools.product(range(3), repeat=num)
    ]
    chances = logits.softmax(1)
    weights = [chances.gather(1, y[:, None]).prod() for y in labels]
    got = expected_squares(Categorical(), logits, labels, weights)
    # The Hessian of cross-entropy does not depend on the labels.
    expected = gauss_newton(lambda f: F.cross_entropy(f, labels[0]), logits)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("shape", [(1,), (1, 3), (1, 2, 2)])
def test_squares_for_yes_and_no_are_gauss_newton_also_for_several(shape):
    logits = torch.randn(shape)
    labels = [
        torch.tensor(each).view(shape)
        for each in itertools.product((0.0, 1.0), repeat=logits.numel())
    ]
    chances = logits.sigmoid()
    weights = [(chances * y + (1 - chances) * (1 - y)).prod() for y in labels]
    got = expected_squares(Bernoulli(), logits, labels, weights)
    expected = gauss_newton(
        lambda f: F.binary_cross_entropy_with_logits(f, labels[0]), logits
    )
    torch.testing.assert_close(got, expected)


def test_squares_for_numbers_are_gauss_newton():
    means, deviation = torch.randn(1, 3), 0.5
    labels = [  # two values with the mean and variance of the normal distribution
        means + deviation * torch.tensor(each)
        for each in itertools.product((-1.0, 1.0), repeat=3)
    ]
    likelihood = Gaussian(deviation**2)
    got = expected_squares(likelihood, means, labels, [1 / 8] * 8)
    expected = gauss_newton(lambda f: likelihood.loss(f, labels[0]), means)
    torch.testing.assert_close(got, expected)


# --- draws ------------------------------------------------------------------------


@pytest.mark.parametrize("positions", [(), (3,)])
def test_classes_come_as_often_as_their_probability_says(positions):
    """A frequency deviates by sqrt(p (1 - p) / n); of 12, six deviations are rare."""
    logits = torch.randn(1, 4, *positions)
    many = logits.expand(NUM_DRAWS, *logits.shape[1:])
    labels = Categorical().draw(many, generator())
    assert labels.shape == (NUM_DRAWS, *positions)
    chances = logits.softmax(1)[0]
    counts = F.one_hot(labels, 4).double().mean(0).movedim(-1, 0)
    limit = 6 * (chances * (1 - chances) / NUM_DRAWS).sqrt()
    assert ((counts - chances).abs() < limit).all()


def test_yes_comes_as_often_as_its_probability_says():
    logits = torch.tensor([-3.0, 0.0, 1.0])
    labels = Bernoulli().draw(logits.expand(NUM_DRAWS, 3), generator())
    assert set(labels.unique().tolist()) == {0.0, 1.0}
    chances = logits.sigmoid()
    limit = 6 * (chances * (1 - chances) / NUM_DRAWS).sqrt()
    assert ((labels.mean(0) - chances).abs() < limit).all()


def test_numbers_have_the_mean_and_the_variance():
    """Deviations: sqrt(v / n) of a mean, v sqrt(2 / n) of a mean square."""
    means = torch.tensor([-3.0, 5.0])
    labels = Gaussian(4.0).draw(means.expand(NUM_DRAWS, 2), generator())
    errors = labels - means
    assert (errors.mean(0).abs() < 6 * math.sqrt(4 / NUM_DRAWS)).all()
    spread = errors.square().mean(0) - 4
    assert (spread.abs() < 6 * 4 * math.sqrt(2 / NUM_DRAWS)).all()


EVERY = {"categorical": (8, 3), "bernoulli": (8,), "gaussian": (8, 2)}


@pytest.mark.parametrize(("name", "shape"), EVERY.items())
def test_draws_follow_their_generator_and_leave_the_global_one_alone(name, shape):
    likelihood, outputs = likelihood_named(name), torch.randn(shape)
    state = torch.get_rng_state()
    first, again = (likelihood.draw(outputs, generator(3)) for _ in range(2))
    later = likelihood.draw(
        outputs.expand(8, *shape).reshape(-1, *shape[1:]), generator(4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, later[: len(first)])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("name", "shape"), EVERY.items())
def test_outputs_that_are_not_finite_are_no_error(name, shape):
    likelihood, outputs = likelihood_named(name), torch.full(shape, torch.nan)
    labels = likelihood.draw(outputs, generator())
    assert likelihood.loss(outputs, labels).isnan()


def test_classes_with_no_chance_are_never_drawn():
    logits = torch.tensor([0.0, -math.inf, 1.0]).expand(1000, 3)
    assert set(Categorical().draw(logits, generator()).unique().tolist()) == {0, 2}


@pytest.mark.parametrize(("name", "shape"), EVERY.items())
def test_an_empty_batch_has_no_labels(name, shape):
    outputs = torch.randn(0, *shape[1:])
    assert len(likelihood_named(name).draw(outputs, generator())) == 0


# --- square roots -----------------------------------------------------------------


def outer_products(likelihood, outputs):
    """Sum over the roots of outer products, for each example: [N, *out, *out]."""
    roots = [r.reshape(len(r), -1) for r in likelihood.square_roots(outputs)]
    return sum(root[:, :, None] * root[:, None] for root in roots)


ROOTS = {
    "categorical": (Categorical, (4, 3), lambda f: torch.zeros(1).long()),
    "bernoulli, one": (Bernoulli, (4,), torch.zeros_like),
    "bernoulli, several": (Bernoulli, (4, 2, 3), torch.zeros_like),
    "gaussian": (lambda: Gaussian(0.3), (4, 2), torch.zeros_like),
    "gaussian, one": (lambda: Gaussian(2.0), (4,), torch.zeros_like),
}


@pytest.mark.parametrize("name", ROOTS)
def test_square_roots_are_those_of_each_example_s_hessian(name):
    make, shape, labels_of = ROOTS[name]
    likelihood, outputs = make(), torch.randn(shape)
    got = outer_products(likelihood, outputs)
    plain = {  # the losses that these likelihoods belong to
        Categorical: F.cross_entropy, Bernoulli: F.binary_cross_entropy_with_logits,
    }.get(type(likelihood), likelihood.loss)  # fmt: skip
    for example, product in zip(outputs.split(1), got, strict=True):
        labels = labels_of(example)
        hessian = torch.autograd.functional.hessian(
            lambda f, labels=labels: plain(f, labels), example
        )
        torch.testing.assert_close(product, hessian.reshape(product.shape))


@pytest.mark.parametrize("name", ROOTS)
def test_square_roots_leave_the_outputs_alone(name):
    make, shape, _ = ROOTS[name]
    outputs = torch.randn(shape)
    before = outputs.clone()
    roots = list(make().square_roots(outputs))
    assert torch.equal(outputs, before)
    assert {root.shape for root in roots} == {outputs.shape}
    assert len(roots) == max(1, math.prod(shape[1:]))


def test_a_class_without_a_chance_has_no_part_in_it():
    logits = torch.tensor([[0.0, -math.inf, 1.0]])
    roots = list(Categorical().square_roots(logits))
    assert torch.equal(roots[1], torch.zeros(1, 3))
    assert all(root.isfinite().all() for root in roots)


def test_classes_of_positions_cannot_be_gone_through():
    with raises(
        "outputs must be [N, C] where all labels are gone through, got shape "
        "(2, 3, 4): use curvature='fisher'."
    ):
        list(Categorical().square_roots(torch.randn(2, 3, 4)))


# --- names and errors -------------------------------------------------------------


def test_names_stand_for_the_plain_likelihoods():
    assert type(likelihood_named("categorical")) is Categorical
    assert type(likelihood_named("bernoulli")) is Bernoulli
    assert repr(likelihood_named("gaussian")) == "Gaussian(variance=1)"


def test_any_object_with_both_methods_is_a_likelihood():
    class Mine:
        def draw(self, outputs, generator):
            return outputs.sign()

        def loss(self, outputs, labels):
            return (outputs * labels).mean()

    mine = Mine()
    assert likelihood_named(mine) is mine


@pytest.mark.parametrize("wrong", ["poisson", "", None, 3, Gaussian, F.mse_loss])
def test_anything_else_is_an_error(wrong):
    with raises(
        "likelihood must be one of categorical, bernoulli, gaussian, or an object with "
        f"the methods draw and loss, got {wrong!r}."
    ):
        likelihood_named(wrong)


@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 1, 4)])
def test_classes_need_logits_for_at_least_two(shape):
    with raises(
        "outputs must have at least 2 classes in their second dimension, got shape "
        f"{shape}: use likelihood='bernoulli' or 'gaussian'."
    ):
        Categorical().draw(torch.randn(shape), generator())


@pytest.mark.parametrize("name", EVERY)
def test_a_single_number_is_no_output(name):
    with raises(
        "outputs must have the examples in their first dimension, got a single "
        "number: the model must give outputs, not its loss."
    ):
        likelihood_named(name).draw(torch.tensor(1.0), generator())


@pytest.mark.parametrize("variance", [0, -1.0, math.inf, math.nan, "1"])
def test_a_variance_out_of_range_is_an_error(variance):
    with raises(f"variance must be a finite number in (0, inf), got {variance!r}."):
        Gaussian(variance)


def test_the_examples_in_the_docstrings_run():
    results = doctest.testmod(likelihoods)
    assert results.attempted >= 12
    assert results.failed == 0
