"""What labels are drawn from where curvature is that of the model's own labels.

A likelihood says how labels are distributed given the outputs of the model:

    f   outputs of the model, examples first           [N, ...]
    y   labels, as a loss takes them
    p   probability or density of labels               p(y | f)

`draw` gives labels y ~ p(y | f), and `loss` what is differentiated at them. Where your
loss is the mean over examples of -log p(y | f), `loss` is that loss. Where it is w
times as much, as a mean over T positions of an example is (w = 1 / T), `loss` is
sqrt(w) times the mean of -log p(y | f): the squares of its gradients then have the
Gauss-Newton matrix of your loss as their mean over labels,

    E_y[(sqrt(w) d log p)^2] = w E_y[(d log p)^2],

and the fixed point of VOGN is the best Gaussian for your loss, not for another one.
Your own likelihood is any object with these two methods.

Where all labels can be gone through, `square_roots` gives that mean without drawing:
vectors whose outer products sum to E_y[(d loss)(d loss)^T] at each example's output.
"""

import math
from collections.abc import Iterator
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from ._checks import check_number


@runtime_checkable
class Likelihood(Protocol):
    """How labels are distributed given the outputs of the model."""

    def draw(self, outputs: Tensor, generator: torch.Generator) -> Any:
        """Draw the labels of a batch.

        Args:
            outputs: Of the model [N, ...], at least float32, without a graph.
            generator: Source of all randomness, on the outputs' device.

        Returns:
            Labels, in whatever form `loss` takes them.
        """
        ...

    def loss(self, outputs: Tensor, labels: Any) -> Tensor:
        """What is differentiated, a scalar: see the module's docstring.

        Args:
            outputs: Of the model [N, ...], at least float32.
            labels: From `draw`.

        Returns:
            A mean over the N examples.
        """
        ...


@final
class Categorical:
    """One class of C for each example, or for each of its positions.

    It belongs to `F.cross_entropy(outputs, labels)`, the mean over examples and
    positions, on logits [N, C] or [N, C, *positions]; labels are [N] or
    [N, *positions].

    Example:
        >>> logits = torch.randn(8, 3)
        >>> labels = Categorical().draw(logits, torch.Generator())
        >>> loss = Categorical().loss(logits, labels)
        >>> torch.equal(loss, F.cross_entropy(logits, labels))
        True
    """

    def draw(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Classes drawn from softmax(outputs), whole numbers; ValueError if no logits.

        The largest of logits with Gumbel noise. Where logits are not finite it gives
        some class instead of failing: a loss scale then skips the step.
        """
        _check_logits(outputs)
        noise = torch.empty_like(outputs).exponential_(generator=generator)
        tiny = torch.finfo(noise.dtype).tiny
        return (outputs - noise.clamp_min_(tiny).log_()).argmax(1)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, times the root of the number of positions."""
        positions = math.prod(outputs.shape[2:])
        return F.cross_entropy(outputs, labels) * math.sqrt(positions)

    def square_roots(self, outputs: Tensor) -> Iterator[Tensor]:
        """Columns of a root of each example's Fisher matrix, one a class.

        Args:
            outputs: Logits [N, C].

        Yields:
            sqrt(p_c) (p - e_c) for each class c [N, C], with p the probabilities.

        Raises:
            ValueError: If there are positions.
        """
        _check_logits(outputs)
        if outputs.ndim > 2:
            raise ValueError(
                "outputs must be [N, C] where all labels are gone through, got shape "
                f"{tuple(outputs.shape)}: use curvature='fisher'."
            )
        probabilities = outputs.softmax(1)
        for label in range(outputs.shape[1]):
            column = probabilities.clone()
            column[:, label] -= 1
            yield column * probabilities[:, label : label + 1].sqrt()


@final
class Bernoulli:
    """Yes or no for each output, independently.

    It belongs to `F.binary_cross_entropy_with_logits(outputs, labels)`, the mean over
    everything, on logits [N] or [N, ...]; labels are 0.0 and 1.0 in the same shape.

    Example:
        >>> logits = torch.randn(8, 1)
        >>> labels = Bernoulli().draw(logits, torch.Generator())
        >>> loss = Bernoulli().loss(logits, labels)
        >>> torch.equal(loss, F.binary_cross_entropy_with_logits(logits, labels))
        True
    """

    def draw(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Ones with probability sigmoid(outputs), else zeros."""
        _check_examples(outputs)
        uniform = _like(torch.rand, outputs, generator)
        return (uniform < outputs.sigmoid()).to(outputs.dtype)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, times the root of the number of an example's outputs."""
        each = math.prod(outputs.shape[1:])
        loss = F.binary_cross_entropy_with_logits(outputs, labels)
        return loss * math.sqrt(each)

    def square_roots(self, outputs: Tensor) -> Iterator[Tensor]:
        """Columns of a root of each example's Fisher matrix, one an output.

        Args:
            outputs: Logits [N, ...].

        Yields:
            The deviation of each output's label in turn, in the outputs' shape.
        """
        _check_examples(outputs)
        p = outputs.sigmoid()
        yield from _one_by_one((p * (1 - p) / math.prod(outputs.shape[1:])).sqrt())


@final
class Gaussian:
    """A number for each output, normally distributed around it.

    It belongs to `(outputs - labels).square().sum() / (2 * variance * N)`, the mean
    over examples of sums over their outputs, on means [N] or [N, ...]. Of one output
    and variance 1 that is `0.5 * F.mse_loss(outputs, labels)`; `F.mse_loss` itself, on
    D outputs, has variance D / 2.

    Args:
        variance: Of the noise in the labels, > 0, in their units squared.

    Raises:
        ValueError: If the variance is out of range.

    Example:
        >>> means = torch.randn(8, 1)
        >>> labels = Gaussian().draw(means, torch.Generator())
        >>> loss = Gaussian().loss(means, labels)
        >>> torch.allclose(loss, 0.5 * F.mse_loss(means, labels))
        True
    """

    def __init__(self, variance: float = 1.0) -> None:
        self.variance = check_number("variance", variance, minimum=0, open_minimum=True)

    def __repr__(self) -> str:
        return f"Gaussian(variance={self.variance:g})"

    def draw(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """The outputs with noise."""
        _check_examples(outputs)
        noise = _like(torch.randn, outputs, generator)
        return outputs + math.sqrt(self.variance) * noise

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Squared errors over twice the variance, a mean over examples of sums."""
        errors = (outputs - labels).square().sum()
        return errors / (2 * self.variance * len(outputs))

    def square_roots(self, outputs: Tensor) -> Iterator[Tensor]:
        """Columns of a root of each example's Fisher matrix, one an output.

        Args:
            outputs: Means [N, ...].

        Yields:
            One over the deviation for each output in turn, in the outputs' shape.
        """
        _check_examples(outputs)
        yield from _one_by_one(torch.full_like(outputs, self.variance**-0.5))


NAMED: dict[str, type[Categorical | Bernoulli | Gaussian]] = {
    "categorical": Categorical,
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
}


def likelihood_named(likelihood: str | Likelihood) -> Likelihood:
    """The likelihood of a name, or the object itself.

    Args:
        likelihood: One of `NAMED`, or any object with the methods of `Likelihood`.

    Returns:
        The likelihood.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(likelihood, str) and likelihood in NAMED:
        return NAMED[likelihood]()
    if isinstance(likelihood, type) or not isinstance(likelihood, Likelihood):
        raise ValueError(
            f"likelihood must be one of {', '.join(NAMED)}, or an object with the "
            f"methods draw and loss, got {likelihood!r}."
        )
    return likelihood


def _one_by_one(values: Tensor) -> Iterator[Tensor]:
    """All of an example's values [N, ...] in turn, the others zero."""
    flat = values.reshape(len(values), math.prod(values.shape[1:]))
    for index in range(flat.shape[1]):
        column = torch.zeros_like(flat)
        column[:, index] = flat[:, index]
        yield column.view(values.shape)


def _like(draw: Any, outputs: Tensor, generator: torch.Generator) -> Tensor:
    """A draw in the shape, type and on the device of the outputs."""
    drawn: Tensor = draw(
        outputs.shape, generator=generator, dtype=outputs.dtype, device=outputs.device
    )
    return drawn


def _check_examples(outputs: Tensor) -> None:
    if outputs.ndim == 0:
        raise ValueError(
            "outputs must have the examples in their first dimension, got a single "
            "number: the model must give outputs, not its loss."
        )


def _check_logits(outputs: Tensor) -> None:
    _check_examples(outputs)
    if outputs.ndim < 2 or outputs.shape[1] < 2:
        raise ValueError(
            "outputs must have at least 2 classes in their second dimension, got shape "
            f"{tuple(outputs.shape)}: use likelihood='bernoulli' or 'gaussian'."
        )
