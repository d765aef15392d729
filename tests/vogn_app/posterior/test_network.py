"""One draw at a time and many together: the same, and which of them."""

import pytest
import torch
from torch import nn

from vogn_app.posterior import network
from vogn_app.posterior.draws import Sampler, draw_keys
from vogn_app.posterior.inputs import Inputs
from vogn_app.posterior.network import Network, prefers_vectorised

from .examples import Recurrent, Tied, convnet, mlp, posterior_of

CPU = torch.device("cpu")
INPUTS = {mlp: (5, 4), Tied: (5, 4), Recurrent: (5, 2, 4), convnet: (5, 1, 6, 6)}


def run(build, method, num_draws=3, wrap=lambda model: model):
    torch.manual_seed(0)
    model = build().eval()
    posterior = posterior_of(model)
    ((_, batch),) = Inputs(torch.randn(INPUTS[build])).batches(9, CPU)
    draws = Sampler(posterior.mean, posterior.precision)(draw_keys(num_draws))
    with torch.no_grad():
        net = Network(posterior, wrap(model), method, 5)
        return net(draws, batch, num_draws), net


@pytest.mark.parametrize("build", [mlp, convnet, Tied])
def test_together_and_one_by_one_are_the_same(build):
    together, net = run(build, "vectorised")
    one_by_one, other = run(build, "loop")
    assert net.num_draws > other.num_draws == 1
    torch.testing.assert_close(together, one_by_one, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(together[0], together[1])


def test_auto_goes_on_with_the_loop_where_vmap_has_no_rule():
    expected, _ = run(Recurrent, "loop")
    got, net = run(Recurrent, "auto")
    assert torch.equal(got, expected)
    assert net.num_draws == 1


def test_vectorised_says_what_to_do_where_vmap_has_no_rule():
    with pytest.raises(RuntimeError) as caught:
        run(Recurrent, "vectorised")
    assert caught.value.__notes__ == ['method="loop" runs what vmap cannot.']


def test_attention_runs_together_and_auto_leaves_slow_rules_to_the_loop(monkeypatch):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x)[0]

    monkeypatch.setitem(INPUTS, Attention, (5, 3, 4))
    expected, _ = run(Attention, "loop")
    for method in ("vectorised", "auto"):
        got, net = run(Attention, method)
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    assert net.num_draws == 1  # torch warns that its fused attention has no rule


def test_the_weights_of_draws_run_together_are_bounded(monkeypatch):
    _, net = run(mlp, "vectorised")
    size = 4 * 8 + 8 + 8 * 3 + 3
    assert net.num_draws == network.MAX_STACKED_WEIGHTS // size
    monkeypatch.setattr(network, "MAX_STACKED_WEIGHTS", 3 * size - 1)
    assert net.num_draws == 2
    monkeypatch.setattr(network, "MAX_STACKED_WEIGHTS", 1)
    assert net.num_draws == 1


@pytest.mark.parametrize(
    ("build", "rows", "expected"),
    [(mlp, 128, True), (mlp, 129, False), (convnet, 8, True), (convnet, 9, False)],
)
def test_auto_runs_draws_together_for_small_batches(build, rows, expected):
    assert prefers_vectorised(build(), rows) is expected


def test_wrapped_models_are_run_without_the_wrapper():
    expected, _ = run(mlp, "loop")
    for wrap in (nn.DataParallel, lambda m: torch.compile(m, backend="eager")):
        assert torch.equal(run(mlp, "loop", wrap=wrap)[0], expected)


def test_buffers_that_the_model_writes_to_are_copies():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))
            self.register_buffer("calls", torch.zeros(()))
            self.register_buffer("more", torch.zeros(()), persistent=False)

        def forward(self, x):
            self.calls.add_(1)
            self.more.add_(1)
            return x * self.weight

    model = Counter()
    posterior = posterior_of(model)
    posterior.predict(model, torch.zeros(2, 4), 2, method="loop")
    assert model.calls == model.more == posterior.buffers["calls"] == 0


def test_a_posterior_without_noise_gives_the_mean_for_every_draw():
    model = mlp()
    posterior = posterior_of(model, silent=dict(model.named_parameters()))
    x = torch.randn(5, 4)
    got = posterior.predict(model, x, 3, method="vectorised")
    assert torch.equal(got, model(x).detach().expand(3, 5, 3))
