"""Sums over ranks begin within the backward pass, and are right whatever follows."""

import os
import signal

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.distributed.processes import GONE, message_of, run
from tests.vogn_app.integration.test_kfac_ddp import batch, network
from vogn_app import KFAC, SPNGD
from vogn_app.curvature.uses import in_backward
from vogn_app.distributed.buckets import FIRST_BYTES
from vogn_app.distributed.early_sums import GRADIENTS, STATISTICS
from vogn_app.distributed.owner_buckets import Bucket

STEPS = range(3)
ROWS = (slice(0, 8), slice(8, 12))  # of the two ranks
ALL = slice(0, 12)
LATE, EARLY = False, True


def optimizer_of(name, model, **settings):
    settings = {"lr": 0.05, "damping": 1e-2, "kl_clip": 1e-2, **settings}
    if name == "SPNGD":
        return SPNGD(model, staleness=0.0, **settings)
    return KFAC(model, factor_interval=1, factor_decay=0.5, **settings)


def logged_launches():
    """Kinds of sums that begin, and whether backward runs then."""
    found, plain = [], Bucket.launch

    def launch(bucket):
        found.append((bucket.kind, in_backward()))
        plain(bucket)

    Bucket.launch = launch
    return found


# --- what a step does -------------------------------------------------------------
# Each takes the model, the rank (None for one process on all examples), examples.


def loss_of(model, x, y):
    return F.cross_entropy(model(x), y)


def plain(model, rank, x, y):
    loss_of(model, x, y).backward()


def scaled_gradients(model, rank, x, y):
    plain(model, rank, x, y)
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(0.5)


def touched_on_one_rank(model, rank, x, y):
    plain(model, rank, x, y)
    if rank == 1:
        model[-1].bias.grad.mul_(1.0)


def removed_on_one_rank(model, rank, x, y):
    """In one process the gradient of the other rank's examples remains."""
    plain(model, rank, x, y)
    if rank == 1:
        model[-1].bias.grad = None
    if rank is None:
        bias = model[-1].bias
        part = F.cross_entropy(model(x[ROWS[0]]), y[ROWS[0]], reduction="sum") / len(y)
        (bias.grad,) = torch.autograd.grad(part, [bias])


def two_losses(model, rank, x, y):
    output = model(x)
    (0.3 * F.cross_entropy(output, y)).backward(retain_graph=True)
    (output.square().sum(1).mean() / 9).backward()


def micro_batches(model, rank, x, y):
    if rank is None:
        plain(model, rank, x, y)
        return
    for part, label in zip(x.chunk(2), y.chunk(2), strict=True):
        (loss_of(model, part, label) / 2).backward()


def no_examples_on_one_rank(model, rank, x, y):
    if rank != 0:
        plain(model, rank, x, y)


def given_up_before(model, rank, x, y):
    """As in the first half of a step of SAM: a pass that is dropped."""
    plain(model, rank, x[:2], y[:2])
    model.zero_grad()
    plain(model, rank, x, y)


EVERY = (STATISTICS, GRADIENTS)
CASES = {  # what is sent again
    plain: (), scaled_gradients: (GRADIENTS,), touched_on_one_rank: (GRADIENTS,),
    removed_on_one_rank: (GRADIENTS,), two_losses: EVERY, micro_batches: EVERY,
    no_examples_on_one_rank: (), given_up_before: EVERY,
}  # fmt: skip


def rows_of(act, rank):
    if act is no_examples_on_one_rank:
        return (slice(0, 0), ALL)[rank]
    return ROWS[rank]


def train(act, name, rank, launches=None):
    model, log = network(), []
    group = None if rank is None else "default"
    optimizer = optimizer_of(name, model, process_group=group)
    for step in STEPS:
        x, y = batch(step)
        rows = ALL if rank is None else rows_of(act, rank)
        optimizer.zero_grad()
        if launches is not None:
            launches.clear()
        act(model, rank, x[rows], y[rows])
        optimizer.step()
        log.append(list(launches or ()))
    return {n: p.detach() for n, p in model.named_parameters()}, log


def all_cases(rank, name):
    launches = logged_launches()
    return {act.__name__: train(act, name, rank, launches) for act in CASES}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SPNGD", "KFAC"])
def test_what_is_sent_early_and_again_gives_the_result_of_one_process(name, tmp_path):
    results = run(all_cases, 2, tmp_path, name)
    for act, again in CASES.items():
        expected, _ = train(act, name, None)
        for rank, result in enumerate(results):
            parameters, log = result[act.__name__]
            assert_close(parameters, expected)
            idle = act is no_examples_on_one_rank and rank == 0
            for kind in EVERY:
                moments = [[when for k, when in each if k == kind] for each in log]
                once, twice = [LATE if idle else EARLY], [EARLY, LATE]
                # After a repetition the next step sends late.
                expect = [twice, [LATE], twice] if kind in again else [once] * 3
                assert moments == expect, (act.__name__, kind)


class Branching(nn.Module):
    """A layer that only some examples go through."""

    def __init__(self):
        super().__init__()
        self.first, self.extra = nn.Linear(4, 5), nn.Linear(5, 5)
        self.norm, self.last = nn.LayerNorm(5), nn.Linear(5, 3)

    def forward(self, x, used):
        x = self.first(x).tanh()
        if used.any():
            x = torch.cat((self.extra(x[used]).sin(), x[~used]))
        return self.last(self.norm(x))


def branching(rank, name, launches=None):
    torch.manual_seed(3)
    model = Branching().double()
    group = None if rank is None else "default"
    optimizer = optimizer_of(name, model, process_group=group)
    used, log = torch.arange(12) < ROWS[0].stop, []
    rows = ALL if rank is None else ROWS[rank]
    for step in STEPS:
        x, y = batch(step)
        optimizer.zero_grad()
        if launches is not None:
            launches.clear()
        output = model(x[rows].double() / 9, used[rows])
        F.cross_entropy(output, y[rows]).backward()
        optimizer.step()
        log.append(sorted(launches or ()))
    return {n: p.detach() for n, p in model.named_parameters()}, log


def both_branching(rank):
    launches = logged_launches()
    return {name: branching(rank, name, launches) for name in ("SPNGD", "KFAC")}


def test_a_layer_that_one_rank_does_not_use_is_sent_at_the_end_by_it(tmp_path):
    results = run(both_branching, 2, tmp_path)
    for name in ("SPNGD", "KFAC"):
        expected, _ = branching(None, name)
        for rank, when in enumerate((EARLY, LATE)):
            parameters, log = results[rank][name]
            assert_close(parameters, expected)
            assert log == [sorted((kind, when) for kind in EVERY)] * len(STEPS)


# --- within the backward pass -----------------------------------------------------


def large():
    """Layers whose statistics and weights are above the limit of the first bucket."""
    side = int((FIRST_BYTES / 4) ** 0.5)  # of triangles in double precision
    return nn.Sequential(*[nn.Linear(side, side, bias=False) for _ in range(4)])


def overlaps(rank, half):
    """What happens in which order, in a step that begins all sums."""
    model, events = large().double(), []
    optimizer = SPNGD(model, communication_dtype=half)
    plain = Bucket.launch

    def launch(bucket):
        events.append(bucket.kind)
        plain(bucket)

    Bucket.launch = launch
    model[0].weight.register_hook(lambda _: events.append("first layer"))
    x = torch.randn(6, model[0].in_features, dtype=torch.float64)
    model(x).sum(1).mean().backward()
    events.append("backward over")
    optimizer.step()
    return events


@pytest.mark.parametrize("half", [None, torch.bfloat16], ids=str)
def test_sums_begin_long_before_the_backward_pass_is_over(half, tmp_path):
    for events in run(overlaps, 2, tmp_path, half):
        before = events[: events.index("first layer")]
        assert set(before) == set(EVERY)
        assert events[-1] == "backward over"
        assert len(events) == 6  # all sums have begun


def rounded(rank, name):
    model = network()
    optimizer = optimizer_of(name, model, communication_dtype=torch.float16)
    launches = logged_launches()
    x, y = batch(0)
    plain(model, rank, x[ROWS[rank]], y[ROWS[rank]])
    optimizer.step()
    return optimizer.preconditioner.factors(), list(launches)


@pytest.mark.parametrize("name", ["SPNGD", "KFAC"])
def test_statistics_in_half_precision_are_sent_early(name, tmp_path):
    results = run(rounded, 2, tmp_path, name)
    model = network()
    optimizer = optimizer_of(name, model, process_group=None)
    plain(model, None, *batch(0))
    optimizer.step()
    expected = optimizer.preconditioner.factors()
    for factors, launches in results:
        assert launches == [(STATISTICS, EARLY), (GRADIENTS, EARLY)]
        if name == "KFAC":
            assert set(factors) == set(expected)
        for key, factor in factors.items():
            true = expected[key].matrix()
            error = (factor.matrix() - true).norm()
            assert error <= 2 * 2**-11 * true.norm()
            assert error or key[0] == "0"  # an embedding counts
    held = [set(factors) for factors, _ in results]
    assert set.union(*held) == set(expected)


# --- steps that do not end as they began ------------------------------------------


def step_on(optimizer, model, step, rows):
    x, y = batch(step)
    optimizer.zero_grad()
    loss_of(model, x[rows], y[rows]).backward()
    optimizer.step()


def overflows(rank, name):
    """Rank 0 has no examples, rank 1 finds a gradient that is not finite."""
    model = network()
    optimizer = optimizer_of(name, model)
    before = [p.detach().clone() for p in model.parameters()]
    if rank:
        x, y = batch(0)
        loss_of(model, x[ROWS[1]], y[ROWS[1]]).backward()
    optimizer.grad_scale = torch.ones(())
    optimizer.found_inf = torch.tensor(float(rank))
    optimizer.step()
    kept = all(map(torch.equal, model.parameters(), before))
    optimizer.found_inf = torch.zeros(())
    step_on(optimizer, model, 1, ROWS[rank])
    return kept, {n: p.detach() for n, p in model.named_parameters()}


@pytest.mark.parametrize("name", ["SPNGD", "KFAC"])
def test_a_step_that_is_skipped_leaves_nothing_behind(name, tmp_path):
    results = run(overflows, 2, tmp_path, name)
    model = network()
    step_on(optimizer_of(name, model, process_group=None), model, 1, ALL)
    for kept, parameters in results:
        assert kept
        assert_close(parameters, dict(model.named_parameters()))


def goes_back(rank):
    """A state is loaded between backward and step, where rank 0 had no examples."""
    model = network()
    optimizer = optimizer_of("KFAC", model)
    step_on(optimizer, model, 0, ROWS[rank])
    state = optimizer.state_dict()
    if rank:
        x, y = batch(1)
        loss_of(model, x[ROWS[1]], y[ROWS[1]]).backward()
    optimizer.load_state_dict(state)
    step_on(optimizer, model, 2, ROWS[rank])
    return {n: p.detach() for n, p in model.named_parameters()}


def test_a_state_may_be_loaded_in_place_of_a_step(tmp_path):
    model = network()
    optimizer = optimizer_of("KFAC", model, process_group=None)
    for step in (0, 2):
        step_on(optimizer, model, step, ALL)
    for parameters in run(goes_back, 2, tmp_path):
        assert_close(parameters, dict(model.named_parameters()))


class FailError(Exception):
    pass


def fails_once(rank, name):
    """Rank 0 gives a batch up in the middle of its backward pass; rank 1 does not."""
    model = network()
    optimizer = optimizer_of(name, model)
    if rank == 0:

        def fail(_):
            raise FailError

        handle = model[4].weight.register_hook(fail)
        with pytest.raises(FailError):
            step_on(optimizer, model, 7, ROWS[0])
        handle.remove()
    for step in STEPS:
        step_on(optimizer, model, step, ROWS[rank])
    return {n: p.detach() for n, p in model.named_parameters()}


@pytest.mark.parametrize("name", ["SPNGD", "KFAC"])
def test_a_backward_pass_that_fails_on_one_rank_holds_up_nobody(name, tmp_path):
    model = network()
    optimizer = optimizer_of(name, model, process_group=None)
    for step in STEPS:
        step_on(optimizer, model, step, ALL)
    for parameters in run(fails_once, 2, tmp_path, name):
        assert_close(parameters, dict(model.named_parameters()))


def dies(rank, moment):
    """Rank 1 dies within a backward pass that has begun to send."""
    model = large().double()
    optimizer = SPNGD(model, lr=0.1)
    x = torch.randn(6, model[0].in_features, dtype=torch.float64)
    if rank and moment == "backward":
        model[0].weight.register_hook(lambda _: os.kill(os.getpid(), signal.SIGKILL))
    model(x).sum(1).mean().backward()
    if rank:
        os.kill(os.getpid(), signal.SIGKILL)
    message, seconds = message_of(optimizer.step)
    torch.distributed.destroy_process_group()
    return message, seconds


@pytest.mark.parametrize("moment", ["backward", "between"])
def test_a_rank_that_dies_is_an_error_on_the_others(moment, tmp_path):
    message, seconds = run(dies, 2, tmp_path, moment, may_die=(1,))[0]
    assert f"RuntimeError: {GONE} of the process group is gone" in message
    assert seconds < 20
