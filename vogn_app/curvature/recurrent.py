"""Per-example gradients of LSTM, GRU and RNN layers, by running their steps again.

`vmap` has no rule for these layers. Their equations, as torch's documentation gives
them, are run again in plain operations on all examples at once. Every parameter sits in
a linear map `y_t = W x_t + b` that is applied at each step t, so with the gradient g_t
of its outputs, all found by one backward pass, the contribution of an example is

    weight  sum_t g_t x_t^T     bias  sum_t g_t

The maps of one layer in one direction, by the end of their parameters' names:

    ih  input to gates          u = W_ih x + b_ih   [T, n, gates]
    hh  hidden state to gates   v = W_hh h + b_hh   [n, gates] a step
    hr  projection of an LSTM   h = W_hr m          [n, proj] a step

GRU multiplies a part of v by its reset gate, hence separate gradients of u and v.
T steps, N examples, n examples of a chunk, L layers, D directions; time comes first and
examples second in every tensor here. Sequences of different lengths are padded, and
keep their state in the padding. Computed in float32 at least.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from torch.utils import _pytree as pytree

from ..errors import UnsupportedLayerError
from .functional import ModuleCall, listed
from .rules import CHUNK_ELEMENTS, Contributions

State = tuple[Tensor, ...]  # hidden state, and for LSTM the cell state, [n, size] each


def recurrent_examples(module: nn.RNNBase, call: ModuleCall) -> int | None:
    """Number of examples of a call; None when it has none, as unbatched inputs."""
    x, _ = _arguments(call)
    if isinstance(x, PackedSequence):
        return int(x.batch_sizes[0])
    return x.shape[0 if module.batch_first else 1] if x.ndim == 3 else None


def recurrent_contributions(
    module: nn.RNNBase, names: list[str], call: ModuleCall
) -> Iterator[Contributions]:
    """Per-example gradients of the named parameters, some examples at a time.

    Args:
        module: An LSTM, GRU or RNN, with the weights that the call had. Not called.
        names: Parameters wanted, as in `module.named_parameters()`.
        call: The call, with its output gradients; missing ones are zero.

    Yields:
        Contributions `[n, *shape]` of consecutive examples, in the order that the
        examples had before packing.

    Raises:
        UnsupportedLayerError: If the call had dropout between layers or no examples
            dimension, or a name is not one of the layer's own parameters.
    """
    for batch in _batches(module, names, call):
        yield _contributions(module, names, batch)


def _batches(
    module: nn.RNNBase, names: list[str], call: ModuleCall
) -> Iterator["_Batch"]:
    """The call, some examples at a time; an error where it cannot be run again."""
    num = recurrent_examples(module, call)
    if (reason := _obstacle(module, names, num)) or num is None:
        raise UnsupportedLayerError(
            f"per-example gradients of {listed(names)} must come from {reason}"
        )
    batch = _Batch.of(module, call)
    size = _chunk_size(module, names, len(batch.x))
    for start in range(0, num, size):
        yield batch.part(slice(start, start + size))


def recurrent_rows(
    module: nn.RNNBase, names: list[str], call: ModuleCall
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Inputs and output gradients of the layer's linear maps, step by step.

    Args:
        module: An LSTM, GRU or RNN, with the weights that the call had. Not called.
        names: Parameters wanted, as in `module.named_parameters()`.
        call: The call, with its output gradients; missing ones are zero.

    Yields:
        The end of the map's parameters' names ("ih_l0"), its inputs [R, in] and its
        outputs' gradients [R, out] at R steps of some examples, padding left out.

    Raises:
        UnsupportedLayerError: As `recurrent_contributions`.
    """
    for batch in _batches(module, names, call):
        for m, gradients in _differentiated(module, names, batch):
            x, g = _stacked(m.inputs), _stacked(gradients)
            if batch.running is not None:
                backward = m.end.endswith("_reverse")
                steps = batch.running.flip(0) if backward else batch.running
                x, g = x[steps.squeeze(2)], g[steps.squeeze(2)]
            yield m.end, x.flatten(0, -2), g.flatten(0, -2)


def _obstacle(module: nn.RNNBase, names: list[str], num: int | None) -> str | None:
    """What they must come from, but do not; None if all is well."""
    name = type(module).__name__
    if num is None:
        return f"an {name} input with an examples dimension, got one of 2 dimensions."
    plain = {name for each in module._all_weights for name in each}
    if not plain.issuperset(names):
        return (
            f"the plain weights of {name}, got a parametrization of them (weight "
            "norm?). Remove it, or freeze these parameters."
        )
    if module.training and module.dropout and module.num_layers > 1:
        return (
            f"{name} without dropout between its layers, got {module.dropout:g} in "
            "train mode: a second run would drop others. Set its dropout to zero, or "
            "freeze these parameters."
        )
    return None


def _chunk_size(module: nn.RNNBase, names: list[str], steps: int) -> int:
    """Examples whose gradients, and gates at all steps, fit into a chunk."""
    elements = sum(getattr(module, name).numel() for name in names)
    gates = sum(len(getattr(module, f"weight_ih_{end}")) for end in _ends(module))
    return int(max(1, CHUNK_ELEMENTS // (elements + steps * gates)))


def _ends(module: nn.RNNBase) -> list[str]:
    """Ends of the parameters' names by layer and then direction, as "l0_reverse"."""
    directions = ("", "_reverse") if module.bidirectional else ("",)
    return [f"l{i}{end}" for i in range(module.num_layers) for end in directions]


def _arguments(call: ModuleCall) -> tuple[Any, Any]:
    """The input, a tensor or PackedSequence, and the initial state or None."""
    given = dict(zip(("input", "hx"), call.args, strict=False)) | call.kwargs
    return given["input"], given.get("hx")


@dataclass
class _Batch:
    """A call, time first and examples second.

    Args:
        x: Input [T, N, in].
        running: Whether a sequence has step t [T, N, 1]; None if all have all steps.
        states: Initial states [L * D, N, size], of LSTM two, else one.
        gradients: Those of output [T, N, D * size], h_n and c_n [L * D, N, size];
            None for zero.
    """

    x: Tensor
    running: Tensor | None
    states: list[Tensor]
    gradients: list[Tensor | None]

    @classmethod
    def of(cls, module: nn.RNNBase, call: ModuleCall) -> "_Batch":
        given, initial = _arguments(call)
        weight: Any = module.weight_ih_l0
        dtype = torch.promote_types(weight.dtype, torch.float32)
        # Both a tensor and a PackedSequence have `data`, free of autograd.
        x, running = _time_first(given, given.data, module.batch_first)
        x = x.detach().to(dtype)
        states = _initial(module, initial, x)
        output = call.gradients.get(0)
        if output is not None:
            output, _ = _time_first(given, output, module.batch_first)
        # A packed output has as many leaves as the packed input.
        first = len(pytree.tree_leaves(given))
        last = [call.gradients.get(first + i) for i in range(len(states))]
        gradients = [g if g is None else g.detach().to(dtype) for g in (output, *last)]
        return cls(x, running, states, gradients)

    def part(self, examples: slice) -> "_Batch":
        """Some of the examples."""
        running = None if self.running is None else self.running[:, examples]
        states = [state[:, examples] for state in self.states]
        gradients = [g if g is None else g[:, examples] for g in self.gradients]
        return _Batch(self.x[:, examples], running, states, gradients)


def _time_first(
    given: Tensor | PackedSequence, values: Tensor, batch_first: bool
) -> tuple[Tensor, Tensor | None]:
    """Values of a sequence [T, N, size], packed as the input was, and which steps run.

    Examples come in the order before packing, as in the states.
    """
    if not isinstance(given, PackedSequence):
        return (values.transpose(0, 1) if batch_first else values), None
    padded, lengths = pad_packed_sequence(PackedSequence(values, *given[1:]))
    running = torch.arange(len(padded)).unsqueeze(1) < lengths
    return padded, running.unsqueeze(2).to(padded.device)


def _initial(module: nn.RNNBase, given: Any, x: Tensor) -> list[Tensor]:
    """Initial states [L * D, N, size], zero if none were given."""
    if given is not None:
        states = [given] if isinstance(given, Tensor) else list(given)
        return [state.detach().to(x.dtype) for state in states]
    sizes = [module.proj_size or module.hidden_size, module.hidden_size]
    count = 2 if module.mode == "LSTM" else 1
    return [x.new_zeros(len(_ends(module)), x.shape[1], s) for s in sizes[:count]]


class _Linear:
    """A linear map of the layer, which remembers what went in and what came out."""

    def __init__(
        self,
        end: str,
        weight: Tensor,
        bias: Tensor | None,
        wanted: dict[int, str],
        like: Tensor,
    ) -> None:
        self.end = end
        self.names = wanted.get(id(weight)), wanted.get(id(bias))
        self.weight = weight.detach().to(like.dtype)
        self.bias = None if bias is None else bias.detach().to(like.dtype)
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        """One step [n, in] or all of them [T, n, in]."""
        y = F.linear(x, self.weight, self.bias)
        self.inputs.append(x.detach())
        self.outputs.append(y)
        return y

    def contributions(self, gradients: list[Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Those of weight and bias, where wanted, from its outputs' gradients."""
        g, x = _stacked(gradients), _stacked(self.inputs)
        weight, bias = self.names
        if weight:
            yield weight, torch.bmm(g.permute(1, 2, 0), x.transpose(0, 1))
        if bias:
            yield bias, g.sum(0)


def _stacked(steps: list[Tensor]) -> Tensor:
    """Steps [n, size], or all of them at once, as [T, n, size]."""
    return steps[0] if steps[0].ndim == 3 else torch.stack(steps)


def _contributions(
    module: nn.RNNBase, names: list[str], batch: _Batch
) -> Contributions:
    """Contributions `[n, *shape]` of all examples of a batch, by one backward pass."""
    result: Contributions = {}
    for m, gradients in _differentiated(module, names, batch):
        for name, part in m.contributions(gradients):
            result[name] = result[name] + part if name in result else part
    return {name: result[name] for name in names}


def _differentiated(
    module: nn.RNNBase, names: list[str], batch: _Batch
) -> Iterator[tuple["_Linear", list[Tensor]]]:
    """The linear maps with wanted parameters, and their outputs' gradients."""
    layers = _layers(module, names, batch.x)
    with torch.enable_grad():
        outputs = _run(module, layers, batch)
    pairs = zip(outputs, batch.gradients, strict=True)
    gradients = [torch.zeros_like(y) if g is None else g for y, g in pairs]
    maps = [m for layer in layers for m in layer.values() if any(m.names)]
    wanted = [y for m in maps for y in m.outputs]
    found = iter(torch.autograd.grad(outputs, wanted, gradients))
    for m in maps:
        yield m, list(islice(found, len(m.outputs)))


def _layers(
    module: nn.RNNBase, names: list[str], like: Tensor
) -> list[dict[str, _Linear]]:
    """The linear maps of each layer and direction, in the type of a tensor."""
    # By identity: several maps may share a parameter, which then has one name.
    wanted = {id(getattr(module, name)): name for name in names}

    def linear(end: str) -> _Linear:
        weight = getattr(module, f"weight_{end}")
        bias = getattr(module, f"bias_{end}", None)
        return _Linear(end, weight, bias, wanted, like)

    sides = ("ih", "hh", "hr") if module.proj_size else ("ih", "hh")
    return [{side: linear(f"{side}_{end}") for side in sides} for end in _ends(module)]


def _run(
    module: nn.RNNBase, layers: list[dict[str, _Linear]], batch: _Batch
) -> list[Tensor]:
    """Outputs of the module: output [T, n, D * size], h_n and c_n [L * D, n, size]."""
    step = _STEPS[module.mode]
    # Not for their own gradients: so that every map's output has one.
    x = batch.x.detach().requires_grad_()
    initial = [state.detach().requires_grad_() for state in batch.states]
    directions = 2 if module.bidirectional else 1
    last: list[State] = []
    for _ in range(module.num_layers):
        outputs = []
        for direction in range(directions):
            maps, state = layers[len(last)], tuple(s[len(last)] for s in initial)
            y, state = _direction(step, maps, x, state, batch.running, direction == 1)
            outputs.append(y)
            last.append(state)
        x = torch.cat(outputs, -1)
    return [x, *(torch.stack(states) for states in zip(*last, strict=True))]


def _direction(
    step: Callable[[Tensor, Tensor, State], State],
    maps: dict[str, _Linear],
    x: Tensor,
    state: State,
    running: Tensor | None,
    backward: bool,
) -> tuple[Tensor, State]:
    """One layer in one direction: its outputs [T, n, size] and its last state."""
    if backward:
        x, running = x.flip(0), None if running is None else running.flip(0)
    outputs = []
    for t, u in enumerate(maps["ih"](x)):
        hidden, *cell = step(u, maps["hh"](state[0]), state)
        after = (maps["hr"](hidden) if "hr" in maps else hidden, *cell)
        if running is not None:
            pairs = zip(after, state, strict=True)
            after = tuple(torch.where(running[t], new, old) for new, old in pairs)
        state = after
        outputs.append(state[0])
    y = torch.stack(outputs)
    return (y.flip(0) if backward else y), state


def _lstm(u: Tensor, v: Tensor, state: State) -> State:
    i, f, g, o = (u + v).chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru(u: Tensor, v: Tensor, state: State) -> State:
    (u_r, u_z, u_n), (v_r, v_z, v_n) = u.chunk(3, -1), v.chunk(3, -1)
    z = (u_z + v_z).sigmoid()
    n = (u_n + (u_r + v_r).sigmoid() * v_n).tanh()
    return ((1 - z) * n + z * state[0],)


_STEPS: dict[str, Callable[[Tensor, Tensor, State], State]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN_TANH": lambda u, v, _: ((u + v).tanh(),),
    "RNN_RELU": lambda u, v, _: ((u + v).relu(),),
}
