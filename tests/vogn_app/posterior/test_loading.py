"""Files of which nobody said what posterior they hold."""

import re

import pytest
import torch
from torch import nn

from vogn_app.posterior import (
    DropoutPosterior,
    GaussianPosterior,
    LowRankPosterior,
    MatrixGaussianPosterior,
    MixturePosterior,
    PosteriorError,
    load_posterior,
)

from .examples import assert_same, mlp, posterior_of
from .matrix_examples import matrix_posterior_of
from .mixture_examples import dropout_posterior, low_rank_posterior

pytest.importorskip("safetensors.torch")

BOTH = pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
KINDS = {
    GaussianPosterior: posterior_of,
    MatrixGaussianPosterior: matrix_posterior_of,
    LowRankPosterior: low_rank_posterior,
    DropoutPosterior: dropout_posterior,
    MixturePosterior: lambda model: MixturePosterior(components=[posterior_of(model)]),
}


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_a_posterior_is_what_it_was(kind, suffix, tmp_path):
    posterior = KINDS[kind](mlp())
    posterior.save(tmp_path / f"p{suffix}")
    loaded = load_posterior(tmp_path / f"p{suffix}")
    assert type(loaded) is kind
    assert_same(loaded.sample(2), posterior.sample(2))


@BOTH
def test_a_file_that_holds_none_is_refused(suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    if suffix == ".pt":
        torch.save(nn.Linear(1, 1).state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file({"a": torch.ones(1)}, path)
    text = f"{path} is no saved GaussianPosterior or MatrixGaussianPosterior or"
    with pytest.raises(PosteriorError, match=re.escape(text)):
        load_posterior(path)
