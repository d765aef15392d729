"""Tests of the networks by name."""

import pytest
import timm
import torch
from torch import nn

from trainers.models import ResidualBlock, build_model


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", ["mlp", "lenet5", "resnet20"])
@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 20, 40), (3, 7, 7)]
)
def test_every_network_takes_every_image(name, shape):
    model = build_model(name, shape, 7)
    outputs = model(torch.randn(3, *shape))
    assert outputs.shape == (3, 7)
    outputs.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "shape", "number"),
    [
        ("lenet5", (1, 28, 28), 61_706),
        ("lenet5", (1, 8, 8), 61_706),
        # Conv 432, 9 x 2 + 1 norms, 16-32-64 blocks, dense 650: option A has no more.
        ("resnet20", (3, 32, 32), 269_722),
        ("mlp", (1, 28, 28), 784 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10),
        ("mlp", (2,), 2 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10),
    ],
)
def test_networks_have_the_size_of_the_papers(name, shape, number):
    assert parameters(build_model(name, shape, 10)) == number


def test_initial_weights_follow_the_global_seed():
    def weights():
        torch.manual_seed(3)
        return torch.cat([
            p.flatten() for p in build_model("mlp", (2,), 2).parameters()
        ])

    assert torch.equal(weights(), weights())


def test_the_shortcut_has_no_parameters():
    block = ResidualBlock(2, 4, 2).eval()
    for convolution in (block.conv1, block.conv2):
        nn.init.zeros_(convolution.weight)
    x = torch.rand(1, 2, 4, 4)
    expected = torch.cat([x[:, :, ::2, ::2], torch.zeros(1, 2, 2, 2)], dim=1)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_networks_for_images_refuse_points(name):
    with pytest.raises(ValueError, match="model must take points for this data, got"):
        build_model(name, (2,), 2)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="model must be one of"):
        build_model("lenet", (1, 28, 28), 10)


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
