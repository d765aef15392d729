"""Counts of bytes equal what the ranks send if one writes it down."""

import pytest

from vogn_app.distributed import (
    Grid,
    Volume,
    volume_of_grid,
    volume_of_owners,
    volume_plain,
)

GRIDS = [Grid(1), Grid(4), Grid(4, 0.5), Grid(4, 0.25), Grid(6, 1 / 3)]


def test_owners_that_update_weights_send_as_much_as_plain_data_parallelism():
    assert volume_plain(800, 4) == Volume(gradients=1200)
    volume = volume_of_owners(4000, 800, 800, 4)
    assert volume == Volume(factors=3000, gradients=600, weights=600)
    assert volume.total - volume.factors == volume_plain(800, 4).total


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_ranks_that_share_work_send_inverses_down_columns_and_gradients_along_rows(
    grid,
):
    """Each rank owns items with inverses of 60 bytes and gradients of 12."""
    size = grid.num_ranks
    inverses = gradients = 0
    for owner in range(size):
        inverses += 60 * (len(grid.workers_of(owner)) - 1)
        gradients += 12 * sum(len(row) - 1 for row in grid.receiver_groups())
    volume = volume_of_grid(100, 60 * size, 12 * size, grid)
    plain = volume_plain(12 * size, size).gradients
    assert volume.inverses * size == pytest.approx(inverses)
    assert (volume.gradients - plain) * size == pytest.approx(gradients)
    # All ranks get the sums, as of gradients.
    assert volume.factors == pytest.approx(volume_plain(100, size).gradients)
    assert volume.weights == 0


def test_a_lone_process_sends_nothing():
    assert volume_of_grid(100, 60, 12, Grid(1)).total == 0
    assert volume_of_owners(100, 60, 12, 1).total == volume_plain(12, 1).total == 0


def test_the_mean_over_steps_spreads_what_is_not_sent_in_every_step():
    volume = Volume(factors=30, inverses=40, gradients=5, weights=6)
    mean = volume.per_step(10, 20)
    assert mean == Volume(factors=3, inverses=2, gradients=5, weights=6)
    assert mean.total == 16
