"""Per-example squares as each library computes them.

Every function here prepares a network and returns its backward pass, which leaves the
gradient of the mean loss in `.grad` and gives h = mean_i g_i^2, the mean over examples
of squared gradients, both from one forward and backward pass.
"""

from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from vogn_app.curvature import SquareCapture

Squares = dict[str, Tensor]
Backward = Callable[[Tensor, Tensor], Squares]  # inputs, labels
Prepare = Callable[[nn.Module], Backward]

# Per-example gradients of all parameters that vmap may hold; more go in chunks.
PER_EXAMPLE_BYTES = 2**31
LARGE = 2**14  # elements: from here the squares of all examples cost more than a loop


def vogn_squares(model: nn.Module) -> Backward:
    """VOGN's own squares, without its step."""
    capture = SquareCapture(model, dict(model.named_parameters()))

    def backward(inputs: Tensor, labels: Tensor) -> Squares:
        model.zero_grad()
        with capture.recording() as recording:
            F.cross_entropy(model(inputs), labels).backward()
        sums = recording.squares.sums  # of (g_i / N)^2, since the loss is a mean
        return {name: total.mul_(len(inputs)) for name, total in sums.items()}

    return backward


def backpack_squares(model: nn.Module) -> Backward:
    """BackPACK's SumGradSquared: rules by layer, per-example gradients never held."""
    package = import_module("backpack")
    extension = import_module("backpack.extensions").SumGradSquared
    extended, loss = package.extend(model), package.extend(nn.CrossEntropyLoss())

    def backward(inputs: Tensor, labels: Tensor) -> Squares:
        model.zero_grad()
        with package.backpack(extension()):
            loss(extended(inputs), labels).backward()
        sums = take(model, "sum_grad_squared")  # of (g_i / N)^2, as above
        return {name: total.mul_(len(inputs)) for name, total in sums.items()}

    return backward


def opacus_squares(model: nn.Module) -> Backward:
    """Opacus' per-example gradients, by its hooks, then squared and summed."""
    package = import_module("opacus")
    watched = package.GradSampleModule(model, loss_reduction="mean")

    def backward(inputs: Tensor, labels: Tensor) -> Squares:
        model.zero_grad()
        F.cross_entropy(watched(inputs), labels).backward()
        samples = take(model, "grad_sample")
        return {
            name: mean_of_squares(each, len(inputs)) for name, each in samples.items()
        }

    return backward


def vmap_squares(model: nn.Module) -> Backward:
    """torch.func's `vmap(grad(...))`, its gradients then squared and summed."""
    named = dict(model.named_parameters())
    chunk = chunk_size(model)

    def loss(weights: Squares, x: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(model, weights, (x[None],))
        return F.cross_entropy(logits, label[None])

    per_example = vmap(grad(loss), in_dims=(None, 0, 0), randomness="different")

    def backward(inputs: Tensor, labels: Tensor) -> Squares:
        model.zero_grad()
        weights = {name: parameter.detach() for name, parameter in named.items()}
        squares: Squares = {}
        parts = zip(inputs.split(chunk), labels.split(chunk), strict=True)
        for x, label in parts:
            for name, each in per_example(weights, x, label).items():
                gradient = each.sum(0).div_(len(inputs))
                named[name].grad = added(named[name].grad, gradient)
                square = mean_of_squares(each, len(inputs))
                squares[name] = added(squares.get(name), square)
        return squares

    return backward


def mean_of_squares(samples: Tensor, num_examples: int) -> Tensor:
    """Sum over the first dimension of squares, divided by the number of examples.

    Never in place: gradients of several parameters may share memory. The loop is what
    serves the peers best on a CPU, where fresh memory is slow.
    """
    if samples.is_cuda or samples[0].numel() < LARGE:
        return samples.square().sum(0).div_(num_examples)
    total = torch.zeros_like(samples[0])
    for gradient in samples:
        total.addcmul_(gradient, gradient, value=1 / num_examples)
    return total


def chunk_size(model: nn.Module) -> int:
    """Examples whose gradients of all parameters fit the limit."""
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    return max(1, PER_EXAMPLE_BYTES // size)


def added(total: Tensor | None, part: Tensor) -> Tensor:
    """A sum that may not have begun."""
    return part if total is None else total.add_(part)


def take(model: nn.Module, attribute: str) -> Squares:
    """What a library left on each parameter, taken off so that it is freed in time.

    Args:
        model: The network.
        attribute: Under which it was left.

    Returns:
        The tensors by parameter name.

    Raises:
        NotImplementedError: If some parameter has none.
    """
    taken: Squares = {}
    missing = []
    for name, parameter in model.named_parameters():
        tensor = getattr(parameter, attribute, None)
        setattr(parameter, attribute, None)
        if tensor is None:
            missing.append(name)
        else:
            taken[name] = tensor
    if missing:
        raise NotImplementedError(
            f"no {attribute} for {len(missing)} of {len(missing) + len(taken)} "
            f"parameters, {missing[0]} among them"
        )
    return taken
