"""Whether squares are right, and in a line why there are none."""

import textwrap
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from math import inf, isnan
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.peers.squares import Prepare, Squares

PACKAGES = (
    "asdfghjkl", "backpack-for-pytorch", "ivon-opt", "opacus", "pytorch-optimizer",
    "singd",
)  # fmt: skip
TOLERANCE = 1e-4  # float32 gives about 1e-6
REASON_LENGTH = 110  # characters


def check_squares(
    prepare: Prepare, build: Callable[[], nn.Module], inputs: Tensor, labels: Tensor
) -> str:
    """Compare squares in float32 with a loop over examples in float64.

    Args:
        prepare: Gives the method's backward pass for a network.
        build: Gives the same network every time.
        inputs: A few examples [N, ...].
        labels: Their classes [N].

    Returns:
        "exact"; or by how much the worst parameter is off; or "contributions" where
        BatchNorm mixes the examples, so that there are no gradients of single ones.
    """
    backward = prepare(build())
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        # VOGN's first pass also verifies; the second runs the rules that are timed.
        backward(inputs, labels)
        got = backward(inputs, labels)
    network = build()
    if mixes_examples(network):
        return "contributions"
    error = relative_error(got, loop_squares(network.double(), inputs.double(), labels))
    return "exact" if error < TOLERANCE else f"off by {error:.1g}"


def mixes_examples(network: nn.Module) -> bool:
    """Whether BatchNorm takes its statistics from the batch."""
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    return any(norm.training for norm in norms)


def loop_squares(model: nn.Module, inputs: Tensor, labels: Tensor) -> Squares:
    """Mean over examples of squared gradients, one backward pass each."""
    named = dict(model.named_parameters())
    squares = {name: torch.zeros_like(p) for name, p in named.items()}
    for x, label in zip(inputs.split(1), labels.split(1), strict=True):
        loss = F.cross_entropy(model(x), label)
        gradients = torch.autograd.grad(loss, list(named.values()))
        for total, gradient in zip(squares.values(), gradients, strict=True):
            total.addcmul_(gradient, gradient, value=1 / len(inputs))
    return {name: total.detach() for name, total in squares.items()}


def relative_error(got: Squares, truth: Squares) -> float:
    """Largest error of a parameter's squares in norm; infinite where one is missing."""
    if set(got) != set(truth):
        return inf
    errors = [
        float((got[name] - each).norm() / each.norm()) for name, each in truth.items()
    ]
    return inf if any(map(isnan, errors)) else max(errors)


def reason(error: Exception) -> str:
    """Why a peer has no figures, in a line, as far as can be in its own words."""
    if isinstance(error, ModuleNotFoundError):
        return f"not installed: {str(error.name).partition('.')[0]}"
    layer = running_layer(error.__traceback__)
    while error.args and isinstance(error.args[0], list):  # Opacus raises a list
        error = error.args[0][0]
    sentence = str(error).split(". ")[0].strip(" .") or type(error).__name__
    text = sentence if layer is None else f"in {layer}: {sentence}"
    short = textwrap.shorten(
        text, REASON_LENGTH, placeholder=" ...", break_on_hyphens=False
    )
    return f"not supported: {short}"


def running_layer(traceback: TracebackType | None) -> str | None:
    """Class of the innermost layer that was running when an error was raised."""
    found = None
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        layer = frame.f_locals.get("self")
        if frame.f_code.co_name == "forward" and isinstance(layer, nn.Module):
            found = type(layer).__name__
    return found


def versions() -> str:
    """One line: the peers' versions, or that they are missing."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)
