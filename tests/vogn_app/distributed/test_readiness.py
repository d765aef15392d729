"""What steps teach: when sending early pays, and in which order."""

from itertools import pairwise

import torch
from torch import nn

from tests.vogn_app.distributed.processes import run
from vogn_app.distributed import ranks_of
from vogn_app.distributed.readiness import (
    LESSONS,
    LONGEST_REST,
    Order,
    Patience,
    Readiness,
)


def sent_early(patience, steps, is_true):
    """Steps in which something is sent early."""
    result = []
    for step in range(steps):
        early = patience.rest == 0
        if early:
            result.append(step)
        patience.after_step(repeated=early and not is_true(step))
    return result


def test_it_rests_longer_after_each_repetition():
    assert sent_early(Patience(), 20, lambda _: False) == [0, 2, 6, 14]
    steps = sent_early(Patience(), 1000, lambda _: False)
    gaps = [after - before for before, after in pairwise(steps)]
    assert max(gaps) == gaps[-1] == LONGEST_REST + 1


def test_it_forgives_once_what_was_sent_stayed_true():
    assert sent_early(Patience(), 5, lambda _: True) == list(range(5))
    early = sent_early(Patience(), 12, lambda step: step not in (0, 2, 8))
    assert early == [0, 2, 6, 7, 8, 10, 11]  # rests of 1, 3, and 1 again


NAMES = ["a", ("b", "inputs"), "c", "d"]


def learns(rank):
    """Rank 0 sends in an order of its own; the others send something else."""
    made = Readiness(
        NAMES, ["one", "other"], ranks_of("default", nn.Linear(1, 1)), "cpu"
    )
    orders = []
    sent = [["d"], [("b", "inputs"), "d"], ["a"], ["c", "a", "d"]]
    assert len(sent) == LESSONS + 1
    for early in sent:
        repeated = {"one"} if early == ["d"] else ()
        made.learn(early if rank == 0 else NAMES[::-1], repeated)
        orders.append((made.order, made.pays("one"), made.pays("other")))
    return orders


def test_all_take_the_order_in_which_rank_0_sent_most(tmp_path):
    first = ["d", "a", ("b", "inputs"), "c"]
    second = [("b", "inputs"), "d", "a", "c"]
    for orders in run(learns, 2, tmp_path):
        assert [order for order, _, _ in orders] == [first, second, second, second]
        assert [one for _, one, _ in orders] == [False, True, True, True]
        assert all(other for _, _, other in orders)


def test_it_needs_no_other_rank_when_the_lessons_are_over():
    made = Order(NAMES, None, torch.device("cpu"))
    made._lessons = 0
    assert not made.learn(["d"])
    assert made.values == NAMES
