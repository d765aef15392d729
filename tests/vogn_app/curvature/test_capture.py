"""Squares recorded during the user's backward, against a loop over examples."""

# ruff: noqa: PT012, PT031, SIM117 - what raises is the block with its statements

import gc
import re
import warnings
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import (
    Folded,
    Positions,
    assert_close,
    assert_exact,
    capture_of,
    default_loss,
    record,
    truth,
)
from vogn_app import UnsupportedLayerError
from vogn_app.curvature.functional import listed

WHOLE = "functional (whole model)"


def slower(*names):
    """The warning that a second run of the whole model is needed."""
    return pytest.warns(
        UserWarning,
        match=rf"squared gradients of {re.escape(listed(names))} need a second run",
    )


def small_conv():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU(inplace=True),
        nn.Conv2d(3, 4, 2, stride=2), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


def test_layers_with_rules_are_exact_and_named():
    capture = assert_exact(small_conv(), torch.randn(5, 2, 4, 4))
    assert set(capture.coverage().values()) == {"conv2d", "group_norm", "linear"}


def test_a_batch_of_one_is_exact():
    assert_exact(small_conv(), torch.randn(1, 2, 4, 4))


def test_layers_without_rules_are_exact_and_named():
    model = nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2))
    capture = assert_exact(model, torch.randn(5, 2, 6))
    assert capture.coverage() == {
        "0.weight": "functional",
        "0.bias": "functional",
        "3.weight": "linear",
        "3.bias": "linear",
    }


class Twice(nn.Module):
    """Calls one layer twice."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(self.layer(x).tanh())


@pytest.mark.parametrize(
    "layer", [lambda: nn.Linear(3, 3), lambda: nn.Bilinear(3, 3, 3)]
)
def test_a_module_called_twice_has_its_cross_terms(layer):
    class Both(Twice):
        def forward(self, x):
            inputs = (x, x.cos()) if isinstance(self.layer, nn.Bilinear) else (x,)
            first = self.layer(*inputs).tanh()
            return self.layer(*(first for _ in inputs))

    model, x = Both(layer()), torch.randn(5, 3)
    assert WHOLE not in assert_exact(model, x).coverage().values()


def test_squaring_the_calls_apart_would_differ():
    model, x = Twice(nn.Linear(3, 3)), torch.randn(5, 3)
    got, _ = record(capture_of(model), model, (x,))
    hidden = model.layer(x).tanh().detach().requires_grad_()
    default_loss(model.layer(hidden), 0).backward()
    last = hidden.square().T  # squares of the outer call alone, up to its gradients
    assert got["layer.weight"].shape == (last @ last.T).shape
    assert_close(got, truth(model, (x,)))


def test_a_call_whose_output_is_not_used_adds_nothing():
    class Wasteful(Twice):
        def forward(self, x):
            self.layer(x.exp())
            return self.layer(x)

    assert_exact(Wasteful(nn.Linear(3, 2)), torch.randn(5, 3))


def test_a_shared_weight_in_two_layers_has_its_cross_terms():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    assert WHOLE not in assert_exact(model, torch.randn(5, 3)).coverage().values()


class TiedDecoder(nn.Module):
    """Uses the weights of its embedding once more, directly."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)

    def forward(self, tokens):
        return F.linear(self.embedding(tokens).tanh(), self.embedding.weight)


def test_a_weight_used_directly_too_is_noticed_and_exact():
    with slower("embedding.weight"):
        capture = assert_exact(TiedDecoder(), torch.randint(6, (5, 3)))
    assert capture.coverage() == {"embedding.weight": WHOLE}


class Direct(nn.Module):
    """A layer called as a module and, when asked, its weights used directly."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.direct, self.use_second = True, True

    def forward(self, x):
        x = self.first(x).tanh()
        if not self.use_second:
            return x
        y = self.second(x)
        return F.linear(y, self.second.weight) if self.direct else y


def test_a_linear_used_directly_too_is_noticed_and_exact():
    with slower("second.weight"):
        capture = assert_exact(Direct(), torch.randn(5, 3))
    assert capture.coverage()["second.weight"] == WHOLE
    assert capture.coverage()["second.bias"] == "linear"


def test_a_parameter_that_joins_later_is_verified_when_it_joins():
    model, x = Direct(), torch.randn(5, 3)
    capture = capture_of(model)
    model.use_second = False
    assert_exact(model, x, capture=capture)
    model.use_second = True
    with slower("second.weight"):
        assert_exact(model, x, capture=capture)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_multihead_attention_is_exact(reduction):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 2)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x):
            y = self.norm(x)
            return self.head((x + self.attention(y, y, y)[0]).mean(1))

    model, x = Attention(), torch.randn(4, 5, 4)
    capture = capture_of(model)
    got, _ = record(capture, model, (x,), reduction=reduction)
    assert_close(got, truth(model, (x,)))
    assert capture.coverage()["attention.in_proj_weight"] == WHOLE
    assert capture.coverage()["norm.weight"] == "layer_norm"


class TinyViT(nn.Module):
    """Patches, class token, position embedding, a block, a head."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.patches = nn.Conv2d(2, 4, 2, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.positions = nn.Parameter(torch.randn(1, 5, 4))
        self.block = nn.TransformerEncoderLayer(
            4, 2, 8, dropout=dropout, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        return self.head(self.block(tokens + self.positions)[:, 0])


def test_a_vision_transformer_is_exact():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # bare parameters are no surprise
        capture = assert_exact(TinyViT(), torch.randn(4, 2, 4, 4))
    assert capture.coverage()["token"] == WHOLE
    assert capture.coverage()["block.linear1.weight"] == "linear"


def test_dropout_with_bare_parameters_is_an_error_that_names_them():
    model = TinyViT(dropout=0.1)
    with pytest.raises(
        UnsupportedLayerError, match=r"^per-example gradients of token, positions, .*"
        r"must come from a second run of TinyViT, which draws random numbers",
    ):  # fmt: skip
        record(capture_of(model), model, (torch.randn(4, 2, 4, 4),))


def test_dropout_beside_layers_with_rules_is_exact():
    class Masked(nn.Dropout):
        """The same mask for every example, so that the loop can repeat it."""

        def forward(self, x):
            generator = torch.Generator().manual_seed(3)
            mask = torch.rand(x.shape[1:], generator=generator) > self.p
            return x * mask

    assert_exact(
        nn.Sequential(nn.Linear(3, 8), Masked(), nn.Linear(8, 2)), torch.randn(5, 3)
    )


def test_folded_windows_fall_back_to_the_whole_model_with_a_warning():
    with slower("inner.weight", "inner.bias"):
        capture = assert_exact(Folded(), torch.randn(5, 12))
    assert capture.coverage()["inner.weight"] == WHOLE
    assert capture.coverage()["head.weight"] == "linear"


class SequenceFirst(nn.Module):
    """Turns to [T, N, D] inside."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.inner(x.transpose(0, 1)).tanh().sum(0))


@pytest.mark.parametrize("length", [4, 5, 6])
def test_sequences_first_are_exact_also_when_as_long_as_the_batch(length):
    with slower("inner.weight", "inner.bias"):
        assert_exact(SequenceFirst(), torch.randn(5, length, 3))


@pytest.mark.parametrize("num", [3, 5, 8])
def test_embedded_positions_are_exact_also_when_as_many_as_examples(num):
    model = Positions(length=5)
    with slower("position.weight"):
        assert_exact(model, torch.randint(7, (num, 5)))


def test_a_recurrent_network_is_exact():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4, batch_first=True)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    with slower(
        *(f"lstm.{n}_l0" for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    ):
        assert_exact(Recurrent(), torch.randn(4, 5, 3))


def test_a_layer_called_by_keyword_is_exact():
    class Keyword(Twice):
        def forward(self, x):
            return self.layer(input=x)

    with slower("layer.weight", "layer.bias"):
        assert_exact(Keyword(nn.Linear(3, 2)), torch.randn(5, 3))


def test_a_leaf_with_a_table_as_long_as_the_batch_is_exact():
    class Lookup(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.randn(3))

        def forward(self, x, table):
            return (x * self.scale) @ table

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.leaf = Lookup()
            self.register_buffer("table", torch.randn(3, 2))

        def forward(self, x):
            return self.leaf(x, self.table)

    with slower("leaf.scale"):
        assert_exact(Outer(), torch.randn(3, 3))


def test_a_layer_on_some_of_the_examples_is_exact():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.expert, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            chosen = x[:, 0] > 0
            y = x.clone()
            y[chosen] = self.expert(x[chosen])
            return self.head(y.tanh())

    x = torch.randn(6, 3)
    x[:3, 0], x[3:, 0] = 1, -1
    with slower("expert.weight", "expert.bias"):
        assert_exact(Gated(), x)


def test_frozen_parameters_get_nothing_and_the_others_stay_exact():
    model = small_conv()
    model[0].requires_grad_(False)
    model[5].weight.requires_grad_(False)
    got, _ = record(capture_of(model), model, (torch.randn(5, 2, 4, 4),))
    assert set(got) == {"1.weight", "1.bias", "3.weight", "3.bias", "5.bias"}
    assert_exact(model, torch.randn(5, 2, 4, 4))


def test_parameters_frozen_after_construction_get_nothing():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    capture = capture_of(model)
    model[3].requires_grad_(False)
    assert_exact(model, x, capture=capture)


def test_unused_parameters_get_nothing_and_do_not_keep_the_verification_going():
    model, x = Direct(), torch.randn(5, 3)
    model.use_second = False
    capture = assert_exact(model, x)
    assert capture.verified == {"first.weight", "first.bias"}
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    _, recording = record(capture, model, (x,))
    assert calls == [1]
    assert set(recording.squares.sums) == {"first.weight", "first.bias"}


def test_only_the_first_step_runs_the_model_again():
    model, x, calls = small_conv(), torch.randn(5, 2, 4, 4), []
    model.register_forward_hook(lambda *_: calls.append(1))
    capture = capture_of(model)
    record(capture, model, (x,))
    assert len(calls) == 2
    record(capture, model, (x,))
    record(capture, model, (x,))
    assert len(calls) == 4


def test_inplace_activations_after_a_layer_do_no_harm():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.conv = nn.Linear(3, 4), nn.Conv1d(1, 1, 1)

        def forward(self, x):
            x = F.relu_(self.linear(x))
            return self.conv(x[:, None]).mul_(2)[:, 0]

    model = InPlace()
    capture = assert_exact(model, torch.randn(5, 3))
    assert WHOLE not in capture.coverage().values()


def test_passes_without_gradients_leave_no_trace():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    capture, expected = capture_of(model), truth(model, (x,))
    with capture.recording() as recording:
        with torch.no_grad():
            model(x.exp())
        with torch.inference_mode():
            model(x.exp())
        loss = sum(default_loss(row, 0) for row in model(x))
        with torch.no_grad():
            model(x.exp())
        loss.backward()
    assert recording.squares.num_examples == 5
    assert_close(recording.squares.sums, expected)


def test_a_forward_pass_without_backward_leaves_no_trace_among_micro_batches():
    model, parts = small_conv(), torch.randn(3, 5, 2, 4, 4)
    capture, expected = capture_of(model), truth(model, (torch.cat([*parts[1:]]),))
    with pytest.warns(UserWarning, match="need a second run"):
        with capture.recording() as recording:
            model(parts[0])
            for part in parts[1:]:
                sum(default_loss(row, 0) for row in model(part)).backward()
    assert recording.squares.num_examples == 10
    assert_close(recording.squares.sums, expected)


@pytest.mark.parametrize("model", [small_conv, TinyViT])
def test_micro_batches_of_unequal_size_in_one_block_add_up(model):
    model, x = model(), torch.randn(7, 2, 4, 4)
    capture, expected = capture_of(model), truth(model, (x,))
    for _ in range(2):
        model.zero_grad()
        with capture.recording() as recording:
            for part in (x[:4], x[4:6], x[6:]):
                sum(default_loss(row, 0) for row in model(part)).backward()
        assert recording.squares.num_examples == 7
        assert_close(recording.squares.sums, expected)


class Pair(nn.Module):
    """Bare parameter and layer, for two views of the same examples."""

    def __init__(self):
        super().__init__()
        self.scale, self.layer = nn.Parameter(torch.randn(3)), nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x * self.scale)


def test_two_calls_before_one_backward_are_two_views_of_the_same_examples():
    model, x, y = Pair(), torch.randn(5, 3), torch.randn(5, 3)
    rows = example_gradients(
        model, lambda i: (model(x[i : i + 1]) * model(y[i : i + 1])).sum(), 5
    )
    with capture_of(model).recording() as recording:
        (model(x) * model(y)).sum().backward()
    assert recording.squares.num_examples == 5
    assert_close(
        recording.squares.sums, {k: v.square().sum(0) for k, v in rows.items()}
    )


def test_two_calls_on_unequal_numbers_before_one_backward_are_an_error():
    model = Pair()
    with (
        pytest.raises(
            UnsupportedLayerError,
            match=r"of scale, .*must come from calls of the model on the same "
            r"examples, or with a backward pass in between, got calls on 2 and 5 "
            r"examples\.",
        ),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        with capture_of(model).recording():
            (model(torch.randn(5, 3)).sum() + model(torch.randn(2, 3)).sum()).backward()


def test_a_second_backward_through_a_graph_is_a_clear_error():
    model = nn.Linear(3, 2)
    with pytest.raises(RuntimeError) as caught, capture_of(model).recording():
        loss = model(torch.randn(5, 3)).square().sum()
        loss.backward(retain_graph=True)
        loss.backward()
    assert str(caught.value) == (
        "backward must run once for each forward pass inside "
        "sampled_params(train=True), got a second backward through weight, bias."
    )


def test_a_backward_after_the_block_adds_nothing():
    model = nn.Linear(3, 2)
    with capture_of(model).recording() as recording:
        loss = model(torch.randn(5, 3)).square().sum()
    loss.backward()
    assert recording.squares.sums == {}


def has_hooks(model):
    return any(
        m._forward_hooks or m._forward_pre_hooks or m._backward_hooks
        for m in model.modules()
    )


def test_hooks_exist_within_the_block_only():
    model = small_conv()
    with capture_of(model).recording():
        assert has_hooks(model)
    assert not has_hooks(model)


def test_hooks_are_removed_after_an_exception():
    model = small_conv()
    with pytest.raises(KeyboardInterrupt), capture_of(model).recording():
        model(torch.randn(5, 2, 4, 4))
        raise KeyboardInterrupt
    assert not has_hooks(model)
    assert_exact(model, torch.randn(5, 2, 4, 4))


def test_activations_are_freed_by_backward_though_the_loss_is_kept():
    model, seen = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), []
    model[1].register_forward_hook(lambda _m, _a, out: seen.append(weakref.ref(out)))
    capture = capture_of(model)
    with capture.recording() as recording:
        output = model(torch.randn(5, 3))
        output.square().sum().backward()
    gc.collect()
    assert seen
    assert all(ref() is None for ref in seen)
    assert (recording.state, recording.model_calls) == ({}, [])


class Mixing(nn.Module):
    """A bare parameter in a model in which examples meet."""

    def __init__(self, mix):
        super().__init__()
        self.mix, self.scale = mix, nn.Parameter(torch.randn(3))
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.mix(x * self.scale))


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x - x.mean(0),
        lambda x: x.softmax(0),
        lambda x: x + x.flip(0) ** 2,
        lambda x: x * torch.randn(1).item(),
    ],
)
def test_mixing_examples_with_bare_parameters_is_an_error_that_names_them(mix):
    model = Mixing(mix)
    with pytest.raises(UnsupportedLayerError, match=r"^per-example gradients of scale"):
        record(capture_of(model), model, (torch.randn(5, 3),))


def test_an_error_about_many_parameters_names_the_first():
    model = TinyViT(dropout=0.1)
    with pytest.raises(UnsupportedLayerError, match=r"positions, .* and \d+ more must"):
        record(capture_of(model), model, (torch.randn(4, 2, 4, 4),))


def test_the_error_says_what_may_be_wrong():
    model = Mixing(lambda x: x - x.mean(0))
    with pytest.raises(UnsupportedLayerError) as caught:
        record(capture_of(model), model, (torch.randn(5, 3),))
    assert str(caught.value) == (
        "per-example gradients of scale must add up to its gradient, but do not: the "
        "model mixes examples (BatchNorm in train mode?), draws random numbers, or "
        "changes its state, or the loss has a term that is no example's (a penalty on "
        "the weights?). Use a layer that treats examples alone, or freeze it."
    )


def test_batch_norm_in_train_mode_with_bare_parameters_is_an_error():
    model = Mixing(nn.BatchNorm1d(3))
    with pytest.raises(
        UnsupportedLayerError, match=r"scale.*BatchNorm in train mode\?"
    ):
        record(capture_of(model), model, (torch.randn(5, 3),))


def test_mixing_is_noticed_on_later_steps_too():
    class Late(Mixing):
        late = False

        def forward(self, x):
            x = x * self.scale
            return self.head(x - x.mean(0) if self.late else x)

    model = Late(None)
    capture = assert_exact(model, torch.randn(5, 3))
    model.late = True
    with pytest.raises(UnsupportedLayerError, match=r"^per-example gradients of scale"):
        record(capture, model, (torch.randn(5, 3),))


def test_batch_norm_in_train_mode_gives_contributions_of_every_layer():
    model, x = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), torch.randn(6, 3)
    got, _ = record(capture_of(model), model, (x,), reduction="sum")
    hidden = model[0](x)
    hidden.retain_grad()
    output = model[1](hidden)
    output.retain_grad()
    sum(default_loss(row, 0) for row in output).backward()
    per_example = torch.einsum("no,ni->noi", hidden.grad, x)
    assert_close({"w": got["0.weight"]}, {"w": per_example.square().sum(0)})
    assert_close({"b": got["1.bias"]}, {"b": output.grad.square().sum(0)})
    assert int(model[1].num_batches_tracked) == 2  # the block's and this one


class ActivatedNorm(nn.BatchNorm2d):
    """BatchNorm and activation in one, as in timm's convolutional networks."""

    def __init__(self, channels, **options):
        super().__init__(channels, **options)
        self.activation = nn.SiLU()

    def forward(self, x):
        return self.activation(super().forward(x))


@pytest.mark.parametrize("options", [{}, {"track_running_stats": False}])
def test_layers_derived_from_batch_norm_hold_the_statistics_of_the_batch(options):
    x = torch.randn(6, 2, 3, 3)
    derived = nn.Sequential(nn.Conv2d(2, 4, 2), ActivatedNorm(4, **options))
    plain = nn.Sequential(derived[0], nn.BatchNorm2d(4), nn.SiLU())
    for norm in (derived[1], plain[1]):
        nn.init.uniform_(norm.weight)
    plain[1].weight = derived[1].weight
    expected, _ = record(capture_of(plain), plain, (x,))
    for _ in range(2):
        got, _ = record(capture := capture_of(derived), derived, (x,))
        assert_close(got, expected)
    assert capture.coverage()["1.weight"] == "functional"
    assert derived[1].training
    if not options:
        assert int(derived[1].num_batches_tracked) == 2  # re-runs leave no trace


class Attention(nn.Module):
    """The key's bias moves all scores of a query alike: its gradient is rounding."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(1, 2)
        return (scores.softmax(-1) @ self.value(x)).mean(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_that_is_rounding_alone_is_no_mistake_of_the_rule(dtype):
    model, x = Attention().to(dtype), torch.randn(8, 5, 4, dtype=dtype)
    capture = capture_of(model)
    got, _ = record(capture, model, (x,))
    assert set(capture.coverage().values()) == {"linear"}
    scale = got["key.weight"].sum().sqrt()
    assert got["key.bias"].sum().sqrt() < 100 * torch.finfo(dtype).eps * scale


def test_a_first_gradient_of_zero_does_not_end_the_verification():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.head = nn.Linear(3, 3), nn.Linear(3, 2)
            nn.init.zeros_(self.head.weight)

        def forward(self, x):
            return self.head(F.linear(self.inner(x).tanh(), self.inner.weight))

    model, x = Twice(), torch.randn(5, 3)
    capture = capture_of(model)
    record(capture, model, (x,))
    nn.init.normal_(model.head.weight)
    with slower("inner.weight"):
        assert_exact(model, x, capture=capture)


def test_a_gradient_that_no_model_call_explains_is_an_error():
    model = nn.Linear(3, 2)
    with pytest.raises(UnsupportedLayerError) as caught:
        with capture_of(model).recording():
            F.linear(torch.randn(5, 3), model.weight).sum().backward()
    assert str(caught.value) == (
        "per-example gradients of weight must come from a call of the whole model, got "
        "none: call the model that the optimizer was given, with the examples in the "
        "first dimension."
    )


def test_a_penalty_on_the_weights_is_noticed():
    model = nn.Linear(3, 2)
    with pytest.raises(UnsupportedLayerError, match="weight must add up"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with capture_of(model).recording():
                loss = model(torch.randn(5, 3)).square().sum()
                (loss + model.weight.square().sum()).backward()


def test_parts_of_the_model_called_by_hand_are_exact():
    model, x = (
        nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
        torch.randn(5, 3),
    )
    with capture_of(model).recording() as recording:
        sum(default_loss(row, 0) for row in model[2](model[1](model[0](x)))).backward()
    assert recording.squares.num_examples == 5
    assert_close(recording.squares.sums, truth(model, (x,)))


class WithLoss(nn.Module):
    """Gives its loss first, as language models do."""

    def __init__(self, keep_outputs=True):
        super().__init__()
        self.layer, self.keep_outputs = nn.Linear(3, 2), keep_outputs

    def forward(self, x):
        logits = self.layer(x)
        loss = logits.square().mean(0).sum()
        return {"loss": loss, "logits": logits} if self.keep_outputs else loss


@pytest.mark.parametrize("keep_outputs", [True, False])
def test_a_model_that_returns_its_loss_counts_the_examples_rightly(keep_outputs):
    model, x = WithLoss(keep_outputs), torch.randn(5, 3)
    rows = example_gradients(model, lambda i: model.layer(x[i]).square().sum(), 5)
    with capture_of(model).recording() as recording:
        output = model(x)
        (output["loss"] if keep_outputs else output).backward()
    assert recording.squares.num_examples == 5
    got = {k: v * 25 for k, v in recording.squares.sums.items()}
    assert_close(got, {k: v.square().sum(0) for k, v in rows.items()})


def test_a_model_with_bare_parameters_that_returns_only_its_loss_is_an_error():
    class Bare(Pair):
        def forward(self, x):
            return super().forward(x).square().mean()

    model = Bare()
    with pytest.raises(
        UnsupportedLayerError, match=r"scale must come from outputs with the examples "
        r"in the first dimension, got one of shape \(\) for 5 examples\.",
    ):  # fmt: skip
        with capture_of(model).recording():
            model(torch.randn(5, 3)).backward()


@pytest.mark.parametrize("model", [small_conv, TinyViT])
def test_an_empty_batch_gives_nothing(model):
    model = model()
    capture = capture_of(model)
    with capture.recording() as recording:
        model(torch.randn(0, 2, 4, 4)).sum().backward()
    assert (recording.squares.sums, recording.squares.num_examples) == ({}, 0)
    assert capture.verified == set()


def test_a_gradient_that_is_not_finite_is_no_mistake_of_the_rule():
    model, x = nn.Linear(3, 2), torch.full((5, 3), torch.nan)
    capture = capture_of(model)
    got, recording = record(capture, model, (x,))
    assert recording.squares.num_examples == 5
    assert got["weight"].isnan().all()
    assert capture.verified == set()
    assert_exact(model, torch.randn(5, 3), capture=capture)


def test_activation_checkpointing_counts_once():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4))
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(checkpoint(self.body, x, use_reentrant=False))

    capture = assert_exact(Checkpointed(), torch.randn(5, 3))
    assert set(capture.coverage().values()) == {"linear"}


@pytest.mark.parametrize("num", [1, 6])
@pytest.mark.parametrize(
    "model",
    [
        lambda: nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 3)),
        lambda: nn.Sequential(
            nn.Unflatten(1, (3, 4)), nn.Linear(4, 4), nn.Conv1d(3, 2, 2), nn.Flatten()
        ),
        lambda: Folded(),
    ],
)
def test_autocast_gives_the_squares_of_full_precision(model, num):
    torch.set_default_dtype(torch.float32)
    model, x = model(), torch.randn(num, 12)
    expected = truth(model, (x,))
    capture = capture_of(model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*second run of the whole model")
        with capture.recording() as recording:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                output = model(x)
            sum(default_loss(row.float(), 0) for row in output).backward()
    assert all(v.dtype == torch.float32 for v in recording.squares.sums.values())
    assert_close(recording.squares.sums, expected, relative=0.05)
    if not isinstance(model, Folded):  # re-runs of single layers repeat the autocast
        assert WHOLE not in capture.coverage().values()


def test_squares_under_autocast_are_not_rounded_to_half_precision():
    torch.set_default_dtype(torch.float32)
    model, x = nn.Linear(3, 2), torch.randn(5, 4, 3)
    with capture_of(model).recording() as recording:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(x)
            output.retain_grad()
            output.float().square().sum().backward()
    per_example = torch.einsum("nto,nti->noi", output.grad.float(), x)
    expected = {"weight": per_example.square().sum(0)}
    got = {"weight": recording.squares.sums["weight"]}
    assert_close(got, expected, relative=1e-6)


timm = pytest.importorskip("timm", reason="the application's models are not installed")


def with_timm(name, mode):
    model = timm.create_model(name, num_classes=3, pretrained=False, **mode)
    return model.double()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "train"),
    [
        ("resnet18", {}, False),
        ("vit_tiny_patch16_224", {"img_size": 32, "depth": 2}, True),
    ],
)
def test_a_timm_model_is_exact(name, options, train):
    model = with_timm(name, options).train(train)
    x = torch.randn(3, 3, 32, 32)
    capture = assert_exact(model, x, steps=1)
    names = {k for k, p in model.named_parameters() if p.requires_grad}
    assert set(capture.coverage()) == names
