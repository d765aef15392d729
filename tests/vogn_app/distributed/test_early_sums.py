"""What is sent early, and what changes after it was sent."""

import torch
import torch.distributed as dist
from torch import nn

from tests.vogn_app.distributed.processes import message_of, run
from vogn_app.distributed import EarlySums, Entry, Item, Own, ranks_of
from vogn_app.distributed.early_sums import GRADIENTS, STATISTICS
from vogn_app.distributed.owner_buckets import Bucket

CPU = torch.device("cpu")
NUM_EXAMPLES = (3, 5)
SHAPES = {"w": (4,), "v": (2, 3), ("w", "inputs"): (1, 3, 3), ("w", "unit"): (3, 2)}


def items():
    """The first two of all ranks, the others of one."""
    return {
        name: Item(GRADIENTS, Entry(shape), torch.float64)
        if isinstance(name, str)
        else Item(STATISTICS, Entry(shape, shape[-1] == 3), torch.float64, owner=1)
        for name, shape in SHAPES.items()
    }


def values_of(rank, step):
    generator = torch.Generator().manual_seed(10 * step + rank)
    each = {n: torch.rand(s, generator=generator) for n, s in SHAPES.items()}
    each["w", "inputs"] += each["w", "inputs"].mT.clone()
    return each


def power(name, num_examples):
    return num_examples if isinstance(name, str) else num_examples**2


class Rank:
    """Sums of values that a test chooses, and what was launched."""

    def __init__(self, rank, **options):
        ranks = ranks_of("default", nn.Linear(1, 1))
        self.sums = EarlySums(items(), ranks, CPU, **options)
        self.rank, self.num_examples, self.step = rank, NUM_EXAMPLES[rank], -1
        self.launched, plain = [], Bucket.launch

        def launch(bucket):
            self.launched.append(bucket.kind)
            plain(bucket)

        Bucket.launch = launch

    def begin(self, **options):
        self.step += 1
        self.launched.clear()
        self.values = values_of(self.rank, self.step)
        self.sums.begin(list(SHAPES), power, **options)

    def offer(self, names=tuple(SHAPES), num_examples=None):
        for name in names:
            value, number = self.values[name], num_examples or self.num_examples
            self.sums.offer(name, value, number)

    def exchange(self, counts=()):
        return self.sums.exchange(Own(self.values, self.num_examples, counts))


def assert_sums(found, values):
    """Sums of both ranks' values, as they were in the end."""
    for each, names in ((found[0], list(SHAPES)[:2]), (found[1], list(SHAPES))):
        assert set(each.values) == set(names)
        for name in names:
            there = (
                power(name, number) * own[name]
                for own, number in zip(values, NUM_EXAMPLES, strict=True)
                if name in own
            )
            true = sum(there, torch.zeros(SHAPES[name]))
            torch.testing.assert_close(each.values[name], true, rtol=1e-14, atol=1e-14)


# --- what changes after it was sent -----------------------------------------------


def nothing(one):
    one.offer()


def only_some(one):
    one.offer([("w", "unit"), "w"])


def other_order(one):
    one.offer(list(SHAPES)[::-1])


def offered_twice(one):
    one.offer()
    one.offer()


def changed_in_place(one):
    one.offer()
    one.values["v"].mul_(2)


def other_tensor(one):
    one.offer()
    one.values["w", "unit"] = one.values["w", "unit"] + 1


def offered_changed(one):
    one.offer()
    one.values["w"].mul_(2)
    one.offer(["w"])


def removed(one):
    one.offer()
    del one.values["v"]


def came_late(one):
    """Sent as nothing, since another exchange had to follow."""
    value = one.values.pop("v")
    one.offer(["w"])
    one.sums.launch(Own(one.values, one.num_examples))
    one.values["v"] = value


def other_count(one):
    one.offer(num_examples=one.num_examples + 1)


EVERY = {GRADIENTS, STATISTICS}
CASES = {  # what is sent again if rank 1 does it
    nothing: set(), only_some: set(), other_order: set(), offered_twice: set(),
    changed_in_place: {GRADIENTS}, other_tensor: {STATISTICS},
    offered_changed: {GRADIENTS}, removed: {GRADIENTS}, came_late: {GRADIENTS},
    other_count: EVERY,
}  # fmt: skip


def after_changes(rank):
    results = {}
    for act in CASES:
        one = Rank(rank)
        one.begin()
        (act if rank else nothing)(one)
        found = one.exchange()
        results[act.__name__] = found, one.values, list(one.launched)
    return results


def test_what_changed_after_it_was_sent_is_sent_again_by_all(tmp_path):
    results = run(after_changes, 2, tmp_path)
    for act, again in CASES.items():
        found, values, launched = zip(*(r[act.__name__] for r in results), strict=True)
        assert_sums(found, values)
        for kinds in launched:
            for kind in EVERY:
                assert kinds.count(kind) == 1 + (kind in again), act.__name__


# --- steps ------------------------------------------------------------------------


def several_steps(rank):
    one, results = Rank(rank), []
    for step in range(5):
        one.begin()
        one.offer()
        early = list(one.launched)
        if rank and step in {0, 2}:
            one.values["w"].add_(1)
        results.append((one.exchange(), one.values, early, list(one.launched)))
    one.begin()
    one.offer(["w", "v"])
    one.sums.drop()
    one.sums.drop()  # nothing has begun
    results.append(list(one.launched))
    one.begin()
    if rank:
        del one.values["w"]
    else:
        one.values.clear()
    results.append((one.exchange([7, rank]), one.values))
    one.num_examples = 0  # of rank 1 below
    one.begin()
    if rank == 0:
        one.num_examples = NUM_EXAMPLES[0]
        one.offer()
    found = one.exchange()
    results.append((found, one.values if rank == 0 else {}))
    return results


def test_steps_with_repetitions_rests_and_ranks_that_have_nothing(tmp_path):
    results = run(several_steps, 2, tmp_path)
    for step in range(5):
        found, values, early, launched = zip(*(r[step] for r in results), strict=True)
        assert_sums(found, values)
        for at_once, kinds in zip(early, launched, strict=True):
            assert STATISTICS in at_once
            assert (GRADIENTS in at_once) == (step in {0, 2})  # then it rests
            assert kinds.count(GRADIENTS) == 1 + (step in {0, 2})
            assert kinds.count(STATISTICS) == 1
    for each in results:
        assert sorted(each[5]) == [GRADIENTS, STATISTICS]  # of the step given up
    found, values = zip(*(r[6] for r in results), strict=True)
    assert_sums(found, values)
    for each in found:
        assert each.present == set(SHAPES) - {"w"}
        assert list(each.counts) == [14, 1]
        assert each.num_examples == sum(NUM_EXAMPLES)
    found, values = zip(*(r[7] for r in results), strict=True)
    assert_sums(found, values)
    assert found[0].num_examples == NUM_EXAMPLES[0]


def without_waiting(rank):
    one, told, plain = Rank(rank), [], dist.all_reduce

    def noted(tensor, **options):
        if not tensor.is_floating_point():
            told.append(tensor.numel())
        return plain(tensor, **options)

    dist.all_reduce = noted
    one.begin(early=False)
    one.offer()
    launched = list(one.launched)
    return one.exchange(), one.values, launched, told


def test_the_host_need_not_wait_where_nothing_is_early_or_counted(tmp_path):
    results = run(without_waiting, 2, tmp_path)
    found, values, launched, told = zip(*results, strict=True)
    assert_sums(found, values)
    assert launched == ([], [])
    assert told == ([1], [1])  # the number of examples alone
    for each in found:
        assert isinstance(each.num_examples, torch.Tensor)
        assert each.num_examples == sum(NUM_EXAMPLES)
        assert each.present is None


def rounded(rank):
    one = Rank(rank, half=torch.bfloat16, whole=lambda item, value: 2 * value)
    one.begin()
    one.offer()
    return one.exchange(), one.values


def test_statistics_alone_are_sent_in_half_precision(tmp_path):
    found, values = zip(*run(rounded, 2, tmp_path), strict=True)
    for name in SHAPES:
        true = sum(
            2 * power(name, number) * own[name]
            for own, number in zip(values, NUM_EXAMPLES, strict=True)
        )
        error = (found[1].values[name] - true).norm() / true.norm()
        assert error < 1e-14 if isinstance(name, str) else 1e-8 < error < 2.0**-8


def given_up(rank):
    one = Rank(rank)
    one.begin()
    one.offer()
    message = message_of(one.begin)[0]
    one.sums.drop()
    return message


def test_a_step_that_began_to_send_must_end(tmp_path):
    for message in run(given_up, 2, tmp_path):
        assert "RuntimeError: steps must end together on all ranks" in message
