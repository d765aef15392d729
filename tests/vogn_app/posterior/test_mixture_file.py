"""Files of mixtures: every bit, equal tensors once, damage refused."""

import json
import re

import pytest
import torch

from vogn_app.posterior import MixturePosterior, PosteriorError, load_posterior
from vogn_app.posterior.mixture_file import fields_of

from .examples import assert_same, convnet, mlp, posterior_of
from .matrix_examples import matrix_posterior_of
from .mixture_examples import (
    dropout_posterior,
    gaussian_mixture,
    low_rank_posterior,
    point_mixture,
)

safetensors = pytest.importorskip("safetensors.torch")

BOTH = pytest.mark.parametrize("suffix", [".pt", ".safetensors"])


@BOTH
def test_components_of_every_kind_come_back(suffix, tmp_path):
    model = mlp()
    components = (
        posterior_of(model), matrix_posterior_of(mlp()), low_rank_posterior(mlp()),
        dropout_posterior(mlp()),
    )  # fmt: skip
    mixture = MixturePosterior(components=components)
    mixture.save(tmp_path / f"p{suffix}")
    loaded = load_posterior(tmp_path / f"p{suffix}")
    assert [type(each) for each in loaded.components] == [*map(type, components)]
    assert_same(loaded.sample(9), mixture.sample(9))
    for ours, theirs in zip(loaded.components, components, strict=True):
        assert ours.metadata == theirs.metadata
        assert ours.prior_precision == theirs.prior_precision


def heads():
    """Members that share all but the last bias."""
    points = [({"2.bias": torch.randn(3)}, {}) for _ in range(3)]
    return MixturePosterior.of_points(mlp(), points)


@BOTH
def test_equal_tensors_are_kept_once(suffix, tmp_path):
    mixture = heads()
    content = fields_of(mixture.components)
    assert len(content["tensors"]) == 4 + 2
    assert content["shared"]["2/mean/0.weight"] == "0/mean/0.weight"
    mixture.save(tmp_path / f"p{suffix}")
    first, second, _ = load_posterior(tmp_path / f"p{suffix}").components
    addresses = [each.mean["0.weight"].data_ptr() for each in (first, second)]
    assert addresses[0] == addresses[1]
    assert_same(second.mean, mixture.components[1].mean)


@BOTH
def test_equal_numbers_of_other_bits_are_not_equal(suffix, tmp_path):
    points = [({"2.bias": torch.zeros(3) * sign}, {}) for sign in (1, -1)]
    MixturePosterior.of_points(mlp(), points).save(tmp_path / f"p{suffix}")
    _, second = load_posterior(tmp_path / f"p{suffix}").components
    assert second.mean["2.bias"].signbit().all()


def damaged(suffix, path, **changes):
    """A file of two points with other values."""
    point_mixture(convnet, 2).save(path)
    if suffix == ".pt":
        torch.save({**torch.load(path, weights_only=True), **changes}, path)
        return
    tensors = safetensors.load_file(path)
    with safetensors.safe_open(path, "pt") as file:
        header = file.metadata()
    values = {name: json.dumps(value) for name, value in changes.items()}
    path.write_bytes(safetensors.save(tensors, header | values))


WRONG = {
    "no components": {"components": {}},
    "a list": {"components": [1]},
    "gaps": {"components": {"1": {}}},
    "nothing in it": {"components": {"0": {}}},
    "shared list": {"shared": []},
    "shared with none": {"shared": {"1/mean/0.weight": "x"}},
    "metadata": {"metadata": []},
}


@BOTH
@pytest.mark.parametrize("kind", WRONG)
def test_damage_is_refused_by_name(kind, suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    damaged(suffix, path, **WRONG[kind])
    with pytest.raises(PosteriorError) as caught:
        load_posterior(path)
    assert str(caught.value).startswith(f"{path} is a damaged posterior")


@BOTH
@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"format": "vogn_app.posterior.mixture"}, {"format": "os.mkdir"}],
)
def test_components_of_unknown_forms_are_refused(change, suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    mixture = gaussian_mixture(mlp, 1)
    described = fields_of(mixture.components)["components"]
    described["0"] |= change
    mixture.save(path)
    damaged(suffix, path, components=described)
    with pytest.raises(PosteriorError, match="components must be of known forms, got"):
        load_posterior(path)


@BOTH
def test_truncated_and_other_files_are_refused(suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    point_mixture(mlp).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(PosteriorError, match=re.escape(f"{path} cannot be read")):
        MixturePosterior.load(path)
    posterior_of(mlp()).save(path)
    text = f"{path} is no saved MixturePosterior: its format is 'vogn_app.posterior'"
    with pytest.raises(PosteriorError, match=re.escape(text)):
        MixturePosterior.load(path)
