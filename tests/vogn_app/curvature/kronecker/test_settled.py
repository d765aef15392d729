"""Statistics are known to be complete while the backward pass still runs."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.vogn_app.curvature.kronecker.reference import armed
from vogn_app.curvature.kronecker.settled import OpenUses

N = 4


def test_a_block_is_settled_by_the_return_of_its_last_use():
    uses = OpenUses()
    uses.open(["a", "b"])
    uses.open(["a"])
    assert uses.returned(["b"]) == ["b"]
    assert uses.returned(["a"]) == []
    assert uses.returned(["a"]) == ["a"]
    uses.open(["a"])
    assert uses.returned(["a", "unknown"]) == ["a"]
    assert uses.returned(["a"]) == []  # once more than it was used


class Reused(nn.Module):
    """One layer twice, and one whose output nobody wants."""

    def __init__(self):
        super().__init__()
        self.twice, self.norm = nn.Linear(3, 3), nn.LayerNorm(3)
        self.lost, self.last = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        x = self.norm(self.twice(x).sin())
        self.lost(x)
        return self.last(self.twice(x))


class Checkpointed(nn.Module):
    """A part that runs again within the backward pass."""

    def __init__(self, reentrant):
        super().__init__()
        self.reentrant = reentrant
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 2)
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Tanh())

    def forward(self, x):
        x = self.first(x)
        return self.last(checkpoint(self.inner, x, use_reentrant=self.reentrant))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x):
        return self.last(self.mix(x, x, x, need_weights=False)[0])[0].sum(1)


def told(model, x, run=lambda loss: loss.backward(), **options):
    """Blocks in the order in which they settled, which sums changed later, all sums."""
    capture = armed(model, **options)
    order, early = [], {}

    def note(block):
        order.append(block)
        early.update(capture.so_far(block))

    capture.on_settled = note
    run(model(x).square().sum(1).mean())
    moments = capture.gather().moments
    changed = [key for key, m in early.items() if moments[key].value is not m.value]
    capture.close()
    return order, changed, set(moments) - set(early)


DOUBLE = {"dtype": torch.float64}
LINEAR, IMAGES = torch.randn(N, 3, **DOUBLE), torch.randn(N, 2, 5, 5, **DOUBLE)


def convolutions():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True),
        nn.Conv2d(3, 2, 3, groups=1), nn.PReLU(2), nn.Flatten(), nn.Linear(2, 2),
    )  # fmt: skip


CASES = {  # blocks in order
    "convolutions": (convolutions, IMAGES, ["6", "4", "3", "1", "0"]),
    "used twice": (Reused, LINEAR, ["last", "norm", "twice"]),
    "checkpoint": (
        lambda: Checkpointed(False), LINEAR, ["last", "inner.1", "inner.0", "first"],
    ),
    "attention, lstm": (
        Attention, torch.randn(N, 5, 4, **DOUBLE),
        ["last.ih_l0", "last.hh_l0", "mix.q", "mix.k", "mix.v", "mix.out"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shape", ["kronecker", "full"])
def test_blocks_settle_once_with_the_sums_that_are_gathered(name, shape):
    make, x, expected = CASES[name]
    order, changed, missing = told(make(), x, shape=shape)
    if shape == "full":
        assert order == ([] if name == "used twice" else ["model"])  # one never returns
    else:
        assert order == expected
        assert not missing
    assert not changed


def test_a_checkpoint_that_is_not_known_before_it_runs_again_settles_nothing():
    order, changed, missing = told(Checkpointed(True), LINEAR.clone().requires_grad_())
    assert order == ["last", "first"]
    assert not changed
    assert {block for block, _ in missing} == {"inner.0", "inner.1"}


def test_gradients_for_the_caller_settle_nothing():
    model = convolutions()

    def run(loss):
        torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)

    assert told(model, IMAGES, run) == ([], [], set())


def test_what_a_second_backward_pass_adds_shows():
    def run(loss):
        loss.backward(retain_graph=True)
        (2 * loss).backward()

    order, changed, missing = told(convolutions(), IMAGES, run)
    assert order == ["6", "4", "3", "1", "0"]
    assert {block for block, _ in changed} == set(order)
    assert not missing


def test_labels_of_the_models_own_settle_all_when_backward_begins():
    model, events = convolutions(), []

    def passes(output, num):
        return [torch.randn_like(output), torch.randn_like(output)]

    capture = armed(model, passes=passes)
    early = {}

    def note(block):
        events.append(block)
        early.update(capture.so_far(block))

    capture.on_settled = note
    model[6].weight.register_hook(lambda _: events.append("last layer"))
    F.cross_entropy(model(IMAGES), torch.zeros(N, dtype=torch.long)).backward()
    assert set(events[:-1]) == {"0", "1", "3", "4", "6"}
    assert events[-1] == "last layer"
    moments = capture.gather().moments
    assert set(moments) == set(early)
    assert all(moments[key].value is m.value for key, m in early.items())
    capture.close()


def test_only_what_is_due_is_told():
    model = convolutions()
    capture = armed(model)
    capture.arm({"3": frozenset({"outputs"})})
    told = []
    capture.on_settled = lambda block: told.append((block, set(capture.so_far(block))))
    model(IMAGES).square().sum(1).mean().backward()
    assert told == [("3", {("3", "outputs")})]
    assert capture.so_far("4") == {}
    capture.close()
