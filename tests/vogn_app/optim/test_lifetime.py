"""Nothing outlives its use: activations, graphs, models and optimizers are let go."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import batch, block, network
from vogn_app import VOGN


class Mixed(nn.Module):
    """Parameters of every way: rule, second run, broadcasting, whole model."""

    def __init__(self):
        super().__init__()
        self.linear, self.slope = nn.Linear(3, 4), nn.PReLU(4)
        self.scale, self.matrix = (
            nn.Parameter(torch.ones(4)),
            nn.Parameter(torch.eye(4)),
        )
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.slope(self.linear(x)) * self.scale
        tokens = (x @ self.matrix).tanh()[:, None]
        return self.head(self.attention(tokens, tokens, tokens)[0][:, 0])


@pytest.fixture
def no_collector():
    """Only reference counts free anything, until the test calls `gc.collect`."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def watch_activations(model):
    """Weak references to what every module below the model gives."""
    seen = []

    def keep(module, args, output):
        tensors = output if isinstance(output, tuple) else (output,)
        seen.extend(weakref.ref(t) for t in tensors if t is not None)

    for module in model.modules():
        if module is not model:
            module.register_forward_hook(keep)
    return seen


def alive(references):
    return sum(reference() is not None for reference in references)


MODELS = pytest.mark.parametrize("build", [network, Mixed])


@MODELS
def test_activations_die_with_the_step_without_the_collector(build, no_collector):
    model = build()
    optimizer, seen = VOGN(model, num_data=20), watch_activations(model)
    for _ in range(3):  # verified and not
        block(optimizer, *batch())
        optimizer.step()
        optimizer.zero_grad()
    assert len(seen) >= 9
    assert alive(seen) == 0


@MODELS
def test_a_kept_output_keeps_no_more_than_itself(build):
    model = build()
    optimizer, seen, (x, y) = (
        VOGN(model, num_data=20),
        watch_activations(model),
        batch(),
    )
    with optimizer.sampled_params(train=True):
        output = model(x)
        F.cross_entropy(output, y).backward()
    optimizer.step()
    gc.collect()
    assert [r() is output for r in seen if r() is not None] == [True]


@MODELS
def test_a_forward_pass_without_backward_is_let_go(build):
    model = build()
    optimizer, seen = VOGN(model, num_data=20), watch_activations(model)
    with optimizer.sampled_params(train=True):
        model(batch()[0])
    gc.collect()
    assert seen
    assert alive(seen) == 0


@MODELS
@pytest.mark.parametrize("train", [True, False])
def test_activations_die_after_an_exception(build, train):
    model = build()
    optimizer, seen = VOGN(model, num_data=20), watch_activations(model)
    interrupted = pytest.raises(KeyboardInterrupt)
    with interrupted, optimizer.sampled_params(train=train):
        model(batch()[0])
        raise KeyboardInterrupt
    gc.collect()
    assert seen
    assert alive(seen) == 0


@MODELS
def test_model_and_optimizer_die_together_once_nobody_has_them(build):
    model = build()
    optimizer = VOGN(model, num_data=20)
    for _ in range(2):
        block(optimizer, *batch())
        optimizer.step()
    block(optimizer, *batch())  # gathered and not used
    with optimizer.sampled_params(), torch.no_grad():
        model(batch()[0])
    references = [weakref.ref(each) for each in (model, optimizer, *model.parameters())]
    del model, optimizer
    gc.collect()
    assert alive(references) == 0


@MODELS
def test_a_model_outlives_its_optimizer_and_is_plain_again(build):
    model = build()
    optimizer = VOGN(model, num_data=20)
    block(optimizer, *batch())
    optimizer.step()
    reference = weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert reference() is None
    for module in model.modules():
        assert "forward" not in vars(module)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert model(batch()[0]).grad_fn is not None


def test_squares_die_with_the_step(no_collector):
    optimizer = VOGN(network(), num_data=20)
    block(optimizer, *batch())
    references = [weakref.ref(t) for t in optimizer._gathered.squares.values()]
    assert alive(references) == len(references) == 4
    optimizer.step()
    assert alive(references) == 0
