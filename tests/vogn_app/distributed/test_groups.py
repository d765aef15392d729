"""Columns and rows of a grid as process groups."""

import gc

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.vogn_app.distributed.processes import run
from vogn_app.distributed import (
    Grid,
    Ranks,
    gather_from_owners,
    groups,
    groups_of,
    ranks_of,
)


def shared(rank, members):
    """What the groups within some of the processes carry, for each kind of grid."""
    model, counts = nn.Linear(1, 1), []
    group = dist.new_group(members)
    if rank not in members:
        return None
    ranks = ranks_of(group, model)
    plain, result = dist.new_group, {}

    def counted(*args, **options):
        counts.append(args)
        return plain(*args, **options)

    dist.new_group = counted
    for fraction in (1.0, 0.5, 0.25, 0.5):
        own = groups_of(Grid(4, fraction), ranks)
        result[fraction] = carried(Grid(4, fraction), ranks, own)
        again = groups_of(Grid(4, fraction), ranks)
        assert again == own
    dist.new_group = plain
    return result, len(counts)


def carried(grid, ranks, own):
    """Every owner's inverse down its column, then every gradient along its row."""
    column, row = own.workers, own.receivers
    inverse = torch.full((ranks.rank + 1,), 10.0 * ranks.rank)
    owners = grid.workers_of(ranks.rank)
    sizes = [owner + 1 for owner in owners]
    inverses = gather_from_owners(inverse, sizes, column).wait()
    mine = torch.stack([each[0] for each in inverses])  # a gradient an owner
    parts = gather_from_owners(mine, [len(owners)] * row.size, row).wait()
    gradients = {
        owner: part[place].item()
        for part, own in zip(parts, grid.worker_groups(), strict=True)
        for place, owner in enumerate(own)
    }
    return (column.rank, column.size, row.rank, row.size), gradients


def check(results, members, made):
    for rank, world in enumerate(members):
        result, count = results[world]
        assert count == made
        for fraction, (places, gradients) in result.items():
            grid = Grid(4, fraction)
            row, column = divmod(rank, grid.num_columns)
            assert places == (row, grid.num_workers, column, grid.num_columns)
            assert gradients == {owner: 10.0 * owner for owner in range(4)}


def test_groups_carry_inverses_and_gradients_to_whom_they_are_for(tmp_path):
    members = [0, 1, 2, 3]
    results = run(shared, 4, tmp_path, members)
    check(results, members, made=4)  # two columns and two rows of one grid alone


def test_groups_may_be_of_some_processes_while_others_know_nothing(tmp_path):
    members = [1, 2, 3, 4]
    results = run(shared, 5, tmp_path, members)
    assert results[0] is None
    check(results, members, made=2)  # the own ones


def test_a_lone_process_has_no_groups():
    own = groups_of(Grid(1), Ranks())
    assert (own.workers, own.receivers) == (Ranks(), Ranks())


def test_a_grid_of_another_size_is_refused():
    with pytest.raises(ValueError, match="grid must be of 1 ranks, got 4"):
        groups_of(Grid(4), Ranks())


def forgotten(rank):
    ranks = ranks_of("default", nn.Linear(1, 1))
    groups_of(Grid(4, 0.5), ranks)
    before = len(groups._made)
    del ranks
    dist.barrier()
    dist.destroy_process_group()
    gc.collect()
    return before, len(groups._made)


def test_groups_are_forgotten_with_the_processes_they_were_made_for(tmp_path):
    assert run(forgotten, 4, tmp_path) == [(1, 0)] * 4
