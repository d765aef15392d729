"""Calls of recurrent layers, of a whole batch and of one example alone."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from vogn_app.curvature import recurrent
from vogn_app.curvature.functional import ModuleCall, output_tensors

N, T, IN, HIDDEN = 5, 6, 3, 4
LENGTHS = [4, 6, 1, 3, 6]
LAYERS = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn tanh": nn.RNN,
    "rnn relu": lambda *sizes, **options: nn.RNN(
        *sizes, nonlinearity="relu", **options
    ),
    "lstm projected": lambda *sizes, **options: nn.LSTM(*sizes, proj_size=2, **options),
}
OPTIONS = {
    "plain": {},
    "batch first": {"batch_first": True},
    "without bias": {"bias": False},
    "bidirectional": {"bidirectional": True},
    "three layers": {"num_layers": 3},
    "everything": {
        "num_layers": 2,
        "bidirectional": True,
        "batch_first": True,
        "bias": False,
    },
}


def make(layer="lstm", **options):
    return LAYERS[layer](IN, HIDDEN, **options)


def initial(module, num=N):
    """Random h_0, or (h_0, c_0) of an LSTM."""
    count = module.num_layers * (2 if module.bidirectional else 1)
    h = torch.randn(count, num, module.proj_size or HIDDEN)
    return (h, torch.randn(count, num, HIDDEN)) if module.mode == "LSTM" else h


def padded_input(module):
    x = torch.randn(T, N, IN)
    return x.transpose(0, 1) if module.batch_first else x


def packed_input(lengths=LENGTHS, is_sorted=False):
    sequences = [torch.randn(length, IN) for length in lengths]
    return pack_sequence(sequences, enforce_sorted=is_sorted)


def call_of(module, *args, missing=(), **kwargs):
    """A call and random gradients of its outputs, some of them missing."""
    outputs = output_tensors(module(*args, **kwargs))
    call = ModuleCall.of(args, kwargs, outputs)
    for place, (leaf, output) in enumerate(outputs.items()):
        if place not in missing:
            call.gradients[leaf] = torch.randn_like(output)
    return call


def names_of(module):
    return [name for name, p in module.named_parameters() if p.requires_grad]


def pull(module, call):
    """`<outputs, gradients>` of the whole call."""
    outputs = output_tensors(module(*call.args, **call.kwargs))
    return sum((outputs[i] * g).sum() for i, g in call.gradients.items())


def padded_example(module, call, i):
    """The call of example i alone."""
    x, hx = recurrent._arguments(call)
    place = slice(i, i + 1)

    def part(tensor):
        return tensor[:, place] if tensor is not None else None

    x = x[place] if module.batch_first else x[:, place]
    state = tuple(map(part, hx)) if isinstance(hx, tuple) else part(hx)
    gradients = {
        k: g[place] if k == 0 and module.batch_first else g[:, place]
        for k, g in call.gradients.items()
    }
    return ModuleCall((x, state), {}, {}, gradients)


def unpacked(packed, data):
    """Sequences of a packed tensor, in the order before packing, step by step."""
    order = packed.sorted_indices
    order = range(int(packed.batch_sizes[0])) if order is None else order.tolist()
    rows, start = {i: [] for i in order}, 0
    for size in packed.batch_sizes.tolist():
        for place, i in enumerate(list(order)[:size]):
            rows[i].append(data[start + place])
        start += size
    return [torch.stack(rows[i]) for i in sorted(rows)]


def packed_example(module, call, i):
    """The call of sequence i alone, without packing, without padding."""
    packed, hx = recurrent._arguments(call)
    axis = 0 if module.batch_first else 1
    x = unpacked(packed, packed.data)[i].unsqueeze(axis)
    gradients = {k - 3: g[:, i : i + 1] for k, g in call.gradients.items() if k}
    if 0 in call.gradients:
        gradients[0] = unpacked(packed, call.gradients[0])[i].unsqueeze(axis)
    states = hx if isinstance(hx, tuple) or hx is None else (hx,)
    state = None if states is None else tuple(s[:, i : i + 1] for s in states)
    state = state[0] if isinstance(hx, torch.Tensor) else state
    return ModuleCall((x, state), {}, {}, gradients)
