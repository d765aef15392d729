"""Tests of checkpoints."""

import random

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from trainers.augmentation import Augmentation
from trainers.batches import DeviceSplit
from trainers.checkpoint import BEST, LAST, load_checkpoint, save_checkpoint
from trainers.config import TrainingConfig
from trainers.runs import Run, RunError
from trainers.schedules import build_scheduler
from vogn_app import VOGN

DATA = DeviceSplit(
    torch.randn(8, 2), torch.arange(8) % 3, torch.zeros(1, 2), torch.ones(1, 2)
)
OPTIMIZERS = {
    "vogn": lambda model: VOGN(model, num_data=10),
    "adamw": lambda model: AdamW(model.parameters()),
    "sgd": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9),
}


def parts(name="adamw", width=4):
    model = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))
    optimizer = OPTIMIZERS[name](model)
    settings = TrainingConfig(mixup=0.4)
    scheduler = build_scheduler(settings, optimizer, 10)
    return model, optimizer, scheduler, Augmentation(settings, DATA)


def train(model, optimizer, scheduler, augmentation):
    x, _ = augmentation.batch(torch.arange(8), slice(8), scheduler.last_epoch)
    optimizer.zero_grad()
    if isinstance(optimizer, VOGN):
        with optimizer.sampled_params(train=True):
            model(x).square().mean(1).mean().backward()
    else:
        model(x).square().mean().backward()
    optimizer.step()
    scheduler.step()


def flat(content):
    """Flatten nested state to comparable leaves."""
    if isinstance(content, dict):
        return [leaf for key in content for leaf in (key, *flat(content[key]))]
    if isinstance(content, list | tuple):
        return [leaf for item in content for leaf in flat(item)]
    if isinstance(content, torch.Tensor):
        return [content.tolist()]
    return [] if callable(content) else [content]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_everything_comes_back(tmp_path, name):
    run, ours = Run(tmp_path), parts(name)
    train(*ours)
    save_checkpoint(run, LAST, *ours, {"step": 1})
    train(*ours)
    expected = [flat(part.state_dict()) for part in ours], torch.rand(3)
    theirs = parts(name)
    assert load_checkpoint(run.checkpoint / LAST, *theirs) == {"step": 1}
    train(*theirs)
    assert [flat(part.state_dict()) for part in theirs] == expected[0]
    assert torch.equal(torch.rand(3), expected[1])


def test_nothing_but_the_checkpoints_is_left(tmp_path):
    run, ours = Run(tmp_path), parts()
    for name in (LAST, BEST, LAST):
        save_checkpoint(run, name, *ours, {})
    assert sorted(p.name for p in run.checkpoint.iterdir()) == [BEST, LAST]


def test_an_interrupted_write_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    run, ours = Run(tmp_path), parts()
    save_checkpoint(run, LAST, *ours, {"step": 1})

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(run, LAST, *ours, {"step": 2})
    assert load_checkpoint(run.checkpoint / LAST, *ours) == {"step": 1}


@pytest.fixture
def saved(tmp_path):
    run = Run(tmp_path)
    save_checkpoint(run, LAST, *parts(), {"step": 1})
    return run.checkpoint / LAST


@pytest.mark.parametrize("size", [0, 1, 10, 500, -1])
def test_a_truncated_file_is_named(saved, size):
    saved.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(RunError, match=r"last\.pt cannot be restored: "):
        load_checkpoint(saved, *parts())


def test_damaged_bytes_never_raise_anything_else(saved):
    content, chance = saved.read_bytes(), random.Random(0)
    refused = []
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(5):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        saved.write_bytes(damaged)
        try:
            load_checkpoint(saved, *parts())
        except RunError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all("cannot be restored" in text or "schema" in text for text in refused)


@pytest.mark.parametrize(
    "content",
    [torch.zeros(2), [1], {}, {"schema": 1}, {"schema": 1, "model": {}}, 3, None],
)
def test_something_else_is_refused(saved, content):
    torch.save(content, saved)
    with pytest.raises(RunError, match=r"last\.pt cannot be restored: "):
        load_checkpoint(saved, *parts())


@pytest.mark.parametrize("missing", ["generators", "progress"])
def test_an_incomplete_checkpoint_is_refused(saved, missing):
    content = torch.load(saved, weights_only=True)
    del content[missing]
    torch.save(content, saved)
    with pytest.raises(RunError, match=f"cannot be restored: '{missing}'"):
        load_checkpoint(saved, *parts())


def test_another_schema_is_refused(saved):
    torch.save({"schema": 2}, saved)
    with pytest.raises(RunError, match=r"last\.pt has schema 2, not 1"):
        load_checkpoint(saved, *parts())


def test_a_checkpoint_of_before_there_were_mixed_batches_is_read(saved):
    content = torch.load(saved, weights_only=True)
    del content["augmentation"]
    torch.save(content, saved)
    ours = parts()
    assert load_checkpoint(saved, *ours) == {"step": 1}
    assert ours[3].state_dict() == {}


@pytest.mark.parametrize(("name", "width"), [("adamw", 5), ("vogn", 4)])
def test_another_model_or_optimizer_is_refused(saved, name, width):
    with pytest.raises(RunError, match="cannot be restored: "):
        load_checkpoint(saved, *parts(name, width))


class Evil:
    """Run code when it is unpickled."""

    def __reduce__(self):
        return print, ("executed",)


def test_a_stranger_s_code_is_not_run(saved, capsys):
    torch.save({"schema": 1, "model": Evil()}, saved)
    with pytest.raises(RunError, match="cannot be restored"):
        load_checkpoint(saved, *parts())
    assert "executed" not in capsys.readouterr().out
