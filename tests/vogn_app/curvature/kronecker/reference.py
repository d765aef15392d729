"""Slow, obvious statistics of layers, and passes of a model that are captured."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from vogn_app.curvature.kronecker.blocks import INPUTS, OUTPUTS
from vogn_app.curvature.kronecker.capture import FactorCapture

TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


def close(got, expected, **options):
    torch.testing.assert_close(got, expected, **TOLERANCE | options)


def all_close(got, expected, **options):
    """The same names, and tensors that differ by rounding only."""
    assert set(got) == set(expected)
    for name, truth in expected.items():
        close(
            got[name], truth, msg=lambda text, name=name: f"{name}: {text}", **options
        )


def input_rows(module, x, wanted=("weight", "bias")):
    """Rows a of a layer's input [B, N, T, in], the bias's 1 last."""
    if isinstance(module, _ConvNd):
        rows = _windows(module, x)
    elif isinstance(module, nn.Embedding):
        rows = F.one_hot(x.reshape(1, len(x), -1), module.num_embeddings).double()
        if module.padding_idx is not None:
            rows[..., module.padding_idx] = 0
    else:
        rows = x.reshape(1, len(x), -1, x.shape[-1])
    parts = [rows] if "weight" in wanted else []
    if "bias" in wanted and getattr(module, "bias", None) is not None:
        parts.append(torch.ones(*rows.shape[:-1], 1))
    return torch.cat(parts, -1)


def _windows(module, x):
    """Windows as what a convolution gives whose filters each pick one number."""
    size = module.weight.shape[1:].numel()
    picks = type(module)(
        module.in_channels, module.groups * size, module.kernel_size,
        module.stride, module.padding, module.dilation, module.groups,
        bias=False, padding_mode=module.padding_mode,
    )  # fmt: skip
    eye = torch.eye(size).view(size, *module.weight.shape[1:])
    picks.weight.data = torch.cat([eye] * module.groups)
    with torch.no_grad():
        windows = picks(x).flatten(2).unflatten(1, (module.groups, size))
    return windows.permute(1, 0, 3, 2)


def output_rows(module, g, x=None):
    """Rows c of the gradient of a layer's output [B, N, T, out]."""
    if isinstance(module, _ConvNd):
        return g.flatten(2).unflatten(1, (module.groups, -1)).permute(1, 0, 3, 2)
    g = g.reshape(1, len(g), -1, g.shape[-1])
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        g = g * (x.reshape(1, len(x), -1, 1) != module.padding_idx)
    return g


def factors(module, calls, num, sharing="expand", wanted=("weight", "bias")):
    """A and G of calls (x, g), with g the gradient of a mean over `num` examples."""
    a = [input_rows(module, x, wanted) for x, _ in calls]
    c = [output_rows(module, g, x) for x, g in calls]
    if sharing == "reduce":
        a = [rows.mean(2, keepdim=True) for rows in a]
        c = [rows.sum(2, keepdim=True) for rows in c]
    a, c = (torch.cat([rows.flatten(1, 2) for rows in each], 1) for each in (a, c))
    return a.mT @ a / a.shape[1], num * c.mT @ c


def seen(module, run):
    """Inputs and output gradients of a layer's calls within `run()`, a backward."""
    calls, outputs = [], []

    def note(module, args, output):
        output.retain_grad()
        calls.append(args[0].detach())
        outputs.append(output)

    handle = module.register_forward_hook(note)
    run()
    handle.remove()
    return [(x, y.grad) for x, y in zip(calls, outputs, strict=True)]


def trained(model):
    return {k: p for k, p in model.named_parameters() if p.requires_grad}


def armed(model, **options):
    """A capture that waits for every statistic."""
    capture = FactorCapture(model, trained(model), **options)
    capture.arm({name: frozenset(b.sides) for name, b in capture.blocks.items()})
    return capture


def means(gathered):
    """Statistics as they are averaged: A over its rows, others times N; dense."""
    num = gathered.num_examples
    factor = 1 / num if gathered.plain else num
    return {
        key: (m.value if m.form == "diagonal" else m.matrix())
        * (1 / m.count if key[1] == INPUTS else factor)
        for key, m in gathered.moments.items()
    }


def captured(model, run, **options):
    """Statistics of `run()`, as they are averaged."""
    model.zero_grad()
    capture = armed(model, **options)
    run()
    result = means(capture.gather())
    capture.close()
    return result


def pair(name, a, g):
    """The two statistics of a block, by key."""
    return {(name, INPUTS): a, (name, OUTPUTS): g}
