"""How the tests compare squares at drawn labels with a loop over the examples."""

import torch

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import assert_close, capture_of
from vogn_app.curvature import FisherPass
from vogn_app.likelihoods import Categorical


class Remembered:
    """A likelihood that keeps the labels it drew."""

    def __init__(self, likelihood):
        self.likelihood, self.labels = likelihood, []
        self.loss = likelihood.loss

    def draw(self, outputs, generator):
        self.labels.append(self.likelihood.draw(outputs, generator))
        return self.labels[-1]


def fisher(likelihood):
    """A pass whose generator starts from one seed in every block."""
    source = torch.Generator().manual_seed(7)
    drawn = Remembered(likelihood)
    return FisherPass(drawn, lambda device: source), drawn.labels


def user_loss(output):
    """The user's own loss: another than the likelihood's."""
    return output.sin().mean() + output.square().mean()


def block(capture, model, inputs, likelihood):
    """Squares, labels and the user's gradients of one block with one batch."""
    model.zero_grad()
    drawn, labels = fisher(likelihood)
    with capture.recording(fisher=drawn) as recording:
        user_loss(model(*inputs)).backward()
    gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    assert recording.squares.plain
    assert len(labels) == 1
    return recording.squares, labels[0], gradients


def looped(model, inputs, labels, likelihood):
    """Sum over examples of squared gradients at the labels, one after the other."""

    def loss_of(i):
        output = model(*(x[i : i + 1] for x in inputs))
        return likelihood.loss(output, labels[i : i + 1])

    rows = example_gradients(model, loss_of, len(labels))
    return {name: row.square().sum(0) for name, row in rows.items()}


def plain_gradients(model, inputs):
    """What the user's backward pass gives without any of this."""
    model.zero_grad()
    user_loss(model(*inputs)).backward()
    return {k: p.grad for k, p in model.named_parameters() if p.grad is not None}


def assert_exact(model, *inputs, likelihood=None, bitwise=True):
    """Record twice, proved and then not; squares and the user's gradients are right."""
    likelihood, capture = likelihood or Categorical(), capture_of(model)
    expected = plain_gradients(model, inputs)
    for _ in range(2):
        squares, labels, gradients = block(capture, model, inputs, likelihood)
        assert squares.num_examples == len(inputs[0])
        assert_close(squares.sums, looped(model, inputs, labels, likelihood))
        assert_close(gradients, expected)
        if bitwise:
            same = [n for n, g in gradients.items() if torch.equal(g, expected[n])]
            assert same == list(expected)
    return capture
