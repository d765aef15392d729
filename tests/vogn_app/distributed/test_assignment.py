"""Work is spread evenly, and the ranks that share results cover everybody once."""

import itertools
import random

import pytest

from vogn_app.distributed import Grid, assign_owners, fraction_named, inverse_cost


def loads(costs, owners, num_ranks):
    return [
        sum(cost for cost, owner in zip(costs, owners, strict=True) if owner == rank)
        for rank in range(num_ranks)
    ]


def best_makespan(costs, num_ranks):
    """Smallest possible largest load, by trying everything."""
    return min(
        max(loads(costs, owners, num_ranks))
        for owners in itertools.product(range(num_ranks), repeat=len(costs))
    )


def drawn(generator, count):
    return [float(generator.choice([0, 1, 2, 3, 5, 8, 13])) for _ in range(count)]


def test_cost_is_the_sum_of_cubes():
    assert inverse_cost([2, 3]) == 8 + 27
    assert inverse_cost(iter([2, 3]), blocks=4) == 4 * 35
    assert inverse_cost([]) == 0
    assert isinstance(inverse_cost([2]), float)


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_the_largest_load_is_within_the_known_bound(num_ranks):
    generator = random.Random(num_ranks)
    for _ in range(20):
        costs = drawn(generator, generator.randrange(8))
        largest = max(loads(costs, assign_owners(costs, num_ranks), num_ranks))
        bound = 4 / 3 - 1 / (3 * num_ranks)
        assert largest <= bound * best_makespan(costs, num_ranks) + 1e-12


def test_the_bound_is_met_by_the_known_worst_case():
    costs = [3.0, 3.0, 2.0, 2.0, 2.0]
    assert loads(costs, assign_owners(costs, 2), 2) == [7, 5]
    assert best_makespan(costs, 2) == 6


def test_every_item_has_one_owner_and_the_order_of_items_changes_no_load():
    generator = random.Random(0)
    costs = [generator.random() for _ in range(12)]
    owners = assign_owners(costs, 4)
    assert len(owners) == 12
    assert set(owners) == set(range(4))
    expected = sorted(loads(sorted(costs), assign_owners(sorted(costs), 4), 4))
    for _ in range(10):
        generator.shuffle(costs)
        got = sorted(loads(sorted(costs), assign_owners(sorted(costs), 4), 4))
        assert got == expected
        own = sorted(loads(costs, assign_owners(costs, 4), 4))
        assert own == pytest.approx(expected, rel=1e-14)  # added in another order


def test_ties_go_to_the_first_item_and_the_lowest_rank():
    assert assign_owners([1.0, 1.0, 1.0, 1.0, 1.0], 3) == [0, 1, 2, 0, 1]
    assert assign_owners([1.0, 2.0, 2.0], 2) == [0, 0, 1]
    assert assign_owners([0.0, 0.0], 2) == [0, 0]
    assert assign_owners([], 3) == []
    assert assign_owners([5.0], 3) == [0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: assign_owners([1.0], 0), "num_ranks must be a whole number >= 1"),
        (lambda: assign_owners([-1.0], 1), "costs must be a finite number in"),
        (lambda: assign_owners([float("nan")], 1), "costs must be a finite number"),
        (lambda: inverse_cost([2.5]), "sizes must be a whole number >= 0, got 2.5"),
        (lambda: inverse_cost([2], blocks=0), "blocks must be a whole number >= 1"),
        (lambda: Grid(0), "num_ranks must be a whole number >= 1, got 0"),
        (lambda: Grid(4, 0.0), "fraction must be a finite number in .0, 1., got 0"),
        (lambda: Grid(4, 1.5), "fraction must be a finite number in .0, 1., got 1.5"),
        (lambda: Grid(4, 0.4), "whole number of workers that divides the 4 ranks, "),
        (lambda: Grid(4, 0.75), "divides the 4 ranks, got 0.75"),
        (lambda: Grid(4, 1e-9), "divides the 4 ranks, got 1e-09"),
        (lambda: fraction_named("fast", 4), "communication, memory, or a number, got"),
        (
            lambda: fraction_named(0.3, 4),
            "distribution must give a whole number of .* the 4 ranks, got 0.3",
        ),
        (lambda: fraction_named("memory", 0), "num_ranks must be a whole number >= 1"),
        (lambda: Grid(4).workers_of(4), r"rank must be in \[0, 4\), got 4"),
        (lambda: Grid(4).column_of(-1), r"rank must be in \[0, 4\), got -1"),
    ],
)
def test_what_cannot_be_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# --- the grid ---------------------------------------------------------------------

GRIDS = [
    Grid(size, workers / size)
    for size in (1, 2, 3, 4, 6, 8, 12)
    for workers in range(1, size + 1)
    if size % workers == 0
]


def test_names_of_the_two_extremes():
    assert fraction_named("communication", 8) == 1
    assert fraction_named("memory", 8) == 1 / 8
    assert fraction_named(0.25, 8) == 0.25
    assert fraction_named(1, 8) == 1


def test_a_grid_of_six_ranks_with_two_workers_each():
    """Ranks 0 1 2 in one row, 3 4 5 in the other."""
    grid = Grid(6, 1 / 3)
    assert (grid.num_workers, grid.num_columns) == (2, 3)
    assert grid.worker_groups() == [(0, 3), (1, 4), (2, 5)]
    assert grid.receiver_groups() == [(0, 1, 2), (3, 4, 5)]
    assert grid.workers_of(4) == (1, 4)
    assert grid.column_of(4) == 1


def test_all_ranks_are_workers_at_fraction_one_and_only_the_owner_at_the_least():
    everyone, alone = Grid(4), Grid(4, 0.25)
    for owner in range(4):
        assert everyone.workers_of(owner) == (0, 1, 2, 3)
        assert alone.workers_of(owner) == (owner,)
    assert everyone.receiver_groups() == [(0,), (1,), (2,), (3,)]
    assert alone.receiver_groups() == [(0, 1, 2, 3)]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_every_row_has_one_worker_of_each_owner(grid):
    for owner in range(grid.num_ranks):
        workers = grid.workers_of(owner)
        assert owner in workers
        assert len(workers) == grid.num_workers
        for row in grid.receiver_groups():
            assert [rank for rank in row if rank in workers] == [
                row[grid.column_of(owner)]
            ]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_groups_cover_all_ranks_and_hold_what_is_sent(grid):
    for groups in (grid.worker_groups(), grid.receiver_groups()):
        assert sorted(itertools.chain(*groups)) == list(range(grid.num_ranks))
    for owner in range(grid.num_ranks):
        column = grid.worker_groups()[grid.column_of(owner)]
        assert column == grid.workers_of(owner)
