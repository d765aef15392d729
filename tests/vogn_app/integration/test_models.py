"""Networks that people train: every parameter covered, training under VOGN."""

import warnings

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import assert_exact
from vogn_app import VOGN
from vogn_app.curvature.capture import WHOLE_MODEL, coverage

timm = pytest.importorskip("timm", reason="the application's models are not installed")


class Sentiment(nn.Module):
    """A small LSTM classifier of token sequences."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 6, padding_idx=0)
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, tokens):
        return self.head(self.lstm(self.embedding(tokens))[1][0][-1])


def image_model(name, **options):
    return timm.create_model(name, num_classes=3, pretrained=False, **options)


def images(num):
    return torch.randn(num, 3, 32, 32)


NETWORKS = {
    "resnet18": (lambda: image_model("resnet18"), images),
    "vit": (
        lambda: image_model("vit_tiny_patch16_224", img_size=32, depth=2),
        images,
    ),
    "convnext": (lambda: image_model("convnext_atto"), images),
    "lstm": (Sentiment, lambda num: torch.randint(20, (num, 7))),
}
ALL = pytest.mark.parametrize("name", NETWORKS)


def trainable(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.slow
@ALL
def test_squares_are_exact(name):
    build, draw = NETWORKS[name]
    model = build().double().eval()
    capture = assert_exact(model, draw(3), steps=1)
    assert set(capture.exactness().values()) == {"exact"}


@pytest.mark.slow
@ALL
def test_it_trains_with_every_parameter_covered(name):
    build, draw = NETWORKS[name]
    torch.manual_seed(0)
    model = build().float()
    assert set(coverage(model)) == trainable(model)
    x = draw(8)
    x = x.float() if x.is_floating_point() else x
    y = torch.randint(3, (8,))
    optimizer = VOGN(model, num_data=8_000, lr=0.03)
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(12):
            with optimizer.sampled_params(train=True):
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < sum(losses[:3])
    ways = optimizer.capture.coverage()
    assert set(ways) == trainable(model)
    assert WHOLE_MODEL not in ways.values()
    state = [optimizer.state[p]["curvature"] for p in model.parameters()]
    assert all(bool((s > 0).all() and s.isfinite().all()) for s in state)
