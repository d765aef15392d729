"""What ranks send each other in a step of K-FAC and SP-NGD, computed, not measured.

Bytes that a rank sends, in units of the network's gradient, the mean over ranks and
steps (`vogn_app.distributed.volume`). Plain data parallelism, as SGD has it, sends each
gradient almost twice. Statistics and inverses go as upper triangles, in float32 or, for
`half`, in half precision, which holds for statistics alone.

    kfac         statistics to all ranks and inverses from their owners to all, each
                 every tenth step
    kfac_memory  statistics likewise; natural gradients from owners to all, every step
    sp_ngd       statistics to owners, as often as they are refreshed: in every step, or
                 as the timings found; gradients to owners, updated weights to all
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from benchmarks.peers.methods import INTERVAL
from vogn_app import KFAC
from vogn_app.distributed import (
    Grid,
    Volume,
    volume_of_grid,
    volume_of_owners,
    volume_plain,
)
from vogn_app.optim.entries import entry_of

NUM_RANKS = (2, 8, 64)
SIZE = 4  # bytes of a number
HEAD = (
    "sent by a rank in a step, in gradients, with this many ranks\n"
    f"{'network':>13} {'method':>17} {' '.join(f'{n:>6}' for n in NUM_RANKS)} "
    f"{'x sgd':>6}"
)


def lines(network: str, model: nn.Module, share: float | None) -> Iterator[str]:
    """The table of a network, line by line.

    Args:
        network: Its name.
        model: The network.
        share: Of SP-NGD's statistics, those that a step refreshes; None if that is not
            known.

    Yields:
        A line for each method.
    """
    gradient = SIZE * sum(p.numel() for p in model.parameters() if p.requires_grad)
    factors = SIZE * num_statistics(model)
    columns = [volumes(factors, gradient, ranks, share) for ranks in NUM_RANKS]
    for name in columns[0]:
        totals = [column[name].total / gradient for column in columns]
        cells = " ".join(f"{total:6.2f}" for total in totals)
        ratio = columns[-1][name].total / columns[-1]["sgd"].total
        yield f"{network:>13} {name:>17} {cells} {ratio:6.2f}"


def num_statistics(model: nn.Module) -> int:
    """Numbers of all statistics, as they are sent; of inverses there are as many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parameters without curvature
        blocks = KFAC(model).preconditioner.blocks.values()
    return sum(entry_of(block, side).size for block in blocks for side in block.sides)


def volumes(
    factors: int, gradient: int, ranks: int, share: float | None
) -> dict[str, Volume]:
    """What is sent, by method.

    Args:
        factors: Bytes of all statistics, and of all inverses.
        gradient: Bytes of the gradient.
        ranks: How many there are.
        share: As in `lines`.

    Returns:
        Means over steps, of `sgd` too.
    """
    everywhere, owners = Grid(ranks), Grid(ranks, 1 / ranks)
    kfac = volume_of_grid(factors, factors, gradient, everywhere)
    memory = volume_of_grid(factors, factors, gradient, owners)
    sp_ngd = volume_of_owners(factors, gradient, gradient, ranks)
    result = {
        "sgd": volume_plain(gradient, ranks),
        "kfac": kfac.per_step(INTERVAL, INTERVAL),
        "kfac_memory": memory.per_step(INTERVAL, INTERVAL),
        "sp_ngd every step": sp_ngd,
    }
    if share is not None:
        stale = replace(sp_ngd, factors=share * sp_ngd.factors)
        half = replace(stale, factors=stale.factors / 2)
        result |= {f"sp_ngd {share:.1%}": stale, "... half": half}
    return result
