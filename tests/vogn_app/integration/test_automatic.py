"""Automatic blocks together with the rest of PyTorch."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.vogn_app.optim.networks import assert_bitwise, assert_same, batch, weights
from tests.vogn_app.optim.test_automatic import plain_step, state, twins
from vogn_app import VOGN


def network():
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))


def compare(build, loss, rtol=None, steps=3, **options):
    """Train both ways; `loss(model, x, y)` gives what is backpropagated."""
    explicit, plain = twins(build, **options)
    for _ in range(steps):
        x, y = batch()
        with explicit.sampled_params(train=True):
            loss(explicit.model, x, y).backward()
        explicit.step()
        plain.zero_grad()
        loss(plain.model, x, y).backward()
        plain.step()
    same = assert_bitwise if rtol is None else assert_same
    same(state(plain), state(explicit), **({} if rtol is None else {"rtol": rtol}))
    return plain


@pytest.mark.parametrize("unscale", [False, True])
def test_loss_scales_with_steps_that_overflow(unscale):
    torch.set_default_dtype(torch.float32)
    explicit, plain = twins(network)
    scalers = [torch.amp.GradScaler("cpu", init_scale=2.0**12) for _ in range(2)]
    plain.loss_scale = scalers[1] if unscale else None
    for step in range(5):
        x, y = batch()
        factor = float("inf") if step == 2 else 1.0
        told = scalers[0] if unscale else None
        with explicit.sampled_params(train=True, loss_scale=told):
            scalers[0].scale(F.cross_entropy(explicit.model(x), y) * factor).backward()
        plain.zero_grad()
        scalers[1].scale(F.cross_entropy(plain.model(x), y) * factor).backward()
        for optimizer, scaler in zip((explicit, plain), scalers, strict=True):
            if unscale:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(optimizer.model.parameters(), 0.1)
            scaler.step(optimizer)
            scaler.update()
    assert plain.num_steps == 4
    assert scalers[1].get_scale() == 2.0**11
    assert_bitwise(state(plain), state(explicit))


def test_two_views_before_one_backward():
    noisy = lambda x: x + 0.1  # noqa: E731
    both = lambda m, x, y: F.cross_entropy(m(x) + m(noisy(x)), y)  # noqa: E731
    compare(network, both)


class Checkpointed(nn.Module):
    """Everything, or all but the head, in a checkpoint."""

    def __init__(self, reentrant, everything):
        super().__init__()
        self.body, self.head = network(), nn.Linear(2, 2)
        self.reentrant, self.everything = reentrant, everything

    def forward(self, x):
        x = x.requires_grad_()  # what reentrant checkpoints need
        whole = nn.Sequential(self.body, self.head)
        part = whole if self.everything else self.body
        x = checkpoint(part, x, use_reentrant=self.reentrant)
        return x if self.everything else self.head(x)


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("everything", [True, False])
def test_activation_checkpoints(reentrant, everything):
    loss = lambda m, x, y: F.cross_entropy(m(x), y)  # noqa: E731
    compare(lambda: Checkpointed(reentrant, everything), loss)


@dataclass
class Result:
    """No container that torch knows."""

    logits: Tensor


class Returning(nn.Module):
    """A network with an output of some kind."""

    def __init__(self, kind):
        super().__init__()
        self.net, self.kind = network(), kind

    def forward(self, x):
        return self.kind(self.net(x))


KINDS = {
    "dict": (lambda z: {"logits": z, "none": None}, lambda out: out["logits"]),
    "nested": (lambda z: (1, [z, "text"]), lambda out: out[1][0]),
    "dataclass": (Result, lambda out: out.logits),
    "distribution": (
        lambda z: torch.distributions.Categorical(logits=z),
        lambda out: out.logits,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_of_any_kind(kind):
    pack, unpack = KINDS[kind]
    loss = lambda m, x, y: F.cross_entropy(unpack(m(x)), y)  # noqa: E731
    compare(lambda: Returning(pack), loss)


class Parts(nn.Module):
    """Never called itself."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = network(), nn.ModuleList([nn.Linear(2, 2)])


def test_parts_called_one_by_one():
    loss = lambda m, x, y: F.cross_entropy(m.decoder[0](m.encoder(x)), y)  # noqa: E731
    compare(Parts, loss)


def test_layers_frozen_and_unfrozen_and_groups_added_later():
    explicit, plain = twins(network)
    for optimizer in (explicit, plain):
        optimizer.param_groups[0]["params"] = []
        optimizer.add_param_group({"params": list(optimizer.model[2].parameters())})
    for step in range(6):
        x, y = batch()
        for optimizer in (explicit, plain):
            if step == 2:
                first = list(optimizer.model[0].parameters())
                optimizer.add_param_group({"params": first, "lr": 0.1})
            optimizer.model[2].requires_grad_(step % 2 == 0 or step < 2)
        with explicit.sampled_params(train=True):
            explicit.zero_grad()
            F.cross_entropy(explicit.model(x), y).backward()
        explicit.step()
        plain_step(plain, x, y)
    assert_bitwise(state(plain), state(explicit))


def test_schedulers_see_an_optimizer():
    optimizer = VOGN(network(), num_data=60, automatic=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.3, total_steps=5, cycle_momentum=True,
        base_momentum=0.8, max_momentum=0.9,
    )  # fmt: skip
    seen = []
    for _ in range(4):
        plain_step(optimizer, *batch())
        scheduler.step()
        seen.append(optimizer.param_groups[0]["lr"])
    assert len(set(seen)) == 4


def test_two_optimizers_on_two_parts_of_one_model():
    optimizers, models = [], []
    start = network()
    for automatic in (False, True):
        model = copy.deepcopy(start)
        models.append(model)
        optimizers.append([
            VOGN(model, num_data=60, automatic=automatic, params=part.parameters())
            for part in (model[0], model[2])
        ])
    for _ in range(3):
        x, y = batch()
        first, second = optimizers[0]
        with first.sampled_params(train=True), second.sampled_params(train=True):
            F.cross_entropy(models[0](x), y).backward()
        F.cross_entropy(models[1](x), y).backward()
        for optimizer in (*optimizers[0], *optimizers[1]):
            optimizer.step()
    assert_bitwise(weights(models[1]), weights(models[0]))
    assert torch.compiler.set_stance("default").prev.stance == "default"


@pytest.mark.parametrize("cut", ["detach", "no_grad"])
def test_a_generator_beside_a_discriminator_of_another_optimizer(cut):
    nets = [nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)), network()]
    runs = [copy.deepcopy(nets) for _ in range(2)]
    for automatic, (generator, judge) in zip((False, True), runs, strict=True):
        torch.manual_seed(2)
        vogn = VOGN(generator, num_data=60, automatic=automatic)
        adam = torch.optim.AdamW(judge.parameters())
        for _ in range(3):
            x, y = batch()
            with vogn.sampled_params(train=True) if not automatic else (
                torch.no_grad() if cut == "no_grad" else torch.enable_grad()
            ):  # fmt: skip
                fake = generator(x).detach()
            if automatic and cut == "no_grad":  # took no draw, and no noise
                vogn._noise.begin_training()
                fake = runs[0][0](x).detach() * 0 + fake
            adam.zero_grad()
            F.cross_entropy(judge(x + 0 * fake), y).backward()
            adam.step()
            vogn.zero_grad()
            if automatic:
                F.cross_entropy(judge(generator(x)), 1 - y).backward()
            else:
                with vogn.sampled_params(train=True):
                    F.cross_entropy(judge(generator(x)), 1 - y).backward()
            vogn.step()
    for ours, theirs in zip(runs[1], runs[0], strict=True):
        assert_bitwise(weights(ours), weights(theirs))


def test_a_model_compiled_before_the_optimizer_trains_uncompiled_and_exact():
    explicit, plain = twins(network)
    compiled = torch.compile(plain.model, backend="eager")
    plain = VOGN(compiled, num_data=60, automatic=True)
    for _ in range(3):
        x, y = batch()
        with explicit.sampled_params(train=True):
            F.cross_entropy(explicit.model(x), y).backward()
        explicit.step()
        plain_step(plain, x, y)
        with torch.no_grad():
            compiled.eval()(x)
        compiled.train()
    assert_bitwise(weights(compiled._orig_mod), weights(explicit.model))


@pytest.mark.parametrize("place", ["in place", "later"])
def test_a_model_compiled_in_place_or_later_evaluates_but_trains_with_an_error(place):
    model, (x, _) = network(), batch()
    optimizer = VOGN(model, num_data=60, automatic=True)
    before = weights(model)
    if place == "in place":
        model.compile(backend="eager")
    called = model if place == "in place" else torch.compile(model, backend="eager")
    with torch.no_grad():
        assert torch.equal(called.eval()(x), model.forward(x))
    called.train()
    with pytest.raises(RuntimeError, match=r"^the model must be compiled by `model"):
        called(x)
    assert_bitwise(weights(model), before)
    with optimizer.sampled_params(train=True):  # explicit blocks can
        called(x).sum().backward()
    optimizer.step()
