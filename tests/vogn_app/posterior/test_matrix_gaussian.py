"""The posterior of matrix Gaussians as a whole: predictions, figures, files."""

import copy
import pickle
import re
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, kl_divergence

from vogn_app.posterior import (
    GaussianPosterior,
    MatrixGaussianPosterior,
    PosteriorError,
)

from .examples import assert_same, convnet, mlp, tensors_of
from .matrix_examples import (
    SCALE,
    Zoo,
    blocks_of,
    matrix_posterior_of,
    tokens,
    with_block,
)
from .test_matrix_draws import dense_covariance

pytest.importorskip("safetensors.torch")
pytestmark = pytest.mark.filterwarnings("ignore:scale .* have no curvature")

BOTH = pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
JOINT = pytest.mark.parametrize("joint", [False, True], ids=["factored", "joint"])


# --- draws and predictions --------------------------------------------------------


@JOINT
def test_predictions_are_those_of_the_draws_one_by_one(joint):
    model, x = Zoo().eval(), tokens()
    posterior = matrix_posterior_of(model, joint=joint)
    expected = []
    for k in range(3):
        with torch.no_grad(), posterior.sampled(model, index=k, seed=4):
            expected.append(model(x))
    got = posterior.predict(model, x, 3, seed=4, batch_size=2)
    torch.testing.assert_close(got, torch.stack(expected))
    probabilities = torch.stack(expected).softmax(-1)
    average = posterior.predict_proba(model, x, 3, seed=4)
    torch.testing.assert_close(average, probabilities.mean(0))
    each = posterior.predict_proba(model, x, 3, seed=4, average=False)
    torch.testing.assert_close(each, probabilities)


def test_draws_together_are_as_in_a_loop():
    model, x = mlp(), torch.randn(5, 4)
    posterior = matrix_posterior_of(model)
    loop = posterior.predict(model, x, 4, method="loop")
    together = posterior.predict(model, x, 4, method="vectorised")
    torch.testing.assert_close(together, loop)


def test_weights_without_noise_are_their_means():
    model = convnet()
    posterior = matrix_posterior_of(model, leave=("1",))
    assert list(posterior.sampled_names) == ["0.weight", "0.bias", "5.weight", "5.bias"]
    draws = posterior.sample(3)
    assert list(draws) == [name for name, _ in model.named_parameters()]
    for name, mean in posterior.mean.items():
        silent = torch.equal(draws[name], mean.expand_as(draws[name]))
        assert silent is (name not in posterior.sampled_names)


def test_draws_of_a_seed_do_not_depend_on_their_number():
    posterior = matrix_posterior_of(mlp())
    few, many = posterior.sample(2, seed=5), posterior.sample(6, seed=5)
    assert_same(few, {name: draws[:2] for name, draws in many.items()})
    generator = torch.Generator().manual_seed(5)
    assert_same(posterior.sample(2, generator=generator), few)


def test_a_draw_in_a_model_is_restored_after_an_exception():
    model = convnet()
    posterior, before = matrix_posterior_of(model), tensors_of(model)

    def fail():
        with posterior.sampled(model):
            assert not torch.equal(model[0].weight, before["0.weight"])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert_same(tensors_of(model), before)


# --- figures ----------------------------------------------------------------------


@JOINT
def test_figures_are_those_of_the_dense_gaussian(joint):
    model, delta = nn.Linear(3, 2), 2.5
    posterior = matrix_posterior_of(model, prior_precision=delta, joint=joint)
    (block,) = blocks_of(model, joint=joint)
    covariance = dense_covariance(block)
    mean = torch.cat((model.weight, model.bias[:, None]), 1).detach().flatten()
    q = MultivariateNormal(mean, covariance)
    p = MultivariateNormal(torch.zeros(8), torch.eye(8) / delta)
    assert posterior.kl_divergence() == pytest.approx(float(kl_divergence(q, p)))
    effective = 8 - delta * float(covariance.trace())
    assert sum(posterior.effective_parameters().values()) == pytest.approx(effective)
    variances = covariance.diagonal().view(2, 4)
    marginals = posterior.marginals()
    assert isinstance(marginals, GaussianPosterior)
    expected = {"weight": variances[:, :3], "bias": variances[:, 3]}
    for name, truth in expected.items():
        torch.testing.assert_close(1 / marginals.precision[name], truth)
        ratio = posterior.mean[name].abs() / truth.sqrt()
        torch.testing.assert_close(posterior.signal_to_noise()[name], ratio)
    (row,) = posterior.summary()
    assert (row.name, row.num_parameters) == ("", 8)
    assert row.kl == pytest.approx(posterior.kl_divergence())
    assert row.deviation == pytest.approx(float(variances.sqrt().mean()))


def test_a_row_for_each_module_and_the_kl_is_their_sum():
    posterior = matrix_posterior_of(Zoo())
    rows = posterior.summary()
    assert [row.name for row in rows] == [
        "table", "attention", "attention.out_proj", "norm", "lstm", "convolution",
        "channels", "curve", "out",
    ]  # fmt: skip
    assert sum(row.kl for row in rows) == pytest.approx(posterior.kl_divergence())
    assert sum(row.num_parameters for row in rows) == 270


def test_the_kl_is_at_least_that_of_the_marginals():
    posterior = matrix_posterior_of(mlp())
    assert posterior.kl_divergence() > posterior.marginals().kl_divergence()


def test_an_improper_prior_has_no_kl():
    posterior = matrix_posterior_of(mlp(), prior_precision=0.0)
    with pytest.raises(ValueError, match=r"^prior_precision must be > 0 for a KL"):
        posterior.kl_divergence()
    assert all(row.kl is None for row in posterior.summary())


# --- building, types, files -------------------------------------------------------


def test_mean_and_buffers_are_copies():
    model = convnet()
    posterior = matrix_posterior_of(model)
    expected = tensors_of(model)
    with torch.no_grad():
        model[0].weight.zero_()
        model[1].running_mean.zero_()
    assert torch.equal(posterior.mean["0.weight"], expected["0.weight"])
    assert torch.equal(posterior.buffers["1.running_mean"], expected["1.running_mean"])


def test_nothing_can_be_assigned():
    with pytest.raises(FrozenInstanceError):
        matrix_posterior_of(mlp()).blocks = ()


def test_what_is_printed_is_short():
    assert repr(matrix_posterior_of(convnet(), leave=("1",))) == (
        "MatrixGaussianPosterior(num_parameters=243, num_sampled=235, num_buffers=3, "
        "metadata={'num_data': 100, 'temperature': 0.5, 'version': '1'})"
    )


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_copies_draw_the_same(copied):
    posterior = matrix_posterior_of(Zoo())
    fresh = copied(posterior)
    assert_same(fresh.sample(2), posterior.sample(2))
    assert_same(copied(posterior).sample(2), posterior.sample(2))  # with what is kept


def test_another_type_leaves_factors_wide():
    posterior = matrix_posterior_of(convnet()).to(dtype=torch.float16)
    assert {t.dtype for t in posterior.mean.values()} == {torch.float16}
    values = [f.moment_mean.value for b in posterior.blocks for f in b.factors.values()]
    assert {value.dtype for value in values} == {torch.float32}
    assert posterior.sample()["0.weight"].dtype == torch.float16
    with pytest.raises(ValueError, match="dtype must be real floating-point"):
        posterior.to(dtype=torch.int64)


@BOTH
@JOINT
@pytest.mark.parametrize("form", ["matrix", "rows"])
def test_a_round_trip_keeps_every_bit(suffix, joint, form, tmp_path):
    posterior = matrix_posterior_of(Zoo(), joint=joint, form=form)
    posterior.save(tmp_path / f"p{suffix}")
    loaded = MatrixGaussianPosterior.load(tmp_path / f"p{suffix}")
    assert_same(loaded.mean, posterior.mean)
    assert_same(loaded.buffers, posterior.buffers)
    assert loaded.prior_precision == posterior.prior_precision
    assert loaded.metadata == posterior.metadata
    for ours, theirs in zip(loaded.blocks, posterior.blocks, strict=True):
        assert ours.described() == theirs.described()
        assert_same(ours.tensors(), theirs.tensors())
    assert_same(loaded.sample(3), posterior.sample(3))
    assert loaded.kl_divergence() == posterior.kl_divergence()


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_round_trip_keeps_types(dtype, suffix, tmp_path):
    posterior = matrix_posterior_of(mlp()).to(dtype=dtype)
    posterior.save(tmp_path / f"p{suffix}")
    loaded = MatrixGaussianPosterior.load(tmp_path / f"p{suffix}")
    assert_same(loaded.sample(2), posterior.sample(2))


@BOTH
def test_a_file_of_another_posterior_is_refused(suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    matrix_posterior_of(mlp()).save(path)
    text = f"{path} is no saved GaussianPosterior: its format is"
    with pytest.raises(PosteriorError, match=re.escape(text)):
        GaussianPosterior.load(path)
    matrix_posterior_of(mlp()).marginals().save(path)
    text = f"{path} is no saved MatrixGaussianPosterior: its format is"
    with pytest.raises(PosteriorError, match=re.escape(text)):
        MatrixGaussianPosterior.load(path)


def tampered(path, change):
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


CHANGES = {
    "no factors": lambda c: c.pop("factors"),
    "a factor is gone": lambda c: c["factors"].pop("0/inputs"),
    "a field of a block is gone": lambda c: c["blocks"]["0"].pop("scale"),
    "another shape": lambda c: c["blocks"]["0"].update(shape=[1, 4, 10]),
    "parts are no dict": lambda c: c["blocks"]["0"].update(parts=[1]),
    "a damping of 0": lambda c: c["factors"]["0/inputs/damping"].zero_(),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_damaged_file_is_refused(kind, tmp_path):
    path = tmp_path / "p.pt"
    matrix_posterior_of(mlp()).save(path)
    tampered(path, CHANGES[kind])
    with pytest.raises(PosteriorError, match="is a damaged posterior"):
        MatrixGaussianPosterior.load(path)


def test_blocks_are_checked():
    posterior = matrix_posterior_of(mlp())
    with pytest.raises(ValueError, match="a finite scale > 0"):
        with_block(posterior, 0, scale=-SCALE)
    with pytest.raises(ValueError, match="the names of the blocks' parameters"):
        replace(posterior, prior_precision={})
    with pytest.raises(ValueError, match="must be strings and numbers"):
        replace(posterior, metadata={"a": []})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_posterior_predicts_on_another_device_than_its_own():
    model, x = Zoo().eval(), tokens()
    posterior = matrix_posterior_of(model)
    expected = posterior.predict_proba(model, x)
    got = posterior.predict_proba(model.cuda(), x)
    assert got.device.type == "cuda"
    torch.testing.assert_close(got.cpu(), expected)
    assert posterior.to("cuda").sample(2)["out.bias"].device.type == "cuda"
