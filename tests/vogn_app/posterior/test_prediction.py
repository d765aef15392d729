"""Predictions: the same in every way of computing them, and leaving no trace."""

import re
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from vogn_app.posterior import network
from vogn_app.posterior.prediction import apply_link

from .examples import (
    Recurrent,
    Tied,
    assert_same,
    convnet,
    mlp,
    posterior_of,
    tensors_of,
)
from .mixture_examples import KINDS

SHAPES = {mlp: (7, 4), Tied: (7, 4), convnet: (7, 1, 6, 6), Recurrent: (7, 2, 4)}
NUM_SAMPLES = 5


def problem(build):
    torch.manual_seed(0)
    model = build()
    return posterior_of(model), model, torch.randn(SHAPES[build])


def by_hand(posterior, model, x, num_samples=NUM_SAMPLES, **source):
    """One draw after another put into the model; the oracle."""
    outputs = []
    for index in range(num_samples):
        with posterior.sampled(model, index=index, **source), torch.no_grad():
            outputs.append(model(x))
    return torch.stack(outputs)


@pytest.mark.parametrize("method", ["auto", "loop", "vectorised"])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("stacked", [1, 200, 2**24])
@pytest.mark.parametrize("build", [mlp, Tied, convnet])
def test_all_methods_and_chunks_agree(build, method, batch_size, stacked, monkeypatch):
    monkeypatch.setattr(network, "MAX_STACKED_WEIGHTS", stacked)
    posterior, model, x = problem(build)
    model.eval()
    expected = by_hand(posterior, model, x, seed=3)
    options = {"batch_size": batch_size, "method": method, "seed": 3}
    close = {"rtol": 1e-11, "atol": 1e-11}
    got = posterior.predict(model, x, NUM_SAMPLES, **options)
    torch.testing.assert_close(got, expected, **close)
    each = posterior.predict_proba(model, x, NUM_SAMPLES, average=False, **options)
    torch.testing.assert_close(each, expected.softmax(-1), **close)
    mean = posterior.predict_proba(model, x, NUM_SAMPLES, **options)
    torch.testing.assert_close(mean, expected.softmax(-1).mean(0), **close)


@pytest.mark.parametrize("method", ["auto", "loop", "vectorised"])
@pytest.mark.parametrize("batch_size", [3, 100])
@pytest.mark.parametrize("stacked", [1, 200, 2**24])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_predicts_as_its_draws_do(
    kind, method, batch_size, stacked, monkeypatch
):
    monkeypatch.setattr(network, "MAX_STACKED_WEIGHTS", stacked)
    torch.manual_seed(0)
    posterior, model, x = (
        KINDS[kind](convnet),
        convnet().eval(),
        torch.randn(7, 1, 6, 6),
    )
    before = tensors_of(model)
    expected = by_hand(posterior, model, x, seed=3)
    options = {"batch_size": batch_size, "method": method, "seed": 3}
    close = {"rtol": 1e-11, "atol": 1e-11}
    got = posterior.predict(model, x, NUM_SAMPLES, **options)
    torch.testing.assert_close(got, expected, **close)
    each = posterior.predict_proba(model, x, NUM_SAMPLES, average=False, **options)
    torch.testing.assert_close(each, expected.softmax(-1), **close)
    mean = posterior.predict_proba(model, x, NUM_SAMPLES, **options)
    counted = by_hand(posterior, model, x, posterior.num_draws(NUM_SAMPLES), seed=3)
    torch.testing.assert_close(mean, counted.softmax(-1).mean(0), **close)
    assert_same(tensors_of(model), before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_goes_on_where_it_was_for_every_kind(kind):
    posterior, model, x = KINDS[kind](mlp), mlp(), torch.randn(3, 4)
    generator = torch.Generator().manual_seed(9)
    before = torch.get_rng_state()
    parts = [posterior.predict(model, x, 3, generator=generator) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    expected = posterior.predict(model, x, 6, seed=9)  # 3 components: in step
    torch.testing.assert_close(torch.cat(parts), expected)


def test_recurrent_layers_use_the_draws():
    posterior, model, x = problem(Recurrent)
    expected = by_hand(posterior, model, x)
    torch.testing.assert_close(posterior.predict(model, x, NUM_SAMPLES), expected)


def test_more_draws_begin_with_the_same_draws():
    posterior, model, x = problem(mlp)
    few, many = (posterior.predict(model, x, n, method="loop") for n in (2, 6))
    assert torch.equal(few, many[:2])


def test_a_generator_goes_on_where_it_was():
    posterior, model, x = problem(mlp)
    generator = torch.Generator().manual_seed(9)
    parts = [posterior.predict(model, x, 2, generator=generator) for _ in range(2)]
    expected = posterior.predict(model, x, 4, seed=9)
    torch.testing.assert_close(torch.cat(parts), expected)


def test_the_model_is_the_architecture_alone():
    posterior, model, x = problem(convnet)
    expected = posterior.predict_proba(model, x)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(3)
    assert torch.equal(posterior.predict_proba(model, x), expected)


@pytest.mark.parametrize("method", ["loop", "vectorised"])
def test_a_prediction_leaves_no_trace(method):
    posterior, model, x = problem(convnet)
    model.train()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before, generator = tensors_of(model), torch.get_rng_state()
    kept, addresses = tensors_of_posterior(posterior), addresses_of(model)
    got = posterior.predict_proba(model, x, method=method)
    assert not got.requires_grad
    assert_same(tensors_of(model), before)
    assert addresses_of(model) == addresses
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), generator)
    assert_same(tensors_of_posterior(posterior), kept)
    assert all(p.requires_grad for p in model.parameters())
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))


def addresses_of(model):
    return [p.data_ptr() for p in (*model.parameters(), *model.buffers())]


def tensors_of_posterior(posterior):
    fields = (posterior.mean, posterior.precision, posterior.buffers)
    return {f"{i}{n}": t.clone() for i, f in enumerate(fields) for n, t in f.items()}


@pytest.mark.parametrize("method", ["auto", "loop", "vectorised"])
def test_an_exception_leaves_no_trace(method):
    class Failing(nn.Sequential):
        calls = 0

        def forward(self, x):
            Failing.calls += 1
            if Failing.calls > 2:
                raise KeyError("no")
            return super().forward(x)

    posterior, inner, x = problem(convnet)
    model = Failing(*inner).train()
    before = tensors_of(model)
    with pytest.raises(KeyError):
        posterior.predict(model, x, batch_size=2, method=method)
    assert_same(tensors_of(model), before)
    assert all(module.training for module in model.modules())


def test_a_graph_of_the_caller_survives():
    posterior, model, x = problem(mlp)
    loss = model(x).square().sum()
    posterior.predict(model, x)
    loss.backward()


def test_models_of_several_inputs_that_give_an_object():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 3)

        def forward(self, x, mask, scale=1.0):
            return SimpleNamespace(logits=scale * self.inner(x * mask), loss=None)

    model = Masked()
    posterior, x, mask = posterior_of(model), torch.randn(7, 4), torch.ones(7, 4)
    expected = posterior.predict(model, (x, mask), 3, batch_size=2)
    assert expected.shape == (3, 7, 3)
    named = {"x": x, "mask": mask, "scale": 2.0}
    got = posterior.predict(model, named, 3, method="loop")
    torch.testing.assert_close(got, 2 * expected)


def test_no_examples_give_an_empty_result():
    posterior, model, x = problem(convnet)
    assert posterior.predict(model, x[:0], 3).shape == (3, 0, 3)
    assert posterior.predict_proba(model, x[:0], 3).shape == (0, 3)


def test_inference_mode_changes_nothing():
    posterior, model, x = problem(convnet)
    expected = posterior.predict_proba(model, x)
    with torch.inference_mode():
        got = posterior.predict_proba(model, x)
    assert torch.equal(got, expected)


def test_weights_take_the_models_type():
    posterior, model, x = problem(mlp)
    exact = posterior.predict(model, x)
    got = posterior.predict(model.float(), x.float())
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), exact, rtol=1e-4, atol=1e-4)


def test_links():
    outputs = torch.randn(2, 5, 3)
    assert torch.equal(apply_link("softmax", outputs), outputs.softmax(-1))
    assert torch.equal(apply_link("sigmoid", outputs), outputs.sigmoid())
    got = apply_link(lambda one: one.softmax(1), outputs)  # dimensions of one draw
    torch.testing.assert_close(got, outputs.softmax(-1))
    assert apply_link("softmax", outputs.bfloat16()).dtype == torch.float32


def test_a_link_may_change_the_shape():
    posterior, model, x = problem(mlp)
    got = posterior.predict_proba(model, x, 3, link=lambda out: out.argmax(-1) == 0)
    assert got.shape == (7,)


def test_half_precision_predicts_averages_in_single_precision():
    posterior, model, x = problem(mlp)
    expected = posterior.predict_proba(model, x)
    small = posterior.to(dtype=torch.bfloat16)
    got = small.predict_proba(model.bfloat16(), x.bfloat16())
    assert got.dtype == torch.float32
    assert (got.sum(-1) - 1).abs().max() < 1e-6
    # bfloat16 keeps 8 bits: relative errors of 2^-9 in weights, inputs and layers.
    torch.testing.assert_close(got.double(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_samples": 0}, "num_samples must be a whole number >= 1, got 0."),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0."),
        ({"method": "x"}, "method must be one of auto, vectorised, loop, got 'x'."),
        ({"link": "x"}, "link must be one of softmax, sigmoid, got 'x'."),
        ({"seed": -1}, "seed must be a whole number in [0, 2^63), got -1."),
    ],
)
def test_wrong_arguments_are_named(options, text):
    posterior, model, x = problem(mlp)
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        posterior.predict_proba(model, x, **options)


def test_outputs_without_examples_are_an_error():
    posterior, inner, x = problem(mlp)

    class Mean(nn.Sequential):
        def forward(self, x):
            return super().forward(x).mean(0)

    with pytest.raises(ValueError, match=r"^model must give outputs with the 7 ex"):
        posterior.predict(Mean(*inner), x)


def test_softmax_needs_to_know_where_the_classes_are():
    outputs = torch.randn(3, 4, 5, 2)
    message = 'link must be "sigmoid", or a function that knows where the classes'
    with pytest.raises(ValueError, match=message):
        apply_link("softmax", outputs)
    with pytest.raises(ValueError, match=message):
        apply_link("softmax", outputs[:, :, 0, 0])
    got = apply_link(lambda z: z.softmax(1), outputs)
    torch.testing.assert_close(got, outputs.softmax(2))
