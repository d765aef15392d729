"""Tests of MC-dropout: nn.Dropout's training, hooks that come and go, a posterior."""

import copy
import gc
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DataParallel

from tests.vogn_app.optim.networks import assert_bitwise, weights
from vogn_app.optim.mc_dropout import MCDropout


def network(*dropout):
    """Three dense layers, with `dropout` in front of the second and the third."""
    return nn.Sequential(
        nn.Linear(3, 8), nn.ReLU(), *dropout, nn.Linear(8, 6), nn.ReLU(), *dropout,
        nn.Linear(6, 2),
    )  # fmt: skip


def train(model, optimizer, steps=range(4)):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(7, 3, generator=generator)
        y = torch.randint(2, (7,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def drops(model):
    """Whether two passes in train mode differ."""
    x = torch.ones(20, 3)
    model.train()
    return not torch.equal(model(x), model(x))


def test_it_trains_as_adamw_does_with_dropout_modules():
    ours, theirs = network(), network(nn.Dropout(0.4))
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        q.data.copy_(p.data)
    settings = {"lr": 0.01, "betas": (0.8, 0.99), "weight_decay": 0.1}
    optimizer = MCDropout(ours, rate=0.4, **settings)
    torch.manual_seed(1)
    train(ours, optimizer)
    torch.manual_seed(1)
    train(theirs, torch.optim.AdamW(theirs.parameters(), **settings))
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(p, q)


def test_eval_mode_is_the_plain_network():
    model, x = network(), torch.randn(5, 3)
    before = model(x)
    optimizer = MCDropout(model)
    assert drops(model)
    assert torch.equal(model.eval()(x), before)
    optimizer.close()
    assert not drops(model)


def test_a_draw_has_one_mask_for_all_examples():
    model = network()
    optimizer = MCDropout(model, rate=0.5)
    posterior = optimizer.posterior()
    assert optimizer.has_posterior
    assert posterior.rates == {"2.weight": 0.5, "4.weight": 0.5}
    draw = posterior.sample(seed=1)
    for name in posterior.rates:
        zero = draw[name] == 0
        assert torch.equal(zero.all(0), zero.any(0))  # whole columns
        kept = ~zero.any(0)
        assert torch.equal(draw[name][:, kept], 2 * posterior.mean[name][:, kept])
    assert torch.equal(draw["0.weight"], model[0].weight)


def test_averages_of_predictions_are_those_of_masks_an_example():
    """Both are unbiased: means of a linear output over 4,000 draws agree."""
    model = nn.Sequential(nn.Linear(4, 2))
    optimizer, x = MCDropout(model, rate=0.5), torch.randn(3, 4)
    num = 4000
    common = optimizer.posterior().predict(model, x, num)
    own = model(x.repeat(num, 1, 1)).detach()
    # Deviations of both means; the largest of 6 differences stays below 5 of them.
    bound = 5 * (2 / num) ** 0.5 * common.std(0)
    assert ((common.mean(0) - own.mean(0)).abs() < bound).all()
    # Sums of symmetric terms have a kurtosis < 3: variances deviate by < (2 / num)^0.5.
    assert (((common.var(0) / own.var(0)) - 1).abs() < 5 * 2 / num**0.5).all()


def test_later_steps_leave_a_posterior_alone():
    model = network()
    optimizer = MCDropout(model)
    posterior = optimizer.posterior()
    before = copy.deepcopy(posterior.mean)
    train(model, optimizer)
    assert_bitwise(posterior.mean, before)


# --- hooks ------------------------------------------------------------------------


def test_dropout_goes_away_with_the_optimizer():
    model = network()
    optimizer = MCDropout(model)
    train(model, optimizer)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    del optimizer
    gc.collect()
    assert not drops(model)
    assert not any(m._forward_pre_hooks for m in model)


def test_of_two_for_one_model_the_last_one_counts():
    model = network()
    first = MCDropout(model, rate=0.1)
    second = MCDropout(model, rate=0.5, layers=["2", "4"])
    first.close()
    assert drops(model)
    second.close()
    assert not drops(model)


def test_layers_that_only_an_earlier_one_dropped_are_dropped_no_more():
    model = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 2))
    first = MCDropout(model, layers="0")
    second = MCDropout(model, layers="1")
    assert not model[0]._forward_pre_hooks
    first.close()
    assert drops(model)
    second.close()


def test_a_copy_of_both_drops_and_a_copy_of_the_model_does_not():
    model = network()
    optimizer = MCDropout(model, rate=0.5)
    train(model, optimizer)
    alone = copy.deepcopy(model)
    assert not drops(alone)
    other, copied = copy.deepcopy((model, optimizer))
    for net, each in ((model, optimizer), (other, copied)):
        torch.manual_seed(5)
        train(net, each, range(4, 7))
    assert_bitwise(weights(other), weights(model))
    del copied, each
    gc.collect()
    assert drops(model)
    assert not drops(other)


def test_a_copy_of_a_closed_one_is_closed():
    model = network()
    optimizer = MCDropout(model)
    optimizer.close()
    other, copied = pickle.loads(pickle.dumps((model, optimizer)))
    assert not drops(other)
    assert copied.posterior().rates == optimizer.rates


@pytest.mark.parametrize(
    "wrap", [DataParallel, lambda model: torch.compile(model, backend="eager")]
)
def test_wrapped_models_drop_too(wrap):
    model = network()
    wrapped = wrap(model)
    optimizer = MCDropout(wrapped, rate=0.5)
    assert set(optimizer.posterior().mean) == set(dict(model.named_parameters()))
    assert drops(wrapped)
    assert torch.equal(wrapped.eval()(torch.ones(2, 3)), model(torch.ones(2, 3)))
    optimizer.close()
    assert not drops(wrapped)


# --- states -----------------------------------------------------------------------


def test_saving_and_loading_half_way_changes_nothing(tmp_path):
    straight, broken, resumed = network(), network(), network()
    broken.load_state_dict(straight.state_dict())
    for model, num_steps in ((straight, 6), (broken, 3)):
        torch.manual_seed(4)
        optimizer = MCDropout(model, rate=0.4)
        train(model, optimizer, range(num_steps))
    states = broken.state_dict(), optimizer.state_dict(), torch.get_rng_state()
    torch.save(states, tmp_path / "state.pt")
    weights_of, state, generator = torch.load(tmp_path / "state.pt", weights_only=True)
    optimizer = MCDropout(resumed, rate=0.2)
    resumed.load_state_dict(weights_of)
    optimizer.load_state_dict(state)
    torch.set_rng_state(generator)
    train(resumed, optimizer, range(3, 6))
    assert optimizer.rates == {"2.weight": 0.4, "4.weight": 0.4}
    assert_bitwise(weights(resumed), weights(straight))


def test_states_that_do_not_fit_are_refused():
    model = network()
    optimizer = MCDropout(model)
    with pytest.raises(
        ValueError, match="state_dict must be of a MCDropout, got one w"
    ):
        optimizer.load_state_dict(torch.optim.AdamW(model.parameters()).state_dict())
    state = MCDropout(model, layers="4").state_dict()
    with pytest.raises(ValueError, match=r"rates of the state to load must be of \['2"):
        optimizer.load_state_dict(state)


def test_states_of_other_parameters_or_rates_are_refused_whole():
    model = network()
    optimizer = MCDropout(model)
    train(model, optimizer, range(1))
    state = optimizer.state_dict()
    wide = {**state, "rates": {"2.weight": 0.3, "4.weight": 7.0}}
    wider = nn.Sequential(
        nn.Linear(3, 9), nn.ReLU(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 2)
    )
    for net, given, told in (
        (
            model,
            wide,
            r"rates\['4.weight'\] must be a finite number in \(0, 1\), got 7",
        ),
        (wider, state, r"exp_avg must have shape \(9, 3\) in the state to load"),
    ):
        other = MCDropout(net, rate=0.1)
        with pytest.raises(ValueError, match=told):
            other.load_state_dict(given)
        assert (other.state_dict()["state"], set(other.rates.values())) == ({}, {0.1})


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ({"lr": -1}, r"lr must be a finite number in \[0, inf\), got -1"),
        ({"betas": (0.9, 1.0)}, r"beta2 must be a finite number in \[0, 1\), got 1.0"),
        ({"params": [nn.Parameter(torch.ones(3))]}, r"one that is not, of shape \(3"),
    ],
)
def test_groups_are_checked(group, told):
    model = network()
    optimizer = MCDropout(model, params=[{"params": [model[0].weight]}, {"params": []}])
    with pytest.raises(ValueError, match=told):
        optimizer.add_param_group({"params": [model[2].weight], **group})
    optimizer.add_param_group({"params": [model[2].weight], "lr": 0.5})
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 1e-3, 0.5]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rate": 0}, r"rate must be a finite number in \(0, 1\), got 0"),
        ({"rate": 1.0}, r"rate must be a finite number in \(0, 1\), got 1.0"),
        ({"lr": -1}, r"lr must be a finite number in \[0, inf\), got -1"),
        ({"betas": (0.9, 1.0)}, r"beta2 must be a finite number in \[0, 1\), got 1.0"),
        ({"weight_decay": -1}, "weight_decay must be a finite number"),
        ({"layers": "conv*"}, r"layers must be names .* got conv\*"),
    ],
)
def test_wrong_arguments_are_told(settings, told):
    with pytest.raises(ValueError, match=told):
        MCDropout(network(), **settings)
