"""Two real processes with IVON or Vadam are one process with the draws of both."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.vogn_app.distributed.processes import run
from tests.vogn_app.optim.networks import network
from tests.vogn_app.optim.variational import averages
from vogn_app import IVON, Vadam
from vogn_app.distributed import fingerprint

CLASSES = {"ivon": IVON, "vadam": Vadam}
SIZES = ([3, 5], [0, 4], [2, 2])  # examples of each rank in each step


def trained(name, rank, size, reduction, wrapped, passes=1):
    """Fingerprint and averages at the end; a process takes every `size`-th part.

    Several backward passes in a block make what was sent after the first one wrong.
    """
    torch.manual_seed(0)
    model = network()
    called = DistributedDataParallel(model) if wrapped else model
    optimizer = CLASSES[name](
        called, num_data=40, initial_curvature=0.5, loss_reduction=reduction
    )
    for step, sizes in enumerate(SIZES):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(sum(sizes), 3, generator=generator)
        y = torch.randint(2, (len(x),), generator=generator)
        parts = list(zip(x.split(sizes), y.split(sizes), strict=True))
        for part_x, part_y in parts[rank::size]:
            with optimizer.sampled_params(train=True):
                pairs = zip(part_x.chunk(passes), part_y.chunk(passes), strict=True)
                for inputs, labels in pairs if len(part_y) else ():
                    nn.functional.cross_entropy(
                        called(inputs), labels, reduction=reduction
                    ).backward()
        optimizer.step()
    found = averages(optimizer, model)
    return fingerprint(found.values()), found


def member(rank, size):
    return [
        trained(name, rank, size, reduction, wrapped, passes)
        for name, reduction, wrapped, passes in CASES
    ]


CASES = [
    ("ivon", "mean", True, 1),
    ("ivon", "sum", False, 2),
    ("vadam", "mean", False, 1),
]


@pytest.mark.slow
def test_two_ranks_are_one_process_with_the_draws_of_both(tmp_path):
    first, second = run(member, 2, tmp_path, 2)
    cases = zip(CASES, first, second, strict=True)
    for (name, reduction, _, passes), ours, others in cases:
        assert ours[0] == others[0]  # the same to the bit on both ranks
        _, alone = trained(name, 0, 1, reduction, wrapped=False, passes=passes)
        for key, value in alone.items():
            torch.testing.assert_close(ours[1][key], value, rtol=1e-10, atol=1e-13)
