"""Tests of fresh networks of timm."""

import pytest
import timm
import torch
from torch import nn

from trainers.models import build_model
from trainers.timm_models import core, timm_network


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_timm_classifiers_take_small_images(name, shape):
    model = build_model(f"timm:{name}", shape, 10)
    assert model.training
    with torch.no_grad():
        assert model(torch.randn(2, *shape)).shape == (2, 10)


def test_unknown_timm_names_suggest_others():
    with pytest.raises(
        ValueError,
        match=r"model must be a name that timm knows; similar: .*resnet18.*, got "
        "'timm:resnet-18'",
    ):
        build_model("timm:resnet-18", (3, 32, 32), 10)
    with pytest.raises(ValueError, match="timm knows, got 'timm:@@@@'"):
        build_model("timm:@@@@", (3, 32, 32), 10)


def test_a_timm_model_that_is_no_classifier_is_refused(monkeypatch):
    class Features(nn.Module):
        def forward(self, x):
            return x

    monkeypatch.setattr(timm, "create_model", lambda *a, **k: Features())
    with pytest.raises(
        ValueError, match=r"model must take images of \(3, 32, 32\), .*"
    ) as e:
        build_model("timm:resnet18", (3, 32, 32), 10)
    assert "it gives outputs of shape (2, 3, 32, 32)" in str(e.value)


def test_a_size_that_does_not_work_is_passed_over(monkeypatch):
    real = timm.create_model

    class Picky(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = real("resnet10t", num_classes=10, in_chans=1)

        def forward(self, x):
            if x.shape[-1] < 64:
                raise RuntimeError("too small")
            return self.inner(x)

    def create(name, img_size=None, **options):
        if img_size is not None:
            raise TypeError("no such argument")
        return Picky()

    monkeypatch.setattr(timm, "create_model", create)
    model = build_model("timm:resnet18", (1, 28, 28), 10)
    with torch.no_grad():
        assert model(torch.randn(2, 1, 28, 28)).shape == (2, 10)


def test_the_network_of_timm_is_found_in_the_model():
    model = timm_network("test_efficientnet", (1, 28, 28), 10)
    found = core(model, (1, 28, 28))
    assert (found.network, found.prefix, found.size) == (model[1], "1.", 32)
    model = timm_network("test_efficientnet", (3, 32, 32), 10)
    assert core(model, (3, 32, 32)) == (model, "", 32)
