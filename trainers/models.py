"""Networks by name. Every model takes `[N, *input_shape]` and gives logits `[N, C]`."""

from collections.abc import Callable

import torch
from torch import nn

from trainers.catalogue import model_spec
from trainers.networks import NETWORKS
from trainers.timm_catalogue import TIMM_PREFIX


def build_model(name: str, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Build a freshly initialised network from torch's global generator.

    Pretrained weights come later, if a run begins with them; one that goes on, or is
    loaded, takes its weights from the checkpoint.

    Args:
        name: Name in `trainers.catalogue.MODELS`, or `timm:NAME`.
        input_shape: (2,) for points or (channels, height, width) for images.
        num_classes: Number of logits.

    Returns:
        The network.

    Raises:
        ValueError: If the name is unknown or the network cannot take such inputs.
    """
    model_spec(name)
    if name.startswith(TIMM_PREFIX):
        from trainers.timm_models import timm_network  # seconds, for these alone

        return timm_network(name.removeprefix(TIMM_PREFIX), input_shape, num_classes)
    if name != "mlp" and len(input_shape) != 3:
        raise ValueError(f"model must take points for this data, got {name!r}.")
    return NETWORKS[name](input_shape, num_classes)


def seeded_networks(
    name: str,
    input_shape: tuple[int, ...],
    num_classes: int,
    device: torch.device,
    begin: Callable[[nn.Module], None] = lambda _: None,
) -> Callable[[int], nn.Module]:
    """What builds networks of one kind, each from a seed of its own.

    Args:
        name: As for `build_model`, as are the next two.
        input_shape: Shape of an input.
        num_classes: Number of logits.
        device: Where the networks go.
        begin: Gives a fresh network, on the CPU, the weights that it begins with.

    Returns:
        Makes the network of a seed, and leaves torch's global generators as they are.
    """

    def network(seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):  # what is built is built on the CPU
            torch.default_generator.manual_seed(seed)
            model = build_model(name, input_shape, num_classes)
        begin(model)
        return model.to(device)

    return network
