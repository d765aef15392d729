"""Building from a model, other types and devices, what is printed."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import pytest
import torch

from vogn_app.posterior import GaussianPosterior

from .examples import Tied, assert_same, convnet, mlp, posterior_of


def test_a_posterior_of_a_model_is_a_copy():
    model = convnet()
    posterior = posterior_of(model)
    expected = {name: p.detach().clone() for name, p in model.named_parameters()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    model(torch.randn(4, 1, 6, 6))
    with torch.no_grad():
        model[0].weight.zero_()
    assert_same(posterior.mean, expected)
    assert_same(posterior.buffers, buffers)


def test_the_precision_is_a_copy_too():
    precision = {"scale": torch.tensor(2.0)}
    posterior = GaussianPosterior.from_model(
        Tied(), precision, prior_precision={"scale": 1}
    )
    precision["scale"].zero_()
    assert posterior.precision["scale"] == 2.0


def test_names_that_the_model_lacks_are_told():
    with pytest.raises(
        ValueError, match=r"must name parameters of model, got other\.$"
    ):
        GaussianPosterior.from_model(
            mlp(), {"other": torch.ones(1)}, prior_precision={"other": 1.0}
        )


def test_nothing_can_be_assigned():
    with pytest.raises(FrozenInstanceError):
        posterior_of(mlp()).mean = {}


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_copies_are_equal(copied):
    posterior = posterior_of(convnet())
    other = copied(posterior)
    assert_same(other.mean, posterior.mean)
    assert_same(other.precision, posterior.precision)
    assert other.metadata == posterior.metadata


def test_another_type_is_that_of_means_and_floating_buffers():
    posterior = posterior_of(convnet()).to(dtype=torch.float16)
    assert {t.dtype for t in posterior.mean.values()} == {torch.float16}
    assert {t.dtype for t in posterior.precision.values()} == {torch.float32}
    kinds = {name: t.dtype for name, t in posterior.buffers.items()}
    assert kinds["1.running_mean"] == torch.float16
    assert kinds["1.num_batches_tracked"] == torch.int64


def test_precisions_beyond_half_precision_survive():
    posterior = GaussianPosterior(
        mean={"w": torch.ones(1)},
        precision={"w": torch.full((1,), 1e6)},
        prior_precision={"w": 1.0},
    )
    assert posterior.to(dtype=torch.float16).precision["w"] == 1e6


def test_the_same_type_shares_the_tensors():
    posterior = posterior_of(mlp())
    same = posterior.to("cpu", torch.float64)
    assert same.mean["0.weight"].data_ptr() == posterior.mean["0.weight"].data_ptr()


def test_a_type_that_is_not_floating_is_an_error():
    text = r"^dtype must be real floating-point, got torch.int64\.$"
    with pytest.raises(ValueError, match=text):
        posterior_of(mlp()).to(dtype=torch.int64)


def test_what_is_printed_is_short():
    assert repr(posterior_of(convnet(), silent=("0.bias",))) == (
        "GaussianPosterior(num_parameters=243, num_sampled=239, num_buffers=3, "
        "metadata={'num_data': 100, 'temperature': 0.5, 'version': '1'})"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_posterior_predicts_on_another_device_than_its_own():
    model, x = convnet(), torch.randn(7, 1, 6, 6)
    posterior = posterior_of(model)
    expected = posterior.predict_proba(model, x)
    got = posterior.predict_proba(model.cuda(), x)
    assert got.device.type == "cuda"
    torch.testing.assert_close(got.cpu(), expected)
    moved = posterior.to("cuda")
    assert moved.sample(2)["0.bias"].device.type == "cuda"
