"""What posteriors of any kind have in common, for one that is neither of ours."""

from dataclasses import dataclass

import pytest
import torch

from vogn_app.posterior.base import Posterior

from .examples import assert_same, mlp, tensors_of


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Shifted(Posterior):
    """Every draw adds its key, scaled down, to the bias of the last layer."""

    @property
    def sampled_names(self):
        return ["2.bias"]

    def sampler(self):
        mean = self.mean["2.bias"]

        def draw(keys):
            shifts = torch.tensor([key / 2**63 for key in keys])
            return {"2.bias": mean + shifts[:, None].to(mean)}

        return draw

    def variances(self):  # of a uniform number in [0, 1), keys over 2^63
        return {"2.bias": torch.full_like(self.mean["2.bias"], 1 / 12)}


def shifted(model):
    mean = {name: p.detach().clone() for name, p in model.named_parameters()}
    return Shifted(mean=mean, prior_precision={"2.bias": 1.0})


def test_draws_predictions_and_models_agree():
    model, x = mlp(), torch.randn(5, 4)
    posterior = shifted(model)
    draws = posterior.sample(3, seed=2)
    assert list(draws) == list(posterior.mean)
    expected = torch.stack([
        model(x).detach() + draws["2.bias"][k] - posterior.mean["2.bias"]
        for k in range(3)
    ])  # fmt: skip
    got = posterior.predict(model, x, 3, seed=2)
    torch.testing.assert_close(got, expected)
    proba = posterior.predict_proba(model, x, 3, seed=2)
    torch.testing.assert_close(proba, expected.softmax(-1).mean(0))
    before = tensors_of(model)
    with posterior.sampled(model, index=1, seed=2):
        assert torch.equal(model[2].bias, draws["2.bias"][1])
    assert_same(tensors_of(model), before)


def test_a_posterior_has_one_part_a_mean_and_as_many_draws_as_are_wanted():
    posterior = shifted(mlp())
    assert posterior.strata == (posterior,)
    assert posterior.has_mean
    assert posterior.num_draws(32) == 32


def test_the_summary_tells_how_far_weights_spread():
    posterior = shifted(mlp())
    (row,) = posterior.summary()
    assert (row.name, row.num_parameters) == ("2", 3)
    assert row.deviation == pytest.approx(12**-0.5)
    size = posterior.mean["2.bias"].abs().median().item()
    assert row.signal_to_noise == pytest.approx(size * 12**0.5)
    assert row.kl is row.effective_parameters is row.between is None


def test_the_text_counts_what_is_sampled():
    text = repr(shifted(mlp()))
    assert text.startswith("Shifted(num_parameters=67, num_sampled=3, num_buffers=0")


def test_what_draws_must_be_said():
    with pytest.raises(TypeError, match="abstract"):
        Posterior(mean={}, prior_precision={})
