"""SP-NGD on several real processes: as one process on all examples."""

import copy

import pytest
import torch
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.distributed.processes import message_of, run
from tests.vogn_app.integration.test_kfac_ddp import batch, network, rows_of
from tests.vogn_app.optim.test_kfac_state import is_same
from vogn_app import SPNGD

SETTINGS = {"lr": 0.05, "damping": 1e-2, "kl_clip": 1e-2, "weight_decay": 1e-3}


def train(optimizer, model, rank, size, steps, ddp=False):
    for step in steps:
        x, y = batch(step // 3)  # batches come thrice: statistics hardly change
        rows = rows_of(rank, size)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[rows]), y[rows])
        if ddp:
            loss = loss * len(y[rows]) * size / len(y)
        loss.backward()
        optimizer.step()


def outcome(optimizer):
    optimizer.consolidate_state_dict()
    parameters = {
        name: p.detach().clone()
        for name, p in optimizer.preconditioner.parameters.items()
    }
    return parameters, copy.deepcopy(optimizer.state_dict()), optimizer.figures()


def ranks(rank, size, staleness, ddp, steps, state=None):
    model = network()
    wrapped = DistributedDataParallel(model) if ddp else model
    optimizer = SPNGD(wrapped, staleness=staleness, **SETTINGS)
    if state is not None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(state[0][name])
        optimizer.load_state_dict(copy.deepcopy(state[1]))
    inverted = optimizer.preconditioner.num_inverted
    train(optimizer, wrapped, rank, size, steps, ddp)
    inverted = optimizer.preconditioner.num_inverted - inverted
    held = len(optimizer.preconditioner.factors())
    refused = None
    if optimizer.preconditioner.ownership is not None:
        refused = message_of(optimizer.state_dict)[0]
    return *outcome(optimizer), inverted, held, refused


def alone(staleness, steps, state=None):
    model = network()
    optimizer = SPNGD(model, staleness=staleness, process_group=None, **SETTINGS)
    if state is not None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(state[0][name])
        optimizer.load_state_dict(copy.deepcopy(state[1]))
    train(optimizer, model, 0, 1, steps)
    inverted, held = optimizer.preconditioner.num_inverted, None
    return *outcome(optimizer), inverted, held, None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "staleness", "ddp"),
    [(4, 0.0, False), (4, 0.5, False), (2, 0.5, True)],
)
def test_ranks_do_what_one_process_does_on_all_examples(size, staleness, ddp, tmp_path):
    steps = range(9)
    results = run(ranks, size, tmp_path, size, staleness, ddp, steps)
    expected = alone(staleness, steps)
    for parameters, state, figures, _, _, refused in results:
        assert_close(parameters, expected[0])
        plan = state["preconditioner"]["plan"]
        assert plan == expected[1]["preconditioner"]["plan"]
        assert figures["refreshed_share"] == expected[2]["refreshed_share"]
        assert "consolidate_state_dict" in refused
    shares = [each[3] for each in results]
    assert sum(shares) == expected[3]
    assert all(0 < share < expected[3] for share in shares)
    held = [each[4] for each in results]  # before the state was consolidated
    assert sum(held) == len(expected[1]["preconditioner"]["factors"])
    if staleness:
        assert expected[2]["refreshed_share"] < 1


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(4, 1, 2), (1, 4)], ids=str)
def test_a_state_goes_on_with_another_number_of_ranks(sizes, tmp_path):
    state = None
    for number, size in enumerate(sizes):
        # Two steps each: the second of a batch that came before hardly refreshes.
        steps = range(2 * number, 2 * number + 2)
        state = run(ranks, size, tmp_path, size, 0.5, False, steps, state)[-1][:2]
    expected = alone(0.5, range(2 * len(sizes)))
    assert_close(state[0], expected[0])


def fresh(rank):
    """A state from before any step."""
    optimizer = SPNGD(network(), **SETTINGS)
    optimizer.consolidate_state_dict()
    state = optimizer.state_dict()
    optimizer.load_state_dict(copy.deepcopy(state))
    return state["preconditioner"]["factors"]


@pytest.mark.slow
def test_a_state_from_before_the_first_step(tmp_path):
    assert run(fresh, 2, tmp_path) == [{}, {}]


def gone_back(rank):
    """What ranks say when asked for a state after another one was loaded."""
    model = network()
    optimizer = SPNGD(model, staleness=0.5, **SETTINGS)
    train(optimizer, model, rank, 2, range(3))
    optimizer.consolidate_state_dict()
    state = copy.deepcopy(optimizer.state_dict())
    train(optimizer, model, rank, 2, range(3, 5))
    optimizer.load_state_dict(copy.deepcopy(state))
    refused = message_of(optimizer.state_dict)[0]
    optimizer.consolidate_state_dict()
    return refused, is_same(optimizer.state_dict(), state)


def test_a_state_that_was_loaded_is_shared_out_until_it_is_consolidated(tmp_path):
    for refused, same in run(gone_back, 2, tmp_path):
        assert "consolidate_state_dict() must be called on all ranks" in refused
        assert same


def moments_of(state):
    """All statistics of a state, whatever holds them."""
    factors = state["factors"].values()
    behind = [each["inverted"] for each in factors if each.get("inverted")]
    return [
        *factors,
        *behind,
        *(each for last in state["seen"].values() for each in last),
    ]


def consolidated(rank):
    """What ranks hold before the state is consolidated, then once, and then twice."""
    model = network()
    optimizer = SPNGD(model, staleness=0.5, **SETTINGS)
    train(optimizer, model, rank, 2, range(4))
    preconditioner = optimizer.preconditioner
    factors = preconditioner._state.factors
    never, older, *_ = factors.present
    del factors.inverted[never], factors.dampings[never]
    factors.inverted[older] = factors.present[older].mean.scaled(0.5)
    refused = message_of(preconditioner.precondition, {})[0]
    states = [copy.deepcopy(preconditioner.state_dict())]
    for _ in range(2):
        optimizer.consolidate_state_dict()
        states.append(preconditioner.state_dict())
    extra = [
        each["value"].untyped_storage().nbytes() - each["value"].nbytes
        for each in moments_of(states[-1])
    ]
    return states, extra, refused


def test_every_rank_gets_what_owners_have_and_no_more(tmp_path):
    results = run(consolidated, 2, tmp_path)
    for part in ("factors", "seen"):
        own = [states[0][part] for states, *_ in results]
        expected = own[0] | own[1]
        assert len(expected) == len(own[0]) + len(own[1]) > 0
        for (_, *wholes), *_ in results:
            for whole in wholes:
                assert is_same(whole[part], expected)
    for _, extra, refused in results:
        assert not any(extra)  # no memory of what others have sent
        assert "precondition must be called in one process" in refused
        assert "got 2 ranks" in refused
