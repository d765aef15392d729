"""Averages over ranks equal the formula, whatever was sent before it was final."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.vogn_app.distributed.processes import GONE, message_of, run
from vogn_app.distributed import Exchange, Statistics, Weighing, ranks_of
from vogn_app.distributed.buckets import FIRST_BYTES

SHAPES = [(3, 2), (4,), (), (2, 2)]
NUM_EXAMPLES = (3, 5, 1)  # of ranks
MEAN, SUM = Weighing(mean=True), Weighing(mean=False)


class Rank:
    """Parameters, and values for gradients and squares that a test chooses."""

    def __init__(self, rank, *, squares=True, weighing=MEAN, dtype=torch.float64):
        self.rank, self.weighing, self.with_squares = rank, weighing, squares
        self.parameters = [
            nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in SHAPES
        ]
        ranks = ranks_of("default", nn.Linear(1, 1))
        self.exchange = Exchange(self.parameters, ranks, squares=squares)
        self.num_examples = NUM_EXAMPLES[rank]
        self.draw(None)

    def draw(self, which):
        """New squares, and new gradients for some parameters (None for all)."""
        self.which = range(len(SHAPES)) if which is None else which
        self.factors = [torch.randn_like(p) for p in self.parameters]
        self.squares = [
            torch.rand(shape) if n in self.which and self.with_squares else None
            for n, shape in enumerate(SHAPES)
        ]
        for parameter in self.parameters:
            parameter.grad = None

    def backward(self, **options):
        parts = [(self.parameters[n] * self.factors[n]).sum() for n in self.which]
        if parts:
            sum(parts).backward(**options)

    def sending(self, squares_of=None, num_examples=None):
        return self.exchange.overlapping(
            squares_of or (lambda number: self.squares[number]),
            num_examples or (lambda: self.num_examples),
            self.weighing,
        )

    def average(self):
        """What this rank has in the end, and the average."""
        gradients = [p.grad for p in self.parameters]
        own = Statistics(gradients, self.squares, self.num_examples)
        copies = [[None if v is None else v.clone() for v in each]
                  for each in (gradients, self.squares)]  # fmt: skip
        mean = self.exchange.average(own, self.weighing)
        return Statistics(*copies, self.num_examples), mean


def formula(each, weighing):
    """Averages over all ranks' examples, directly."""
    total = sum(own.num_examples for own in each)
    result = []
    for kind in (0, 1):
        lists = [(own.gradients, own.squares)[kind] for own in each]
        factors = [weighing.factors(own.num_examples)[kind] for own in each]
        means = []
        for values in zip(*lists, strict=True):
            there = [
                v.double() * f for v, f in zip(values, factors, strict=True)
                if v is not None
            ]  # fmt: skip
            means.append(sum(there) / total if there else None)
        result.append(means)
    return Statistics(*result, total)


def assert_average(results, weighing=MEAN, relative=1e-13):
    """Every round: the formula, and the same bits on all ranks."""
    for each in zip(*results, strict=True):
        expected = formula([own for own, _ in each], weighing)
        for _, mean in each:
            assert mean.num_examples == expected.num_examples
            for kind in ("gradients", "squares"):
                lists = [getattr(s, kind) for s in (mean, expected, each[0][1])]
                for got, true, first in zip(*lists, strict=True):
                    assert (got is None) == (true is None)
                    if got is not None:
                        torch.testing.assert_close(
                            got.double(), true, rtol=relative, atol=relative
                        )
                        assert torch.equal(got, first)


def plain(rank, squares, weighing, dtype):
    one, results = Rank(rank, squares=squares, weighing=weighing, dtype=dtype), []
    for _ in range(4):
        one.draw(None)
        with one.sending():
            one.backward()
        own, mean = one.average()
        assert all(g.dtype == dtype for g in mean.gradients)
        results.append((own, mean))
    return results


@pytest.mark.parametrize("squares", [True, False])
@pytest.mark.parametrize("weighing", [MEAN, SUM], ids=["mean", "sum"])
def test_averages_are_those_over_all_examples(squares, weighing, tmp_path):
    results = run(plain, 3, tmp_path, squares, weighing, torch.float64)
    assert_average(results, weighing)
    assert all(mean.squares[0] is None for _, mean in results[0]) == (not squares)


def test_half_precisions_are_averaged_in_single(tmp_path):
    results = run(plain, 2, tmp_path, True, MEAN, torch.bfloat16)
    assert_average(results, relative=2**-8)  # rounded once, to 8 bits
    squares = [(own.squares, mean.squares) for own, mean in results[0]]
    assert all(s.dtype == torch.float32 for _, mean in squares for s in mean)


# --- what changes after it was sent -----------------------------------------------


def second_backward(one):
    with one.sending():
        one.backward()
        one.backward()


def second_call(one):
    """A parameter that the first backward left out; squares may be of both."""
    with one.sending(num_examples=iter([2, None, None, None, None, None]).__next__):
        one.which = [3]
        one.backward()
        one.which = range(len(SHAPES))
        one.backward()


def changed_gradient(one):
    with one.sending():
        one.backward()
        one.parameters[1].grad.mul_(3)


def clipped(one):
    with one.sending():
        one.backward()
        nn.utils.clip_grad_norm_(one.parameters, 0.1)


def removed_gradient(one):
    with one.sending():
        one.backward()
        one.parameters[2].grad = None


def changed_squares(one):
    with one.sending():
        one.backward()
        one.squares[0].add_(1)


def other_squares(one):
    with one.sending():
        one.backward()
        one.squares[0] = one.squares[0] + 1


def other_count(one):
    with one.sending(num_examples=lambda: one.num_examples + 1):
        one.backward()


# Rank 0 does not do it; whether all have to send again.
CASES = {
    second_backward: True, second_call: True, changed_gradient: True, clipped: True,
    removed_gradient: True, changed_squares: True, other_squares: True,
    other_count: True,
}  # fmt: skip


def after_changes(rank, act):
    one, results = Rank(rank), []
    sums = counted_sums()
    for _ in range(2):
        one.draw(None)
        sums.clear()
        if rank:
            act(one)
        else:
            with one.sending():
                one.backward()
        results.append((*one.average(), len(sums)))
    with one.sending():
        one.draw(None)
        sums.clear()
        one.backward()
    return results, (*one.average(), len(sums))


def counted_sums():
    """A list that grows with every all_reduce of values."""
    found, plain = [], dist.all_reduce

    def counted(tensor, **options):
        if tensor.is_floating_point():
            found.append(tensor.numel())
        return plain(tensor, **options)

    dist.all_reduce = counted
    return found


@pytest.mark.parametrize("act", CASES, ids=lambda act: act.__name__)
def test_what_changed_after_it_was_sent_is_sent_again_by_all(act, tmp_path):
    results = run(after_changes, 2, tmp_path, act)
    assert_average([[r[:2] for r in rounds] for rounds, _ in results])
    assert_average([[last[:2]] for _, last in results])
    assert [r[2] for rounds, _ in results for r in rounds] == [2] * 4
    assert [last[2] for _, last in results] == [1, 1]


# --- what is missing --------------------------------------------------------------


def late(rank):
    """Squares of some parameters, others on each rank, come after backward."""
    one, results = Rank(rank), []
    sums = counted_sums()
    for _ in range(3):
        one.draw(None)
        sums.clear()
        squares = list(one.squares)
        squares[rank] = None
        with one.sending(squares_of=squares.__getitem__):
            one.backward()
        results.append((*one.average(), len(sums)))
    return results


def test_squares_that_come_late_are_sent_at_the_end(tmp_path):
    results = run(late, 2, tmp_path)
    assert_average([[r[:2] for r in rounds] for rounds in results])
    assert [r[2] for rounds in results for r in rounds] == [1] * 6


def missing(rank, which):
    one, results = Rank(rank), []
    for _ in range(3):
        one.draw(which[rank])
        with one.sending():
            one.backward()
        results.append(one.average())
    return results


@pytest.mark.parametrize(
    "which",
    [([0, 1, 2, 3], [0, 3]), ([1, 2], [0, 2, 3]), ([0, 1, 2], [0, 1])],
    ids=["on one rank", "on both", "on all"],
)
def test_parameters_without_a_gradient_count_as_zero_or_stay_without(which, tmp_path):
    results = run(missing, 2, tmp_path, which)
    assert_average(results)
    everywhere = [n for n in range(4) if n not in which[0] and n not in which[1]]
    for _, mean in results[1]:
        absent = [n for n in range(4) if mean.gradients[n] is None]
        assert absent == everywhere


def empty(rank, kind, idle):
    """Ranks in `idle` have no examples: no backward, or one of a mean over nothing."""
    one, results = Rank(rank), []
    for _ in range(3):
        none = rank in idle
        one.draw([] if none and kind == "no backward" else None)
        one.num_examples = 0 if none else NUM_EXAMPLES[rank]
        if none and kind == "no number":
            one.factors = [torch.full_like(f, torch.nan) for f in one.factors]
        with one.sending(num_examples=lambda none=none: 0 if none else 3):
            one.backward()
        own, mean = one.average()
        nothing = [None] * len(SHAPES)
        results.append((Statistics(nothing, nothing, 0) if none else own, mean))
    return results


@pytest.mark.parametrize("kind", ["no backward", "no number"])
@pytest.mark.parametrize("idle", [(1,), (0,), (0, 1)], ids=str)
def test_ranks_without_examples_change_nothing(kind, idle, tmp_path):
    results = run(empty, 2, tmp_path, kind, idle)
    assert_average(results)
    if idle == (0, 1):
        assert all(g is None for g in results[0][0][1].gradients)


# --- within the backward pass -----------------------------------------------------


def overlaps(rank):
    """What happens in which order, in a backward pass through four large layers."""
    side = int((FIRST_BYTES / 8) ** 0.5) + 1  # a weight above the first limit
    model = nn.Sequential(*[nn.Linear(side, side) for _ in range(4)])
    parameters, events = list(model.parameters()), []
    made = Exchange(parameters, ranks_of("default", model), squares=False)
    plain = dist.all_reduce

    def watched(tensor, **options):
        events.append("sum")
        return plain(tensor, **options)

    dist.all_reduce = watched
    model[0].weight.register_hook(lambda _: events.append("first layer"))
    with made.overlapping(lambda _: None, lambda: 2, MEAN):
        model(torch.randn(2, side)).sum().backward()
        events.append("backward over")
    made.average(Statistics([p.grad for p in parameters], [None] * 8, 2), MEAN)
    return events


def test_sums_begin_long_before_the_backward_pass_is_over(tmp_path):
    for events in run(overlaps, 2, tmp_path):
        assert events.index("sum") < events.index("first layer")
        assert events.index("first layer") < events.index("backward over")


def learns(rank):
    """Backward passes that finish parameters in an order of their own."""
    one, orders = Rank(rank), []
    late = {0, 2, 3}  # whose squares come late, fewer in the second block
    for _ in range(3):
        one.draw([2, 0, 3])  # number 1 is not used
        with one.sending(lambda n: None if n in late else one.squares[n]):
            for n in (2, 3, 0) if rank == 0 else (0, 3, 2):
                one.which = [n]
                one.backward()
        own, mean = one.average()
        orders.append(["gs"[squares] + str(n) for n, squares in one.exchange._entries])
        late = {0}
    return orders, own, mean


def test_buckets_take_the_order_in_which_rank_0_could_send(tmp_path):
    results = run(learns, 2, tmp_path)
    assert_average([[(own, mean)] for _, own, mean in results])
    first = ["g2", "g3", "g0", "s3", "s2", "g1", "s1", "s0"]  # others from the last on
    second = ["g2", "s2", "g3", "s3", "g0", "g1", "s1", "s0"]
    for orders, _, _ in results:
        assert orders == [first, second, second]


def graph(rank):
    """Without squares nothing keeps a user from second derivatives."""
    one = Rank(rank, squares=False)
    with one.sending():
        loss = sum((p**3).sum() for p in one.parameters)
        loss.backward(create_graph=True)
    own, mean = one.average()
    for parameter in one.parameters:
        parameter.grad = None  # it refers to its parameter
    return [(Statistics([g.detach() for g in own.gradients], own.squares, 3), mean)]


@pytest.mark.filterwarnings("ignore:Using backward")
def test_gradients_with_a_graph_are_sent_without_it(tmp_path):
    results = run(graph, 2, tmp_path)
    for _, mean in (each for rounds in results for each in rounds):
        assert all(not g.requires_grad for g in mean.gradients)
        assert all((g == 3.0 * (3 + 5) / 8).all() for g in mean.gradients)


# --- errors -----------------------------------------------------------------------


def fails(rank):
    one = Rank(rank)

    def block(stop):
        with one.sending():
            one.backward()
            if stop:
                raise ValueError("stop")
        return one.average()

    messages = []
    for stop in (rank == 1, False):
        one.draw(None)
        messages.append(message_of(block, stop)[0])
        if rank == 0:
            break
    dist.destroy_process_group()
    return messages, [len(p._post_accumulate_grad_hooks) for p in one.parameters]


def test_a_block_that_failed_while_sending_cannot_be_followed_by_another(tmp_path):
    (other, _), ((first, second), hooks) = run(fails, 2, tmp_path)
    assert [f"RuntimeError: {GONE}" in message for message in other] == [True]
    assert (first, hooks) == ("ValueError: stop", [0] * len(SHAPES))
    assert second == (
        "RuntimeError: blocks must end together on all ranks, got one that an "
        "exception ended while its gradients were being sent: start all ranks again."
    )
