"""Per-example gradients of any module, by `torch.func`.

The module is run again, one example at a time under `vmap`, and the recorded gradient
of its output is pulled back to its parameters. Exact whenever the module treats
examples independently and draws no random numbers; `capture` checks the result against
autograd's own gradient. Modules that `vmap` cannot trace are run example by example.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import torch
import torch.utils.checkpoint as checkpoint_module
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from ..errors import UnsupportedLayerError
from .rules import CHUNK_ELEMENTS, Contributions

LISTED = 4  # parameters that a message names


@dataclass
class ModuleCall:
    """One forward call of a module, and what backward said of its outputs.

    Args:
        args: Positional arguments of the call.
        kwargs: Keyword arguments of the call.
        outputs: The output tensors that required a gradient, detached, by their
            position among all leaves of the output.
        gradients: Gradient of each of those outputs; missing ones are zero.
        autocast: Type that autocast lowered the call to, None without autocast.
        versions: How often each output had been changed in place.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: dict[int, Tensor]
    gradients: dict[int, Tensor]
    autocast: torch.dtype | None = None
    versions: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: dict[int, Tensor]
    ) -> "ModuleCall":
        """The call that just gave the outputs, backward still to come."""
        kind = next(iter(outputs.values())).device.type
        lowered = torch.is_autocast_enabled(kind)
        autocast = torch.get_autocast_dtype(kind) if lowered else None
        shapes = {position: tensor.detach() for position, tensor in outputs.items()}
        versions = {position: tensor._version for position, tensor in outputs.items()}
        return cls(args, kwargs, shapes, {}, autocast, versions)

    @cached_property
    def num_examples(self) -> int:
        """Examples in the call: the first dimension of an output and of an input.

        Where none agree, as when the call gives its loss, it is measured by its first
        input, and without inputs by its first output.
        """
        leaves = pytree.tree_leaves((self.args, self.kwargs))
        inputs = [x.shape[0] for x in leaves if isinstance(x, Tensor) and x.ndim]
        outputs = [x.shape[0] for x in self.outputs.values() if x.ndim]
        common = [size for size in outputs if size in inputs]
        return next(iter((*common, *inputs, *outputs)), 1)

    @property
    def dtypes(self) -> set[torch.dtype]:
        """Types in which the call and its gradients were computed."""
        lowered = set() if self.autocast is None else {self.autocast}
        return lowered | {gradient.dtype for gradient in self.gradients.values()}

    def again(self) -> torch.autocast:
        """Context that repeats the call's own autocast, be it none."""
        kind = next(iter(self.outputs.values())).device.type
        # Cached casts would be those of vmap's stand-ins.
        return torch.autocast(
            kind, self.autocast, self.autocast is not None, cache_enabled=False
        )

    def has_examples(self, leaf: Any) -> bool:
        """Whether an argument seems to have the examples in its first dimension."""
        tensor = isinstance(leaf, Tensor) and leaf.ndim > 0
        return tensor and leaf.shape[0] == self.num_examples


def output_tensors(output: Any) -> dict[int, Tensor]:
    """The tensors in a module's output that need a gradient, by leaf position."""
    if isinstance(output, Tensor):
        return {0: output} if output.requires_grad else {}
    leaves = enumerate(output_leaves(output))
    return {i: x for i, x in leaves if isinstance(x, Tensor) and x.requires_grad}


def output_leaves(output: Any) -> list[Any]:
    """The leaves of a module's output; objects unknown to torch count as their logits.

    Args:
        output: What the module gave.

    Returns:
        Tensors, and whatever else there is.
    """
    return [getattr(leaf, "logits", leaf) for leaf in pytree.tree_leaves(output)]


def listed(names: list[str]) -> str:
    """Names for a message, of many the first few."""
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def contribution_chunks(
    module: nn.Module, names: list[str], call: ModuleCall
) -> Iterator[Contributions]:
    """Per-example gradients of the named parameters, some examples at a time.

    Args:
        module: The module that was called.
        names: Parameters wanted, as in `module.named_parameters()`.
        call: The call, with its output gradients.

    Yields:
        Contributions `[n, *shape]` of consecutive examples.

    Raises:
        UnsupportedLayerError: If the module draws random numbers, cannot run on one
            example, or has an output with a gradient but no examples.
    """
    parameters = {k: v.detach() for k, v in module.named_parameters()}
    wanted = {name: parameters.pop(name) for name in names}
    puller = _Pullback(module, wanted, parameters, call)
    num = call.num_examples
    largest = sum(parameter.numel() for parameter in wanted.values())
    size = max(1, min(num, CHUNK_ELEMENTS // max(1, largest)))
    for start in range(0, num, size):
        with call.again(), _without_checkpoints():
            part = puller(slice(start, min(start + size, num)))
        yield part


@contextmanager
def _without_checkpoints() -> Iterator[None]:
    """Run checkpointed parts plainly: they know nothing of `torch.func`."""
    plain = SimpleNamespace(apply=lambda function, _, *args: function(*args))
    stand_ins = {
        "_checkpoint_hook": lambda *_: nullcontext(),
        "CheckpointFunction": plain,
    }
    originals = {name: getattr(checkpoint_module, name) for name in stand_ins}
    vars(checkpoint_module).update(stand_ins)
    try:
        yield
    finally:
        vars(checkpoint_module).update(originals)


@contextmanager
def _quiet() -> Iterator[None]:
    """Operations without a batched form are slow here, which coverage says."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        yield


class _Pullback:
    """Maps a slice of examples to their contributions."""

    def __init__(
        self,
        module: nn.Module,
        wanted: Mapping[str, Tensor],
        fixed: Mapping[str, Tensor],
        call: ModuleCall,
    ) -> None:
        self.module, self.wanted, self.fixed = module, dict(wanted), fixed
        self.positions = list(call.gradients)
        self.gradients = [gradient.detach() for gradient in call.gradients.values()]
        self.leaves, self.spec = pytree.tree_flatten((call.args, call.kwargs))
        for gradient in self.gradients:
            if not call.has_examples(gradient):
                raise self._unsupported(
                    "outputs with the examples in the first dimension, got one of "
                    f"shape {tuple(gradient.shape)} for {call.num_examples} examples."
                )
        self.batched = [call.has_examples(leaf) for leaf in self.leaves]
        self.leaves = [x.detach() if isinstance(x, Tensor) else x for x in self.leaves]
        self.vectorised = True

    def __call__(self, examples: slice) -> Contributions:
        gradients = [gradient[examples] for gradient in self.gradients]
        inputs = [
            x[examples] for x, batched in zip(self.leaves, self.batched, strict=True)
            if batched
        ]  # fmt: skip
        if self.vectorised:
            try:
                # Fused attention has no batching rule; the plain formula does.
                with sdpa_kernel(SDPBackend.MATH), _quiet():
                    return vmap(self._one, randomness="error")(inputs, gradients)
            except Exception as error:
                if "random" in str(error):
                    raise self._randomness() from error
                self.vectorised = False
        return self._loop(inputs, gradients)

    def _loop(self, inputs: list[Tensor], gradients: list[Tensor]) -> Contributions:
        before = torch.get_rng_state()
        try:
            each = [
                self._one_by_autograd([x[i] for x in inputs], [g[i] for g in gradients])
                for i in range(gradients[0].shape[0])
            ]
        except Exception as error:
            raise self._unsupported(
                f"running {type(self.module).__name__} on one example at a time, "
                f"which fails (BatchNorm in train mode?): {error}"
            ) from error
        if not torch.equal(before, torch.get_rng_state()):
            torch.set_rng_state(before)
            raise self._randomness()
        return {name: torch.stack([c[name] for c in each]) for name in self.wanted}

    def _one(self, inputs: list[Tensor], gradients: list[Tensor]) -> Contributions:
        """Contributions of one example, given without its examples dimension."""
        forward = self._forward(inputs)
        pullback: Any = vjp(forward, self.wanted)[1]
        (result,) = pullback([gradient.unsqueeze(0) for gradient in gradients])
        return dict(result)

    def _one_by_autograd(
        self, inputs: list[Tensor], gradients: list[Tensor]
    ) -> Contributions:
        """The same without `torch.func`, which some operations do not know."""
        with torch.enable_grad():
            wanted = {k: v.detach().requires_grad_() for k, v in self.wanted.items()}
            outputs = self._forward(inputs)(wanted)
            pulled = [gradient.unsqueeze(0) for gradient in gradients]
            found = torch.autograd.grad(
                outputs, list(wanted.values()), pulled, materialize_grads=True
            )
        return dict(zip(wanted, found, strict=True))

    def _forward(
        self, inputs: list[Tensor]
    ) -> Callable[[dict[str, Tensor]], list[Tensor]]:
        """The module's outputs for one example, from the parameters wanted."""
        rest = iter(inputs)
        leaves = [
            next(rest).unsqueeze(0) if batched else leaf
            for leaf, batched in zip(self.leaves, self.batched, strict=True)
        ]
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)

        def forward(wanted: dict[str, Tensor]) -> list[Tensor]:
            # Copies: a module may write to its buffers, and must leave no trace.
            buffers = {k: buffer.clone() for k, buffer in self.module.named_buffers()}
            tensors = {**self.fixed, **buffers, **wanted}
            output = functional_call(self.module, tensors, args, kwargs)
            found = output_leaves(output)
            return [found[position] for position in self.positions]

        return forward

    def _randomness(self) -> UnsupportedLayerError:
        return self._unsupported(
            f"a second run of {type(self.module).__name__}, which draws random numbers "
            "(dropout?), so that it would differ from the first. Set its dropout to "
            "zero, or freeze these parameters."
        )

    def _unsupported(self, source: str) -> UnsupportedLayerError:
        return UnsupportedLayerError(
            f"per-example gradients of {listed(list(self.wanted))} must come from "
            f"{source}"
        )
