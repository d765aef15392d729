"""Tests of the training loop."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from data.loaders import load_dataset
from tests.trainers.building import built
from tests.trainers.examples import Signals, config, rows_of, run_of
from trainers import lanes
from trainers import trainer as module
from trainers.augmentation import Augmentation
from trainers.batches import DeviceSplit, epoch_rows
from trainers.checkpoint import BEST, LAST
from trainers.group import Group
from trainers.layers import layer_rows
from trainers.models import build_model
from trainers.predict import DivergedError
from trainers.ranks import Ranks
from trainers.reporting import Reporter
from trainers.runs import load_config, read_metrics
from trainers.status import RUNNING, Status
from trainers.trainer import Trainer

CPU = torch.device("cpu")


def trainer_of(run, stop=None, model=None, group=None):
    """Build a trainer as a session does, with a model of one's own if given."""
    settings = load_config(run)
    dataset = settings.dataset
    data = load_dataset(dataset.name, validation_fraction=dataset.validation_fraction)
    torch.manual_seed(settings.training.seed)
    model = model or build_model(
        settings.model.name, data.input_shape, data.num_classes
    )
    optimizer = built(settings.optimizer, model, len(data.train), 0)
    train = DeviceSplit.of(data.train, data.normalisation, CPU)
    validation = None
    if len(data.validation):
        validation = DeviceSplit.of(data.validation, data.normalisation, CPU)
    reporter = Reporter(run, Status(state=RUNNING, created=1.0), show_bar=False)
    stop = stop or Signals()
    return Trainer(
        run, settings, model, optimizer, train, validation, reporter, stop, group
    )


def test_rows_equal_a_computation_by_hand(tmp_path):
    run = run_of(
        tmp_path / "a",
        optimizer={"name": "sgd", "hyperparameters": {"momentum": 0, "lr": 0.1}},
    )
    trainer = trainer_of(run)
    model = build_model("mlp", (2,), 2)
    model.load_state_dict(trainer.model.state_dict())
    data, expected, interval = trainer.data, [], []
    by_hand = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=5e-4)
    step = 0
    for epoch in range(2):
        losses, correct, count = [], 0, 0
        for rows in epoch_rows(len(data), 100, 0, epoch, CPU):
            rate = 0.05 * (1 + math.cos(math.pi * step / trainer.total_steps))
            by_hand.param_groups[0]["lr"] = rate
            inputs, labels = data.take(rows)
            logits = model(inputs)
            by_hand.zero_grad()
            loss = functional.cross_entropy(logits, labels)
            loss.backward()
            by_hand.step()
            step += 1
            losses.append((loss.item(), len(rows)))
            interval.append(losses[-1])
            correct += int((logits.argmax(1) == labels).sum())
            count += len(rows)
            if step % 3 == 0:
                expected.append(("step", step, mean(interval), None))
                interval = []
        with torch.no_grad():
            inputs = trainer.validation.take(torch.arange(len(trainer.validation)))
            nll = functional.cross_entropy(model(inputs[0]), inputs[1]).item()
        expected.append(("epoch", step, mean(losses), (correct / count, nll)))
    assert trainer.fit() is True
    rows = rows_of(run)
    assert [(r["kind"], r["step"]) for r in rows] == [e[:2] for e in expected]
    for row, (_, _, loss, rest) in zip(rows, expected, strict=True):
        assert row["train_loss"] == pytest.approx(loss, rel=1e-5)
        if rest:
            found = row["train_accuracy"], row["validation_nll"]
            assert found == pytest.approx(rest, rel=1e-4)
    assert rows[-1]["lr"] == pytest.approx(0, abs=1e-9)
    assert [row["epoch"] for row in rows if row["kind"] == "epoch"] == [1, 2]


def mean(pairs):
    return sum(x * n for x, n in pairs) / sum(n for _, n in pairs)


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac"])
def test_rows_of_a_posterior_tell_the_mean_deviation(tmp_path, name):
    run = run_of(tmp_path / "a", optimizer=name)
    trainer = trainer_of(run)
    trainer.fit()
    rows, _ = read_metrics(run)
    assert rows[-1]["posterior_deviation"] == float(trainer.optimizer.mean_deviation())
    assert all(row["posterior_deviation"] > 0 for row in rows)
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)
    assert all(r["examples_per_second"] > 0 for r in rows)


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac"])
def test_rows_of_epochs_tell_of_the_layers_of_a_posterior(tmp_path, name):
    run = run_of(tmp_path / "a", optimizer=name)
    trainer = trainer_of(run)
    trainer.fit()
    rows, _ = read_metrics(run)
    assert not any("posterior" in row for row in rows if row["kind"] == "step")
    first, last = [row["posterior"] for row in rows if row["kind"] == "epoch"]
    # JSON keeps floats to the last bit; the validation between draws and puts back.
    assert last == layer_rows(trainer.optimizer.posterior())
    assert [row["name"] for row in first] == ["1", "3", "5"]
    assert first != last


@pytest.mark.parametrize("name", ["adamw", "kfac"])
def test_rows_without_a_posterior_tell_of_no_layers(tmp_path, name):
    run = run_of(tmp_path / "a", optimizer=name, training={"epochs": 1})
    trainer_of(run).fit()
    assert not any("posterior" in row for row in read_metrics(run)[0])


def test_without_validation_there_are_no_validation_numbers(tmp_path):
    run = run_of(
        tmp_path / "a", dataset={"name": "moons", "validation_fraction": 0}
    )  # fmt: skip
    trainer_of(run).fit()
    rows = rows_of(run)
    assert {row["kind"] for row in rows} == {"step", "epoch"}
    assert not any(key.startswith("validation") for row in rows for key in row)
    assert [p.name for p in run.checkpoint.iterdir()] == [LAST]


def test_the_best_checkpoint_is_that_of_the_best_validation(tmp_path):
    run = run_of(tmp_path / "a", training={"epochs": 3})
    trainer_of(run).fit()
    values = [r["validation_nll"] for r in rows_of(run) if r["kind"] == "epoch"]
    best = torch.load(run.checkpoint / BEST, weights_only=True)["progress"]
    assert best["best_nll"] == min(values)
    assert best["epoch"] == values.index(min(values)) + 1


def test_a_log_interval_longer_than_the_run_leaves_epoch_rows(tmp_path):
    run = run_of(tmp_path / "a", training={"log_interval": 1_000_000, "epochs": 1})
    assert trainer_of(run).fit()
    assert [row["kind"] for row in rows_of(run)] == ["epoch"]


def test_a_log_interval_longer_than_an_epoch_averages_over_the_interval(tmp_path):
    run = run_of(tmp_path / "a", training={"batch_size": 10**6, "log_interval": 3,
                                           "epochs": 3})  # fmt: skip
    assert trainer_of(run).fit()
    rows = rows_of(run)
    losses = [row["train_loss"] for row in rows if row["kind"] == "epoch"]
    (step,) = (row for row in rows if row["kind"] == "step")
    assert len(losses) == 3
    assert step["train_loss"] == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("size", [1, 7])
def test_small_batches_train(tmp_path, size):
    run = run_of(
        tmp_path / "a", training={"batch_size": size, "epochs": 1, "log_interval": 50}
    )
    assert trainer_of(run).fit()
    assert rows_of(run)[-1]["validation_nll"] < 1.5


class Scripted(nn.Module):
    """A network whose loss is an affair of the test: a factor by step."""

    def __init__(self, factors):
        super().__init__()
        self.inner, self.factors, self.calls = nn.Linear(2, 2), factors, 0

    def forward(self, x):
        if self.training:
            self.calls += 1
        factor = self.factors.get(self.calls, 1.0)
        return self.inner(x) + torch.tensor([0.0, factor - 1.0])


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e8])
@pytest.mark.parametrize("step", [1, 2, 5])
@pytest.mark.parametrize("interval", [1, 4, 1000])
def test_divergence_names_the_step(tmp_path, value, step, interval):
    run = run_of(
        tmp_path / "a",
        optimizer={"name": "sgd", "hyperparameters": {"lr": 1e-9}},
        training={"log_interval": interval, "epochs": 1},
    )
    trainer = trainer_of(run, model=Scripted({step: value}))
    if value == 1e8 and step == 1:
        assert trainer.fit()  # a first loss is the measure of the others
        return
    with pytest.raises(
        DivergedError, match=rf"loss diverged: it was .* at step {step}\."
    ):
        trainer.fit()
    assert not (run.checkpoint / LAST).exists()


@pytest.mark.parametrize("fraction", [0.0, 0.1])
def test_weights_that_the_last_step_ruined_are_noticed(tmp_path, fraction):
    run = run_of(
        tmp_path / "a",
        dataset={"name": "moons", "validation_fraction": fraction},
        training={"epochs": 1},
    )
    trainer = trainer_of(run)

    def ruin():
        if trainer.progress.step == trainer.total_steps:
            with torch.no_grad():
                next(trainer.model.parameters()).fill_(math.nan)

    trainer.reporter.advance = ruin
    if fraction:
        with pytest.raises(
            DivergedError, match=f"after step {trainer.total_steps} are"
        ):
            trainer.fit()
    else:
        assert trainer.fit()  # the evaluation will notice


def test_a_stop_ends_at_the_step_with_a_checkpoint(tmp_path):
    run = run_of(tmp_path / "a")
    stop = Signals(stop_at=4)
    trainer = trainer_of(run, stop)
    trainer.reporter.advance = lambda: setattr(stop, "steps", trainer.progress.step)
    assert trainer.fit() is False
    saved = torch.load(run.checkpoint / LAST, weights_only=True)["progress"]
    assert (saved["step"], saved["batch"], saved["epoch"]) == (4, 4, 0)


def test_the_last_checkpoint_is_not_put_off_by_the_best(tmp_path, monkeypatch):
    run = run_of(tmp_path / "a", training={"epochs": 20})
    now, saved = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    trainer = trainer_of(run)
    real = trainer.save
    trainer.save = lambda name: (
        saved.append((name, trainer.progress.step)),
        real(name),
    )
    seconds = 0.8 * module.CHECKPOINT_INTERVAL / trainer.steps_per_epoch

    def tick():
        now[0] += seconds

    trainer.reporter.advance = tick

    def ever_better(*_):
        return {"nll": -float(trainer.progress.step), "accuracy": 0.5, "ece": 0.1}

    monkeypatch.setattr(module, "headline", ever_better)
    trainer.fit()
    last = [step for name, step in saved if name == LAST]
    gaps = np.diff([0, *last]) * seconds
    assert len(saved) - len(last) == 20  # every epoch was the best so far
    assert gaps.max() < 1.2 * module.CHECKPOINT_INTERVAL


def test_progress_is_plain_data(tmp_path):
    trainer = trainer_of(run_of(tmp_path / "a", training={"epochs": 1}))
    trainer.fit()
    content = vars(trainer.progress)
    assert json.loads(json.dumps(content)) == content
    assert (content["step"], content["epoch"], content["batch"]) == (
        trainer.total_steps, 1, 0,
    )  # fmt: skip


def test_batch_norm_of_a_network_learns_its_statistics(tmp_path):
    settings = {"dataset": "digits", "model": "resnet20", "optimizer": "vogn"}
    run = run_of(
        tmp_path / "a", **settings, training={"epochs": 1, "batch_size": 700}
    )  # fmt: skip
    trainer = trainer_of(run)
    assert trainer.fit()
    norm = next(m for m in trainer.model.modules() if isinstance(m, nn.BatchNorm2d))
    assert norm.num_batches_tracked == trainer.total_steps
    assert config(**settings).model.name == "resnet20"


def test_mixed_and_erased_batches_are_what_is_trained_on(tmp_path):
    run = run_of(
        tmp_path / "a", dataset="digits", model="mlp", optimizer="sgd",
        training={"epochs": 1, "mixup": 0.4, "random_erasing": 1.0},
    )  # fmt: skip
    trainer, seen = trainer_of(run), []
    trainer.model.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0]) if module.training else None
    )
    assert trainer.fit()
    expected = Augmentation(trainer.config.training, trainer.data)
    for step, batch in enumerate(epoch_rows(len(trainer.data), 100, 0, 0, CPU)):
        inputs, targets = expected.batch(batch, slice(None), step)
        assert torch.equal(seen[step], inputs)
        assert targets.shape == (len(batch), 10)
    assert len(seen) == step + 1


def test_rescaled_weights_keep_their_norm(tmp_path):
    run = run_of(
        tmp_path / "a", optimizer="sgd", training={"epochs": 1, "rescale_weights": True}
    )
    trainer = trainer_of(run)
    assert trainer.fit()
    layers = [m for m in trainer.model.modules() if isinstance(m, nn.Linear)]
    for layer in layers:
        expected = math.sqrt(2 * layer.out_features)
        assert float(layer.weight.detach().norm()) == pytest.approx(expected, rel=1e-5)


def test_figures_of_an_optimizer_are_logged_with_its_steps(tmp_path):
    trainer = trainer_of(run_of(tmp_path / "a", optimizer="sgd"))
    trainer.optimizer.figures = lambda: {"damping": 0.25, "refreshed_share": 0.5}
    assert trainer.fit()
    rows = rows_of(trainer.run)
    assert {row["kind"] for row in rows} == {"step", "epoch"}
    for row in rows:
        told = [row.get("damping"), row.get("refreshed_share")]
        assert told == ([0.25, 0.5] if row["kind"] == "step" else [None, None])


class Second(Group):
    """The second of two ranks, alone: what the first would tell it finds itself."""

    ranks = Ranks(1, 2)


@pytest.mark.parametrize("group", [Group(), Second()], ids=["first", "second"])
def test_every_rank_brings_its_part_of_the_optimizer_to_each_checkpoint(
    tmp_path, group
):
    run = run_of(tmp_path / "a", optimizer="sgd", training={"epochs": 3})
    trainer, parts, saved = trainer_of(run, group=group), [], []
    trainer.optimizer.consolidate_state_dict = lambda: parts.append("part")
    real = trainer.save
    trainer.save = lambda name: (saved.append(name), real(name))
    assert trainer.fit()
    assert set(saved) == {BEST, LAST}
    assert len(parts) == len(saved)
    assert run.checkpoint.exists() == group.is_main


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac", "kfac", "sp_ngd", "sgd"])
def test_those_that_average_by_themselves_train_the_bare_network(
    tmp_path, monkeypatch, name
):
    class Wrapping(Second):
        def parallel(self, model):
            return nn.Sequential(model)

    calls = []

    def step(model, optimizer, inputs, targets, weight, smoothing):
        calls.append((model, len(inputs), weight))
        return torch.zeros(()), torch.zeros(())

    # 700 points: the last batch has two, so none for the second rank.
    run = run_of(
        tmp_path / name, optimizer=name, training={"epochs": 1, "batch_size": 349}
    )
    trainer = trainer_of(run, group=Wrapping())
    monkeypatch.setattr(lanes, "gradients", step)
    monkeypatch.setattr(trainer.optimizer, "step", lambda: None)
    monkeypatch.setattr(trainer.scheduler, "step", lambda: None)
    trainer.fit()
    models, sizes, weights = zip(*calls, strict=True)
    if name == "sgd":
        assert trainer.model not in models
        assert sizes == (174, 174, 2)
        assert weights == (2 * 174 / 349, 2 * 174 / 349, 0)
    else:
        assert set(models) == {trainer.model}
        assert sizes == (174, 174, 0)
        assert weights == (1, 1, 1)
