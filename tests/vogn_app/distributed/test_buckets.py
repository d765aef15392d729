"""Buckets are laid out alike everywhere, and their sums begin in order."""

import itertools

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.vogn_app.distributed.processes import run
from vogn_app.distributed import buckets as module
from vogn_app.distributed import ranks_of
from vogn_app.distributed.buckets import Buckets, assign

CPU, META = torch.device("cpu"), torch.device("meta")


def entries(*shapes, dtype=torch.float32, device=CPU):
    return [(torch.Size(shape), dtype, device) for shape in shapes]


def places(*args, **limits):
    """Bucket and first element of each entry."""
    return [(slot.bucket, slot.start) for slot in assign(*args, **limits)]


def test_entries_follow_each_other_up_to_the_limit():
    each = entries((2,), (3,), (2, 2), (1,), ())
    assert places(each, limit=100, first=100) == [
        (0, 0), (0, 2), (0, 5), (0, 9), (0, 10),
    ]  # fmt: skip
    # 4 bytes an element: 5 elements, then 9, fill a bucket to the last byte.
    assert places(each, limit=20, first=20) == [(0, 0), (0, 2), (1, 0), (1, 4), (2, 0)]
    assert [slot.shape for slot in assign(each)] == [shape for shape, _, _ in each]


def test_the_first_bucket_has_a_limit_of_its_own():
    each = entries((2,), (2,), (2,), (2,))
    assert places(each, limit=100, first=8) == [(0, 0), (1, 0), (1, 2), (1, 4)]


def test_an_entry_above_the_limit_has_a_bucket_for_itself():
    each = entries((1,), (50,), (1,), (1,))
    assert places(each, limit=8, first=8) == [(0, 0), (1, 0), (2, 0), (2, 1)]
    assert places(each[1:], limit=8, first=8) == [(0, 0), (1, 0), (1, 1)]


def test_another_type_or_device_begins_another_bucket():
    each = [
        *entries((2,)), *entries((2,), dtype=torch.float64),
        *entries((2,), device=META), *entries((2,), (2,)),
    ]  # fmt: skip
    assert places(each) == [(0, 0), (1, 0), (2, 0), (3, 0), (3, 2)]


def test_no_entries_and_entries_without_elements():
    assert assign([]) == []
    assert places(entries((0,), (2,), (3, 0), (1,))) == [(0, 0), (0, 0), (0, 2), (0, 2)]


def test_default_limits_are_those_of_the_module():
    small = entries(*[(2**16,)] * 6)  # 256 KiB each
    assert [bucket for bucket, _ in places(small)] == [0, 0, 0, 0, 1, 1]


# --- on processes -----------------------------------------------------------------

SHAPES = [(2,), (3, 2), (), (5,), (0,), (2, 2)]
LIMIT = 64  # bytes, 8 elements of float64: three buckets


def values_of(rank):
    generator = torch.Generator().manual_seed(rank)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def made_buckets():
    each = entries(*SHAPES, dtype=torch.float64)
    ranks = ranks_of("default", nn.Linear(1, 1))
    return Buckets(each, ranks, limit=LIMIT, first=LIMIT)


def sums(rank, orders):
    """For orders of filling: sums, the order of launches, what was under way."""
    made, results, values = made_buckets(), [], values_of(rank)
    launched, plain = [], dist.all_reduce

    def watched(tensor, **options):
        launched.append([m.data_ptr() for m in made._memory].index(tensor.data_ptr()))
        return plain(tensor, **options)

    dist.all_reduce = watched
    for order in orders:
        launched.clear()
        made.begin()
        # Each rank fills in its own order, and leaves the last two to `finish`.
        for index in (order if rank else order[::-1])[:-2]:
            made.put(index, values[index], 2.0)
        made.finish(lambda index: (values[index], 2.0))
        own = [made.result(index).clone() for index in range(len(SHAPES))]
        results.append((own, list(launched), made.under_way))
    return results


def test_sums_are_the_same_for_any_order_of_filling(tmp_path):
    orders = list(itertools.permutations(range(len(SHAPES))))[::37]
    for size in (2, 3):
        each = [values_of(rank) for rank in range(size)]
        expected = [2 * sum(values) for values in zip(*each, strict=True)]
        for results in run(sums, size, tmp_path, orders):
            for own, launched, under_way in results:
                assert launched == [0, 1, 2]
                assert not under_way
                torch.testing.assert_close(own, expected, rtol=1e-14, atol=1e-14)


def nothing(rank):
    made = made_buckets()
    made.put(2, torch.ones(()))
    made.finish(lambda index: (torch.ones(2) if index == 0 and rank else None, 3.0))
    return [made.result(index).clone() for index in range(len(SHAPES))]


def test_a_value_that_is_missing_counts_as_zero(tmp_path):
    expected = [torch.zeros(shape) for shape in SHAPES]
    expected[0], expected[2] = torch.full((2,), 3.0), torch.tensor(2.0)
    for got in run(nothing, 2, tmp_path):
        torch.testing.assert_close(got, expected, rtol=0, atol=0)


def begins(rank):
    """Which buckets are under way after each value, filled from the last one."""
    made, counts = made_buckets(), []
    for index in (5, 4, 3, 0, 2, 1):
        made.put(index, torch.ones(SHAPES[index]))
        counts.append(len(made._works))
    made.finish(lambda index: (None, 1.0))
    return [slot.bucket for slot in made.slots], counts


def test_a_bucket_waits_for_those_before_it(tmp_path):
    for buckets, counts in run(begins, 2, tmp_path):
        assert buckets == [0, 0, 1, 1, 1, 2]
        # 5 fills the last bucket, 1 the first: all that waited begin together.
        assert counts == [0, 0, 0, 0, 0, 3]


def rounds(rank):
    """bfloat16 values that float32 sums hold exactly, times a factor it does not."""
    made = Buckets(entries((2,)), ranks_of("default", nn.Linear(1, 1)))
    value = torch.tensor([1.0078125, -3.0], dtype=torch.bfloat16)
    made.put(0, value, 257.0)
    made.finish(lambda index: (None, 1.0))
    return made.result(0)


def test_half_precisions_are_multiplied_in_the_type_of_the_sums(tmp_path):
    expected = torch.tensor([1.0078125, -3.0], dtype=torch.float32) * 257 * 2
    for got in run(rounds, 2, tmp_path):
        assert torch.equal(got, expected)


def test_a_value_is_put_once(monkeypatch):
    monkeypatch.setattr(module.dist, "all_reduce", lambda *_, **__: object())
    made = Buckets(entries((2,)), ranks_of(None, nn.Linear(1, 1)))
    assert not made.under_way
    made.put(0, torch.ones(2))
    assert made.under_way
    with pytest.raises(AssertionError):
        made.put(0, torch.ones(2))
