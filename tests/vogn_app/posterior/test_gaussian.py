"""The posterior as a whole: draws, draws in a model, figures, its example."""

import doctest
import re

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from vogn_app.posterior import GaussianPosterior, gaussian, kl_divergence

from .examples import Tied, assert_same, convnet, mlp, posterior_of, tensors_of


def test_draws_come_for_every_parameter():
    model = convnet()
    posterior = posterior_of(model, silent=("1.weight", "1.bias"))
    draws = posterior.sample(3)
    assert list(draws) == [name for name, _ in model.named_parameters()]
    for name, mean in posterior.mean.items():
        assert draws[name].shape == (3, *mean.shape)
        silent = torch.equal(draws[name], mean.expand_as(draws[name]))
        assert silent is (name not in posterior.precision)


def test_one_draw_has_no_dimension_of_its_own():
    posterior = posterior_of(mlp())
    first = {name: draws[0] for name, draws in posterior.sample(3).items()}
    assert_same(posterior.sample(), first)


def test_draws_of_a_seed_do_not_depend_on_their_number():
    posterior = posterior_of(mlp())
    few, many = posterior.sample(2, seed=5), posterior.sample(6, seed=5)
    assert_same(few, {name: draws[:2] for name, draws in many.items()})
    other = posterior.sample(2, seed=6)
    assert not any(torch.equal(few[name], other[name]) for name in few)


def test_draws_of_a_generator_one_after_another_or_at_once():
    posterior = posterior_of(mlp())
    generator = torch.Generator().manual_seed(7)
    each = [posterior.sample(generator=generator) for _ in range(3)]
    stacked = {name: torch.stack([draw[name] for draw in each]) for name in each[0]}
    assert_same(posterior.sample(3, seed=7), stacked)


def test_the_global_generator_is_neither_read_nor_advanced():
    posterior, model = posterior_of(mlp()), mlp()
    before = torch.get_rng_state()
    first = posterior.sample(2)
    with posterior.sampled(model):
        pass
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert_same(posterior.sample(2), first)


def test_a_draw_is_the_callers_own():
    posterior = posterior_of(mlp(), silent=("0.weight",))
    kept = {name: mean.clone() for name, mean in posterior.mean.items()}
    for draws in (posterior.sample(), posterior.sample(1)):
        for tensor in draws.values():
            tensor.zero_()
    assert_same(posterior.mean, kept)


@pytest.mark.parametrize("build", [mlp, convnet, Tied])
def test_a_draw_in_a_model_is_restored_bit_for_bit(build):
    posterior, model = posterior_of(build()), build()
    before, expected = tensors_of(model), posterior.sample(3, seed=8)
    with posterior.sampled(model, index=2, seed=8):
        held = dict(model.named_parameters())
        assert all(torch.equal(held[n], draws[2]) for n, draws in expected.items())
        buffers = dict(model.named_buffers())
        assert all(torch.equal(buffers[n], b) for n, b in posterior.buffers.items())
    assert_same(tensors_of(model), before)


def test_a_draw_is_restored_after_an_exception():
    model = convnet()
    posterior, before = posterior_of(model), tensors_of(model)

    def fail():
        with posterior.sampled(model):
            model(torch.randn(4, 1, 6, 6))  # moves running statistics
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert_same(tensors_of(model), before)


@pytest.mark.parametrize("index", [-1, 1.0, True])
def test_what_is_no_index_is_an_error(index):
    text = f"index must be a whole number >= 0, got {index!r}."
    with (
        pytest.raises(ValueError, match=re.escape(text)),
        posterior_of(mlp()).sampled(mlp(), index=index),
    ):
        pass


def test_mean_and_buffers_go_into_a_model():
    source, target = convnet(), convnet()
    posterior_of(source).load_into(target)
    assert_same(tensors_of(target), tensors_of(source))


def test_a_model_that_does_not_fit_is_left_alone():
    posterior, model = posterior_of(mlp()), nn.Sequential(nn.Linear(4, 8))
    before = tensors_of(model)
    with pytest.raises(ValueError, match=r"^model must have the parameters"):
        posterior.load_into(model)
    with (
        pytest.raises(ValueError, match=r"^model must have the parameters"),
        posterior.sampled(model),
    ):
        pass
    with pytest.raises(ValueError, match=r"^model must have the parameters"):
        posterior.predict(model, torch.zeros(1, 4))
    assert_same(tensors_of(model), before)


def test_a_distributed_model_is_its_own_model():
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = mlp()
        wrapped = DistributedDataParallel(model)
        posterior, x = posterior_of(wrapped), torch.randn(3, 4)
        assert list(posterior.mean) == [name for name, _ in model.named_parameters()]
        expected = posterior.predict(model, x)
        assert torch.equal(posterior.predict(wrapped, x), expected)
        with posterior.sampled(wrapped):
            assert torch.equal(model[0].bias, posterior.sample()["0.bias"])
    finally:
        distributed.destroy_process_group()


def test_the_kl_is_the_sum_over_sampled_parameters():
    posterior = posterior_of(mlp(), prior_precision=3.0, silent=("0.weight",))
    expected = sum(
        kl_divergence(posterior.mean[name], precision, 0.0, 3.0)
        for name, precision in posterior.precision.items()
    )
    assert posterior.kl_divergence() == pytest.approx(expected.item())
    assert posterior.kl_divergence() == pytest.approx(
        sum(row.kl for row in posterior.summary())
    )


def test_an_improper_prior_has_no_kl():
    posterior = posterior_of(mlp(), prior_precision=0.0)
    text = "prior_precision must be > 0 for a KL divergence, got 0 for 0.weight, 0.bias"
    with pytest.raises(ValueError, match=re.escape(text)):
        posterior.kl_divergence()
    assert [row.kl for row in posterior.summary()] == [None, None]
    assert sum(posterior.effective_parameters().values()) == 4 * 8 + 8 + 8 * 3 + 3


def test_the_summary_has_a_row_for_each_layer_with_noise():
    posterior = posterior_of(convnet(), silent=("1.weight", "1.bias"))
    rows = posterior.summary()
    assert [(row.name, row.num_parameters) for row in rows] == [("0", 40), ("5", 195)]
    effective = posterior.effective_parameters()
    assert rows[0].effective_parameters == pytest.approx(
        effective["0.weight"] + effective["0.bias"]
    )
    ratios = posterior.signal_to_noise()
    assert list(ratios) == list(posterior.precision)
    both = torch.cat([ratios["0.weight"].flatten(), ratios["0.bias"]])
    assert rows[0].signal_to_noise == both.median()


def test_the_example_in_the_docstring_runs():
    names = {"torch": torch, "nn": nn}
    results = doctest.testmod(gaussian, extraglobs=names)
    assert results.attempted >= 3
    assert results.failed == 0
    assert GaussianPosterior.__doc__
