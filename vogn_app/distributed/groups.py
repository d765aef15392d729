"""Process groups of the rows and columns in which ranks share their work."""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch.distributed as dist

from .assignment import Grid
from .ranks import Ranks, all_present

Members = tuple[int, ...]


@dataclass(frozen=True)
class GridRanks:
    """This process among those of its column and of its row.

    Args:
        workers: The column, which shares inverses.
        receivers: The row, which shares preconditioned gradients.
    """

    workers: Ranks
    receivers: Ranks


_made: WeakKeyDictionary[dist.ProcessGroup, dict[Members, dist.ProcessGroup]] = (
    WeakKeyDictionary()
)


def groups_of(grid: Grid, ranks: Ranks) -> GridRanks:
    """Find this process' column and row, as groups that are made once.

    Args:
        grid: Of as many ranks.
        ranks: The processes; all of them must call this at the same point.

    Returns:
        The two groups; a lone process where one has no other members.

    Raises:
        ValueError: If the grid is of another size.
        RuntimeError: If a rank is gone.
    """
    if grid.num_ranks != ranks.size:
        raise ValueError(f"grid must be of {ranks.size} ranks, got {grid.num_ranks}.")
    return GridRanks(
        _within(ranks, grid.worker_groups()), _within(ranks, grid.receiver_groups())
    )


def _within(ranks: Ranks, partition: Sequence[Members]) -> Ranks:
    """This process among its part of the ranks."""
    members = next(each for each in partition if ranks.rank in each)
    if len(members) == 1:
        return Ranks()
    if len(members) == ranks.size:
        return ranks
    assert ranks.group is not None
    made = _made.setdefault(ranks.group, {})
    if members not in made:
        made[members] = _make(ranks, ranks.group, partition)
    return Ranks(members.index(ranks.rank), len(members), made[members])


def _make(
    ranks: Ranks, group: dist.ProcessGroup, partition: Sequence[Members]
) -> dist.ProcessGroup:
    """Make the groups of a partition, and give this process' own."""
    world = dist.get_process_group_ranks(group)
    # All processes must take part in all groups, unless some know nothing of this.
    everyone = len(world) == dist.get_world_size()
    own = None
    for members in partition:
        if everyone or ranks.rank in members:
            with all_present():
                made = dist.new_group(
                    [world[rank] for rank in members],
                    backend=dist.get_backend_config(group),
                    use_local_synchronization=not everyone,
                )
            own = made if ranks.rank in members else own
    assert isinstance(own, dist.ProcessGroup)
    return own
