"""Squares of whole models: attention, transformers, recurrent and timm's networks."""

import warnings

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import (
    Positions,
    TinyViT,
    assert_close,
    assert_exact,
    capture_of,
    record,
    truth,
)
from vogn_app.curvature.capture import WHOLE_MODEL as WHOLE


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


def test_a_vision_transformer_is_exact():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # bare parameters are no surprise
        capture = assert_exact(TinyViT(), torch.randn(4, 2, 4, 4))
    assert capture.coverage()["token"] == capture.coverage()["positions"] == "broadcast"
    assert capture.coverage()["block.linear1.weight"] == "linear"
    assert WHOLE not in capture.coverage().values()


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
