"""benchmarks/peers/volume.py."""

import pytest
from torch import nn

from benchmarks.peers import volume


def test_statistics_are_counted_as_triangles():
    # A of three inputs and a 1 has 10 numbers, G of two outputs has 3.
    assert volume.num_statistics(nn.Linear(3, 2)) == 13
    # Scale and shift of five channels: three numbers each.
    assert volume.num_statistics(nn.BatchNorm1d(5)) == 15


def test_what_has_no_statistics_is_not_warned_of():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.free = nn.Parameter(nn.Linear(1, 7).weight.detach())
            self.layer = nn.Linear(3, 2)

    assert volume.num_statistics(Model()) == 13


def test_sums_by_hand():
    # Of 100 bytes of statistics and 40 of gradient, four ranks.
    sent = volume.volumes(100, 40, 4, None)
    totals = {name: each.total for name, each in sent.items()}
    share = 3 / 4
    assert totals == pytest.approx({
        "sgd": share * 80,
        "kfac": share * (80 + 200 / 10 + 100 / 10),
        "kfac_memory": share * (80 + 200 / 10 + 40),
        "sp_ngd every step": share * (40 + 40 + 100),
    })  # fmt: skip


def test_sp_ngd_sends_what_it_refreshes():
    sent = volume.volumes(100, 40, 4, 0.05)
    assert sent["sp_ngd 5.0%"].total == pytest.approx(3 / 4 * (80 + 5))
    assert sent["... half"].total == pytest.approx(3 / 4 * (80 + 2.5))


def test_a_line_has_all_numbers_of_ranks_in_units_of_the_gradient():
    first, *others = volume.lines("small", nn.Linear(3, 2), None)
    assert first.split() == ["small", "sgd", "1.00", "1.75", "1.97", "1.00"]
    assert [line.split()[1] for line in others] == ["kfac", "kfac_memory", "sp_ngd"]
    # 13 statistics beside 8 gradients.
    assert others[-1].split()[-1] == f"{(16 + 13) / 16:.2f}"
    assert volume.HEAD.splitlines()[1].split()[2:] == ["2", "8", "64", "x", "sgd"]
