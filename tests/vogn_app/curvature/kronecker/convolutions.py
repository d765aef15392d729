"""Convolutions of all sorts, and the smallest steps of their tests."""

import torch
from torch import nn

# (module, shape of the input)
CONVOLUTIONS = {
    "1d": (lambda: nn.Conv1d(3, 4, 3), (4, 3, 8)),
    "1d, strided": (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=2), (4, 3, 8)),
    "1d, circular": (
        lambda: nn.Conv1d(2, 4, 3, padding=1, padding_mode="circular"),
        (4, 2, 7),
    ),
    "2d": (lambda: nn.Conv2d(3, 4, 3, padding=1), (4, 3, 6, 5)),
    "2d, valid": (lambda: nn.Conv2d(2, 3, (2, 3), padding="valid"), (4, 2, 5, 6)),
    "2d, same": (lambda: nn.Conv2d(2, 3, 3, padding="same"), (4, 2, 5, 6)),
    "2d, same, even": (lambda: nn.Conv2d(2, 3, (2, 4), padding="same"), (3, 2, 5, 6)),
    "2d, strided": (lambda: nn.Conv2d(2, 3, 3, stride=(2, 3)), (4, 2, 9, 8)),
    "2d, dilated": (
        lambda: nn.Conv2d(2, 3, 3, padding=(0, 2), dilation=(1, 2)),
        (3, 2, 5, 6),
    ),
    "2d, wide": (lambda: nn.Conv2d(2, 3, 5, padding=2), (3, 2, 3, 7)),
    "2d, far padded": (lambda: nn.Conv2d(2, 3, 2, padding=3), (3, 2, 3, 4)),
    "2d, groups": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (3, 4, 5, 4)),
    "2d, depthwise": (lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4), (3, 4, 5, 4)),
    "2d, reflect": (
        lambda: nn.Conv2d(2, 3, 3, padding=2, padding_mode="reflect"),
        (3, 2, 4, 5),
    ),
    "2d, replicate": (
        lambda: nn.Conv2d(2, 3, 3, padding="same", padding_mode="replicate"),
        (3, 2, 4, 5),
    ),
    "2d, circular, dilated": (
        lambda: nn.Conv2d(2, 3, 3, padding="same", dilation=2, padding_mode="circular"),
        (3, 2, 5, 5),
    ),
    "2d, pointwise": (lambda: nn.Conv2d(3, 5, 1), (4, 3, 2, 3)),
    "2d, pointwise, strided": (lambda: nn.Conv2d(3, 5, 1, stride=2), (4, 3, 5, 3)),
    "2d, pointwise, padded": (lambda: nn.Conv2d(3, 5, 1, padding=1), (4, 3, 2, 3)),
    "2d, fewer windows than inputs": (lambda: nn.Conv2d(3, 4, 3), (2, 3, 3, 4)),
    "3d": (lambda: nn.Conv3d(2, 3, 2, padding=(1, 0, 1)), (3, 2, 3, 4, 3)),
    "3d, groups": (lambda: nn.Conv3d(2, 4, 3, padding=1, groups=2), (3, 2, 3, 2, 3)),
}


def convolution(case):
    """A convolution and an input of it."""
    make, shape = CONVOLUTIONS[case]
    return make(), torch.randn(shape)


def rows_by_autograd(module, x):
    """What a weight and a bias meet, at every position of every example.

    The gradient of one output at one position w.r.t. the weight of that output is
    the window there, whatever the padding; w.r.t. its bias it is 1.

    Returns:
        [N, B, T, n + 1].
    """
    named = dict(module.named_parameters())
    groups = getattr(module, "groups", 1)
    each = module.weight.shape[0] // groups

    def outputs(parameters, example):
        output = torch.func.functional_call(module, parameters, (example[None],))[0]
        if isinstance(module, nn.Linear):
            output = output.movedim(-1, 0)
        return output.reshape(len(output), -1)[::each]

    rows = []
    for example in x:
        found = torch.func.jacrev(outputs)(named, example)
        parts = []
        for name in sorted(found, reverse=True):
            own = [found[name][b, :, b * each] for b in range(groups)]
            parts.append(torch.stack([part.reshape(len(part), -1) for part in own]))
        rows.append(torch.cat(parts, -1))
    return torch.stack(rows)
