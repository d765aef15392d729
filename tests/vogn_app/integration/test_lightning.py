"""Lightning's automatic optimisation trains as a loop with explicit blocks does."""

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tests.vogn_app.optim.networks import assert_bitwise
from vogn_app import VOGN

lightning = pytest.importorskip("lightning", reason="Lightning is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:::lightning")  # its own

EPOCHS, BATCH = 2, 4


@pytest.fixture(autouse=True)
def quiet():
    torch.set_default_dtype(torch.float32)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 2))


def data(batch_size=BATCH, shuffle=True):
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(1))
    dataset = TensorDataset(x, (x[:, 0] > 0).long())
    order = torch.Generator().manual_seed(2)
    return DataLoader(dataset, batch_size, shuffle=shuffle, generator=order)


class Classifier(lightning.LightningModule):
    """VOGN is given the whole or a part; training calls the whole or a part."""

    def __init__(self, given="whole", called="whole", skip=None, **settings):
        super().__init__()
        self.net, self.given, self.called, self.skip = network(), given, called, skip
        self.settings, self.seen, self.loss_of_mean = settings, [], []

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        x, y = batch
        if index == self.skip:
            return None
        self.seen.append((x, y))
        return F.cross_entropy(self(x) if self.called == "whole" else self.net(x), y)

    def validation_step(self, batch, index):
        self.loss_of_mean.append(F.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        model = self if self.given == "whole" else self.net
        self.made = VOGN(model, num_data=32, automatic=True, **self.settings)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(self.made, 0.9)
        return {
            "optimizer": self.made,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def fit(module, epochs=EPOCHS, resume=None, **options):
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", devices=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, **options,
    )  # fmt: skip
    trainer.fit(module, data(), data(16, shuffle=False), ckpt_path=resume)
    return trainer


def state(optimizer, model):
    """Weights and curvature, by name."""
    named = list(model.named_parameters())
    curvature = {f"s of {k}": optimizer.state[p]["curvature"] for k, p in named}
    return {k: v.detach() for k, v in (curvature | dict(named)).items()}


def by_hand(module, accumulate=1, clip=None, lower=False):
    """The batches that a module has seen, in explicit blocks."""
    model = network()
    optimizer = VOGN(model, num_data=32, **module.settings)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for i, (x, y) in enumerate(module.seen, 1):
        with (
            optimizer.sampled_params(train=True),
            torch.autocast("cpu", torch.bfloat16, enabled=lower),
        ):
            F.cross_entropy(model(x), y).backward()
        if i % accumulate == 0:
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return state(optimizer, model)


@pytest.mark.parametrize("given", ["whole", "part"])
@pytest.mark.parametrize("called", ["whole", "part"])
@pytest.mark.parametrize(("accumulate", "clip"), [(1, None), (2, None), (2, 0.1)])
def test_a_fit_is_the_loop_with_blocks(given, called, accumulate, clip):
    module = Classifier(given, called)
    fit(module, accumulate_grad_batches=accumulate, gradient_clip_val=clip)
    assert module.made.num_steps == EPOCHS * 8 / accumulate
    assert_bitwise(state(module.made, module.net), by_hand(module, accumulate, clip))


def test_mixed_precision():
    module = Classifier()
    fit(module, precision="bf16-mixed")
    assert_bitwise(state(module.made, module.net), by_hand(module, lower=True))


def test_validation_is_with_the_mean():
    module = Classifier()
    fit(module, epochs=1)
    with torch.no_grad():
        pairs = data(16, shuffle=False)
        expected = [F.cross_entropy(module.net.eval()(x), y) for x, y in pairs]
    assert torch.equal(torch.stack(module.loss_of_mean[-2:]), torch.stack(expected))


def test_a_fit_that_was_saved_and_resumed_goes_on_bit_for_bit(tmp_path):
    def train(epochs, resume=None, path=None):
        module = Classifier()
        trainer = fit(module, epochs, resume)
        if path:
            trainer.save_checkpoint(path)
        return module

    train(1, path=tmp_path / "half.ckpt")
    half = torch.load(tmp_path / "half.ckpt", weights_only=True)
    resumed = train(2, tmp_path / "half.ckpt")
    # A fresh loader begins with the first epoch's order, as another run's would.
    again = Classifier()
    again.load_state_dict(half["state_dict"])
    optimizer = VOGN(again, num_data=32)
    optimizer.load_state_dict(half["optimizer_states"][0])
    for x, y in resumed.seen:
        with optimizer.sampled_params(train=True):
            F.cross_entropy(again(x), y).backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= 0.9
    assert resumed.made.num_steps == 16
    assert_bitwise(state(resumed.made, resumed.net), state(optimizer, again.net))


def test_several_samples_a_step():
    module = Classifier(num_samples=2)
    fit(module, epochs=1)
    model = network()
    optimizer = VOGN(model, num_data=32)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for x, y in module.seen[::2]:  # seen once a sample
        for _ in range(2):
            with optimizer.sampled_params(train=True):
                F.cross_entropy(model(x), y).backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    assert_bitwise(state(module.made, module.net), state(optimizer, model))


def test_a_training_step_that_gives_nothing_is_skipped():
    module = Classifier(skip=3)
    fit(module, epochs=1)
    assert module.made.num_steps == len(module.seen) == 7
