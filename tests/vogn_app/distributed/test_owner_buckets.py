"""Buckets with a buffer for each owner, which are summed in one order everywhere."""

import pytest
import torch
from torch import nn

from tests.vogn_app.distributed.processes import run
from vogn_app.distributed import Entry, Item, ranks_of
from vogn_app.distributed.owner_buckets import Bucket, OwnerBuckets, grouped

CPU = torch.device("cpu")


def item(kind, *shape, owner=None, dtype=torch.float64, symmetric=False):
    return Item(kind, Entry(shape, symmetric), dtype, owner)


def test_items_of_a_kind_follow_each_other_up_to_the_limit():
    each = [item("a", size) for size in (2, 3, 4, 1, 1)]  # 8 bytes a number
    assert grouped(each) == [[0, 1, 2, 3, 4]]
    assert grouped(each, limit=40, first=40) == [[0, 1], [2, 3], [4]]
    assert grouped(each, limit=48, first=16) == [[0], [1], [2, 3, 4]]
    assert grouped([]) == []


def test_kinds_and_types_fill_buckets_of_their_own_in_the_order_of_their_ends():
    each = [item("a", 2), item("b", 2), item("a", 2), item("a", 2), item("b", 2)]
    assert grouped(each, limit=32, first=32) == [[0, 2], [3], [1, 4]]
    mixed = [item("a", 2), item("a", 2, dtype=torch.float32), item("a", 2, owner=0)]
    assert grouped(mixed) == [[0], [1], [2]]


def test_an_item_above_the_limit_has_a_bucket_for_itself():
    each = [item("a", size) for size in (1, 50, 1, 1)]
    assert grouped(each, limit=16, first=16) == [[0], [1], [2, 3]]
    assert grouped(each[1:], limit=16, first=16) == [[0], [1, 2]]


def test_a_symmetric_item_takes_the_room_of_its_upper_triangle():
    assert item("a", 2, 5, 5, symmetric=True).num_bytes == 2 * 15 * 8
    assert item("a", 2, 5, 5, dtype=torch.float32).num_bytes == 2 * 25 * 4


# --- over ranks -------------------------------------------------------------------

ITEMS = [
    item("s", 1, 3, 3, owner=1, symmetric=True),
    item("g", 4),
    item("s", 2, 2, owner=0),
    item("g", 2, 3),
    item("s", 1, 2, 2, owner=1, symmetric=True),
    item("g", dtype=torch.float32),
    item("g", 0, 3),
]


def value_of(rank, number, round_=0):
    generator = torch.Generator().manual_seed(100 * rank + 10 * round_ + number)
    each = ITEMS[number]
    value = torch.rand(each.entry.shape, generator=generator, dtype=torch.float64)
    return value + value.mT if each.entry.symmetric else value


def expected(number, size, round_=0, absent=()):
    values = (
        (rank + 1) * value_of(rank, number, round_)
        for rank in range(size)
        if rank not in absent
    )
    return sum(values).to(ITEMS[number].dtype)


def sums(rank, size, half):
    ranks = ranks_of("default", nn.Linear(1, 1))
    halves = {} if half is None else {"s": half}
    launched, plain = [], Bucket.launch
    Bucket.launch = lambda self: (launched.append(self.kind), plain(self))
    made = OwnerBuckets(ITEMS, ranks, CPU, halves, limit=32, first=32)
    result = []
    for round_ in range(2):
        made.begin()
        order = list(range(len(ITEMS)))
        for number in order[::-1] if rank else order:  # all launch in one order
            absent = number == 2 and rank == 0
            value = None if absent else value_of(rank, number, round_)
            made.put(number, value, rank + 1.0)
        assert made.under_way
        if round_:  # other values, once more for one kind
            made.begin({"g"})
            for number in (1, 3, 5, 6):
                assert not made.is_filled(number)
                made.put(number, value_of(rank, number, 2), rank + 1.0)
        result.append(made.sums())
        assert not made.under_way
    Bucket.launch = plain
    return result, launched


@pytest.mark.parametrize("half", [None, torch.float16], ids=str)
@pytest.mark.parametrize("size", [2, 3])
def test_owners_get_their_sums_and_all_get_the_others(half, size, tmp_path):
    results = run(sums, size, tmp_path, size, half)
    tolerance = 1e-14 if half is None else 2.0**-9
    for rank, (rounds, launched) in enumerate(results):
        assert launched == results[0][1]
        mine = {n for n, each in enumerate(ITEMS) if each.owner in (None, rank)}
        for round_, found in enumerate(rounds):
            assert set(found) == mine
            for number, got in found.items():
                shared = ITEMS[number].kind == "g"
                true = expected(
                    number, size, 2 * round_ if shared else round_,
                    absent=(0,) if number == 2 else (),
                )  # fmt: skip
                loose = tolerance if not shared else 1e-6
                torch.testing.assert_close(got, true, rtol=loose, atol=loose)
