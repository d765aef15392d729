"""Squares recorded during the user's backward, against a loop over examples."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

import re
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import (
    Folded,
    Pair,
    Positions,
    assert_close,
    assert_exact,
    capture_of,
    default_loss,
    record,
    small_conv,
    truth,
)
from vogn_app import UnsupportedLayerError
from vogn_app.curvature.capture import (
    BATCH_NORM,
    EXACT,
    MIXED,
    UNTESTED,
    coverage,
)
from vogn_app.curvature.capture import WHOLE_MODEL as WHOLE
from vogn_app.curvature.functional import listed


def slower(*names):
    """The warning that a second run of the whole model is needed."""
    return pytest.warns(
        UserWarning,
        match=rf"squared gradients of {re.escape(listed(names))} need a second run",
    )


def test_layers_with_rules_are_exact_and_named():
    capture = assert_exact(small_conv(), torch.randn(5, 2, 4, 4))
    assert set(capture.coverage().values()) == {"conv2d", "group_norm", "linear"}


def test_a_batch_of_one_is_exact():
    assert_exact(small_conv(), torch.randn(1, 2, 4, 4))


def test_layers_without_rules_are_exact_and_named():
    model = nn.Sequential(nn.PReLU(2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2))
    capture = assert_exact(model, torch.randn(5, 2, 6))
    assert capture.coverage() == {
        "0.weight": "functional",
        "3.weight": "linear",
        "3.bias": "linear",
    }


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
    assert capture.coverage()["attention.in_proj_weight"] == "multihead_attention"
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
    assert capture.coverage()["token"] == capture.coverage()["positions"] == "broadcast"
    assert capture.coverage()["block.linear1.weight"] == "linear"
    assert WHOLE not in capture.coverage().values()


def test_dropout_with_token_and_positions_needs_no_second_run():
    model = TinyViT(dropout=0.1)
    capture = capture_of(model)
    got, _ = record(capture, model, (torch.randn(4, 2, 4, 4),))
    assert set(got) == {name for name, _ in model.named_parameters()}
    assert WHOLE not in capture.coverage().values()


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


class SequenceFirst(nn.Module):
    """Turns to [T, N, D] inside."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.inner(x.transpose(0, 1)).tanh().sum(0))


@pytest.mark.parametrize("length", [4, 5, 6])
def test_sequences_first_are_exact_also_when_as_long_as_the_batch(length):
    capture = assert_exact(SequenceFirst(), torch.randn(5, length, 3))
    assert set(capture.coverage().values()) == {"linear"}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_transformer_needs_no_second_run_whatever_comes_first(batch_first, dropout):
    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Transformer(4, 2, 1, 1, 6, dropout, batch_first=batch_first)
            self.embedding, self.head = nn.Embedding(7, 4), nn.Linear(4, 2)

        def forward(self, x, tokens):
            if not batch_first:
                x, tokens = x.transpose(0, 1), tokens.transpose(0, 1)
            output = self.body(x, self.embedding(tokens)).mean(int(batch_first))
            return self.head(output)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="enable_nested_tensor is True")
        model = Translator()
    inputs = torch.randn(3, 4, 4), torch.randint(7, (3, 2))
    if dropout:
        capture = capture_of(model)
        got, _ = record(capture, model, inputs)
        assert set(got) == {name for name, _ in model.named_parameters()}
    else:
        capture = assert_exact(model, *inputs)
    assert WHOLE not in capture.coverage().values()


def test_a_sparse_gradient_is_an_error_that_names_its_parameter():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(7, 4, sparse=True)

        def forward(self, tokens):
            return self.table(tokens).sum(1)

    model = Bag()
    with pytest.raises(
        UnsupportedLayerError, match=r"table\.weight must be dense, got"
    ):
        record(capture_of(model), model, (torch.randint(7, (3, 2)),))


@pytest.mark.parametrize("num", [3, 5, 8])
def test_embedded_positions_are_exact_also_when_as_many_as_examples(num):
    capture = assert_exact(Positions(length=5), torch.randint(7, (num, 5)))
    assert capture.coverage()["position.weight"] == "broadcast"


def test_a_recurrent_network_is_exact():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4, batch_first=True)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    capture = assert_exact(Recurrent(), torch.randn(4, 5, 3))
    assert set(capture.coverage().values()) == {"lstm", "linear"}


def test_a_leaf_with_a_table_as_long_as_the_batch_is_exact():
    class Lookup(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.randn(3))

        def forward(self, x, table):
            return (x @ self.scale.diag()) @ table

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


def centred():
    return Pair(lambda x: x - x.mean(0))


def test_a_model_that_mixes_examples_is_announced_once_and_said_to_be_inexact():
    model, x = centred(), torch.randn(5, 3)
    capture = capture_of(model)
    assert set(capture.exactness().values()) == {UNTESTED}
    with pytest.warns(UserWarning, match=r"^The model mixes the examples of a batch"):
        record(capture, model, (x,))
    record(capture, model, (x,))  # a second warning would be an error
    assert set(capture.exactness().values()) == {MIXED}


def test_a_model_that_treats_examples_alone_is_said_to_be_exact():
    model = small_conv()
    capture = assert_exact(model, torch.randn(5, 2, 4, 4))
    assert capture.exactness() == dict.fromkeys(capture.parameters, EXACT)


def test_batch_norm_is_exact_in_eval_mode_only():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    capture = capture_of(model)
    record(capture, model, (torch.randn(5, 3),))
    assert set(capture.exactness().values()) == {BATCH_NORM}
    model.eval()
    capture = assert_exact(model, torch.randn(5, 3))
    assert set(capture.exactness().values()) == {EXACT}


def test_a_model_that_draws_random_numbers_cannot_be_tested_for_mixing():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    capture = capture_of(model)
    record(capture, model, (torch.randn(5, 3),))
    assert set(capture.exactness().values()) == {UNTESTED}


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


def test_coverage_tells_of_any_model_before_a_step():
    model, other = small_conv(), nn.Sequential(nn.Linear(3, 2), nn.PReLU())
    other[0].bias.requires_grad_(False)
    capture = capture_of(model)
    assert capture.coverage(model) == capture.coverage() == coverage(model)
    assert capture.coverage(other) == {"0.weight": "linear", "1.weight": "functional"}
