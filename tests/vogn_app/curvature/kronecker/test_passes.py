"""Statistics at labels of the model's own: which passes, which calls, which layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.vogn_app.curvature.kronecker.reference import all_close, armed, captured
from vogn_app.curvature.labels import FisherPass
from vogn_app.likelihoods import Categorical, Gaussian

N = 5


class Fixed:
    """A likelihood whose labels are given beforehand."""

    def __init__(self, labels):
        self.labels = labels

    def draw(self, outputs, generator):
        return self.labels[: len(outputs)]

    def loss(self, outputs, labels):
        return F.cross_entropy(outputs, labels)


def drawn(likelihood):
    """One pass at labels drawn from the model."""
    fisher = FisherPass(likelihood, lambda device: torch.Generator(device))
    return lambda output, num: [fisher.gradient(output, num)]


def exact(likelihood):
    return lambda output, num: likelihood.square_roots(output.detach())


class Network(nn.Module):
    """Layers of every kind of block, in a checkpoint if wanted."""

    reentrant = None

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Linear(3, 4), nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.recurrent, self.slope = nn.GRU(4, 4, batch_first=True), nn.PReLU(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        if self.reentrant is None:
            x = self.body(x)
        else:
            x = checkpoint(self.body, x, use_reentrant=self.reentrant)
        return self.head(x.mean(1))

    def body(self, x):
        x = self.norm(x)
        x = x + self.attention(x, x, x)[0]
        x = self.recurrent(x)[0]
        return self.slope(x.transpose(1, 2)).transpose(1, 2)


def data(num=N):
    return torch.randn(num, 2, 3), torch.randint(3, (num,))


@pytest.mark.parametrize("shape", ["kronecker", "layer", "full", "diagonal"])
@pytest.mark.parametrize("sharing", ["expand", "reduce"])
def test_a_pass_at_the_data_s_labels_is_the_user_s_own(shape, sharing):
    model, (x, y) = Network(), data()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    options = {"shape": shape, "sharing": sharing}
    expected = captured(model, run, **options)
    all_close(captured(model, run, passes=drawn(Fixed(y)), **options), expected)


def test_parts_of_a_batch_are_the_batch():
    model, (x, _) = Network(), data()

    def parts():
        for part in x.split([2, 3]):
            model(part).square().sum().backward()

    passes = exact(Categorical())
    expected = captured(
        model, lambda: model(x).square().sum().backward(), passes=passes
    )
    all_close(captured(model, parts, passes=passes), expected)


def test_all_labels_are_the_mean_over_labels():
    """Of each output's own losses, weighted by the probability of each label."""
    model, (x, _) = Network(), data(1)
    probabilities = model(x).detach().softmax(1)[0]
    run = lambda: model(x).sum().backward()  # noqa: E731
    got = captured(model, run, passes=exact(Categorical()))
    each = [
        captured(model, run, passes=drawn(Fixed(torch.tensor([label]))))
        for label in range(3)
    ]
    for key, value in got.items():
        if key[1] != "inputs":
            pairs = zip(probabilities, each, strict=True)
            torch.testing.assert_close(value, sum(p * one[key] for p, one in pairs))


def test_the_user_s_loss_and_its_scale_do_not_matter():
    model, (x, _) = Network(), data()
    passes = exact(Gaussian())
    expected = captured(model, lambda: model(x).sum().backward(), passes=passes)
    other = lambda: (1e6 * model(x).square().mean()).backward()  # noqa: E731
    all_close(captured(model, other, passes=passes), expected)


def test_calls_without_a_backward_pass_do_not_count():
    model, (x, _) = Network(), data()
    passes = exact(Gaussian())
    expected = captured(model, lambda: model(x).sum().backward(), passes=passes)

    def run():
        model(data(3)[0])
        with torch.no_grad():
            model(data(3)[0])
        model(x).sum().backward()
        torch.autograd.grad(model(data(2)[0]).sum(), list(model.parameters()))

    all_close(captured(model, run, passes=passes), expected)


def test_checkpoints_change_nothing():
    model, (x, y) = Network(), data()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    passes = exact(Categorical())
    expected = captured(model, run, passes=passes)
    model.reentrant = False
    all_close(captured(model, run, passes=passes), expected)


def test_a_reentrant_checkpoint_is_an_error():
    model, (x, _) = Network(), data()
    model.reentrant = True
    capture = armed(model, passes=exact(Categorical()))
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        model(x)
    capture.close()


def test_several_calls_before_a_backward_pass_are_an_error():
    model, (x, _) = Network(), data()
    capture = armed(model, passes=exact(Categorical()))
    (model(x) - model(x + 1)).square().sum().backward()
    with pytest.raises(RuntimeError, match=r"^curvature must be 'empirical' when the"):
        capture.gather()
    capture.close()


def test_gradients_are_left_alone():
    model, (x, y) = Network(), data()
    run = lambda: F.cross_entropy(model(x), y).backward()  # noqa: E731
    run()
    expected = {k: p.grad for k, p in model.named_parameters()}
    model.zero_grad()
    captured(model, run, passes=exact(Categorical()))
    all_close({k: p.grad for k, p in model.named_parameters()}, expected)
