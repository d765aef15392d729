"""What can be kept of every kind: files, types, devices, wrapped models."""

import copy
import pickle

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from vogn_app.posterior import load_posterior
from vogn_app.posterior.stored import wide_of

from .examples import assert_same, convnet, mlp, posterior_of
from .matrix_examples import matrix_posterior_of
from .mixture_examples import KINDS

pytest.importorskip("safetensors.torch")

EVERY = {
    **KINDS,
    "gaussian": lambda build: posterior_of(build()),
    "matrix": lambda build: matrix_posterior_of(build()),
}
ALL = pytest.mark.parametrize("kind", EVERY)


@ALL
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_round_trip_keeps_every_bit(kind, suffix, dtype, tmp_path):
    posterior = EVERY[kind](lambda: convnet().to(dtype))
    posterior.save(tmp_path / f"p{suffix}")
    for load in (load_posterior, type(posterior).load):
        loaded = load(tmp_path / f"p{suffix}")
        assert type(loaded) is type(posterior)
        assert_same(loaded.sample(4), posterior.sample(4))
        assert_same(loaded.mean, posterior.mean)
        for ours, theirs in zip(loaded.strata, posterior.strata, strict=True):
            assert_same(ours.buffers, theirs.buffers)
        assert loaded.prior_precision == posterior.prior_precision
        assert loaded.metadata == posterior.metadata
        assert loaded.summary() == posterior.summary()
        assert repr(loaded) == repr(posterior)


@ALL
def test_to_a_wider_type_and_back_is_the_same(kind):
    posterior = EVERY[kind](lambda: convnet().float())
    wide = posterior.to(dtype=torch.float64)
    assert {t.dtype for t in wide.mean.values()} == {torch.float64}
    back = wide.to("cpu", torch.float32)
    assert_same(back.sample(4), posterior.sample(4))
    assert_same(back.buffers, posterior.buffers)


@ALL
def test_a_type_that_is_not_floating_is_an_error(kind):
    text = r"^dtype must be real floating-point, got torch.int64\.$"
    with pytest.raises(ValueError, match=text):
        EVERY[kind](mlp).to(dtype=torch.int64)


def test_what_spreads_draws_is_at_least_single():
    assert wide_of(None) is None
    assert wide_of(torch.float16) == wide_of(torch.float32) == torch.float32
    assert wide_of(torch.float64) == torch.float64


@ALL
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_copies_are_equal(kind, copied):
    posterior = EVERY[kind](convnet)
    assert_same(copied(posterior).sample(4), posterior.sample(4))


@ALL
def test_summaries_have_a_row_a_layer(kind):
    rows = EVERY[kind](mlp).summary()
    assert [row.name for row in rows] == ["0", "2"]
    for row in rows:
        assert row.deviation > 0
        assert row.signal_to_noise > 0
        assert (row.kl is None) == (kind in KINDS)
        assert (row.between is None) == (kind not in ("points", "gaussians"))


@ALL
def test_compiled_and_distributed_models_are_their_own_models(kind):
    posterior, model, x = EVERY[kind](mlp), mlp(), torch.randn(3, 4)
    expected = posterior.predict(model, x, 4)
    compiled = torch.compile(model, backend="eager")
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        for wrapped in (compiled, DistributedDataParallel(model)):
            assert torch.equal(posterior.predict(wrapped, x, 4), expected)
            with posterior.sampled(wrapped, index=1):
                drawn = model[0].weight.detach().clone()
            assert torch.equal(drawn, posterior.sample(2)["0.weight"][1])
    finally:
        distributed.destroy_process_group()


@ALL
def test_a_model_that_does_not_fit_is_told(kind):
    posterior, model = EVERY[kind](mlp), nn.Sequential(nn.Linear(4, 8))
    with pytest.raises(ValueError, match=r"^model must have the parameters"):
        posterior.predict(model, torch.zeros(1, 4))
    with (
        pytest.raises(ValueError, match=r"^model must have the parameters"),
        posterior.sampled(model),
    ):
        pass


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@ALL
def test_a_posterior_predicts_on_another_device_than_its_own(kind):
    posterior, model, x = EVERY[kind](convnet), convnet(), torch.randn(7, 1, 6, 6)
    expected = posterior.predict_proba(model, x, 4)
    got = posterior.predict_proba(model.cuda(), x, 4)
    torch.testing.assert_close(got.cpu(), expected)
    moved = posterior.to("cuda")
    assert moved.sample(2)["0.bias"].device.type == "cuda"
    assert moved.predict_proba(model, x, 4).shape == expected.shape
    assert moved.summary()
