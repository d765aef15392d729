"""Tests of the networks by name."""

import pytest
import torch

from trainers.models import build_model


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


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_networks_for_images_refuse_points(name):
    with pytest.raises(ValueError, match="model must take points for this data, got"):
        build_model(name, (2,), 2)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="model must be one of"):
        build_model("lenet", (1, 28, 28), 10)


def test_names_of_timm_go_to_timm():
    with pytest.raises(ValueError, match="a name that timm knows"):
        build_model("timm:@@@@", (3, 32, 32), 10)
