"""Tests of ensembles as data, and of the runs that they make."""

import numpy as np
import pytest
import torch

from tests.trainers.examples import config, rows_of, run_of
from tests.trainers.test_resume import stop_after
from trainers.checkpoint import LAST
from trainers.ensembles import ENSEMBLE, MEMBERS, MULTI_VOGN, member_seeds
from trainers.first_order import ADAMW
from trainers.natural import VOGN
from trainers.runs import read_json
from trainers.session import train_run
from trainers.status import FINISHED, STOPPED
from trainers.trained import load_trained
from vogn_app import MixturePosterior, load_posterior

SMALL = {"epochs": 2, "batch_size": 350, "log_interval": 1}
M = 2


def test_they_take_what_their_members_take():
    assert ENSEMBLE.defaults() == {MEMBERS: 5} | ADAMW.defaults()
    own = {k: v for k, v in VOGN.defaults().items() if k != "sampled"}
    assert MULTI_VOGN.defaults() == {MEMBERS: 5} | own
    assert MULTI_VOGN.damped_by == VOGN.damped_by


def test_no_two_ensembles_share_a_member():
    seeds = [seed for run in range(4) for seed in member_seeds(run, 5)]
    assert seeds == list(range(20))


def trained(path, optimizer, seed=1, **values):
    settings = {"name": optimizer, "hyperparameters": values}
    run = run_of(path, optimizer=settings, training=SMALL | {"seed": seed})
    assert train_run(run, show_bar=False).state == FINISHED
    return run


@pytest.fixture(scope="module", params=["ensemble", "multi_vogn"])
def whole(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param)
    return request.param, trained(path / "a", request.param, members=M)


def test_a_member_is_the_run_with_its_seed(whole, tmp_path):
    name, run = whole
    content = torch.load(run.checkpoint / LAST, weights_only=True)
    alone = {"ensemble": "adamw", "multi_vogn": "vogn"}[name]
    for seed, member in zip((2, 3), content["optimizer"]["members"], strict=True):
        own = trained(tmp_path / str(seed), alone, seed=seed)
        expected = torch.load(own.checkpoint / LAST, weights_only=True)["model"]
        for key, tensor in expected.items():
            assert torch.equal(member["model"][key], tensor)


def test_it_is_judged_as_a_mixture(whole):
    name, run = whole
    content = read_json(run.evaluation)
    assert content["mean"] is None
    assert any("one of several networks" in note for note in content["notes"])
    with np.load(run.predictions) as arrays:
        draws = arrays["probabilities"]
    assert content["num_samples"] == len(draws) == (M if name == "ensemble" else 4)
    posterior = load_posterior(run.posterior)
    assert isinstance(posterior, MixturePosterior)
    found = load_trained(run)
    data = found.data.test
    inputs = (torch.from_numpy(data.inputs) - torch.from_numpy(
        found.data.normalisation.mean)) / torch.from_numpy(
        found.data.normalisation.std)  # fmt: skip
    again = posterior.predict_proba(found.model, inputs, len(draws), average=False)
    np.testing.assert_allclose(again.numpy(), draws, atol=2e-5)


def test_rows_tell_of_all_members(whole, tmp_path):
    name, run = whole
    if name != "ensemble":
        return
    each = [trained(tmp_path / str(seed), "adamw", seed=seed) for seed in (2, 3)]
    rows = zip(rows_of(run), *map(rows_of, each), strict=True)
    for row, first, second in rows:
        both = (first["train_loss"] + second["train_loss"]) / 2
        assert row["train_loss"] == pytest.approx(both, rel=1e-6)
    last = rows_of(run)[-1]
    accuracy = (rows_of(each[0])[-1]["train_accuracy"]
                + rows_of(each[1])[-1]["train_accuracy"]) / 2  # fmt: skip
    assert last["train_accuracy"] == pytest.approx(accuracy)
    assert last["posterior"][0]["deviation"] > 0


def test_it_goes_on_after_a_stop_bit_for_bit(whole, tmp_path, monkeypatch):
    name, expected = whole
    settings = {"name": name, "hyperparameters": {"members": M}}
    run = run_of(tmp_path / "b", optimizer=settings, training=SMALL | {"seed": 1})
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        assert train_run(run, show_bar=False).state == STOPPED
    assert train_run(run, show_bar=False).state == FINISHED
    ours, theirs = (
        torch.load(each.checkpoint / LAST, weights_only=True)["optimizer"]["members"]
        for each in (run, expected)
    )
    for one, other in zip(ours, theirs, strict=True):
        for key, tensor in other["model"].items():
            assert torch.equal(one["model"][key], tensor)
    assert rows_of(run) == rows_of(expected)


def test_no_process_is_without_a_member():
    settings = {"name": "multi_vogn", "hyperparameters": {"members": 2}}
    assert config(optimizer=settings, training={"num_processes": 2})
    with pytest.raises(ValueError, match=r"num_processes must be at most 2, .* got 3"):
        config(optimizer=settings, training={"num_processes": 3})


def test_several_processes_do_not_mix_batches():
    training = {"num_processes": 2, "mixup": 0.2}
    with pytest.raises(ValueError, match="mixup must be 0 for optimizer 'ensemble' on"):
        config(optimizer="ensemble", training=training)
    assert config(optimizer="ensemble", training=training | {"num_processes": 1})


def test_weights_of_a_posterior_are_not_rescaled():
    with pytest.raises(ValueError, match="rescale_weights must be false"):
        config(optimizer="ensemble", training={"rescale_weights": True})
