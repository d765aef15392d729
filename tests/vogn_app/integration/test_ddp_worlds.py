"""Other numbers of ranks, and groups of some of them."""

import copy

import pytest
import torch
import torch.distributed as dist

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.distributed.processes import run
from tests.vogn_app.integration.test_ddp import (
    convolutions,
    network,
    state_of,
    steps_of,
)
from vogn_app import VOGN

# --- one state, other numbers of ranks --------------------------------------------


def resuming(rank, size, state, steps, sizes):
    """Go on from a state that is loaded on every rank."""
    torch.manual_seed(rank)  # weights of another model
    model = convolutions()
    optimizer = VOGN(model, num_data=60, seed=5)
    if state is not None:
        model.load_state_dict(state[0])
        optimizer.load_state_dict(copy.deepcopy(state[1]))
    else:
        model.load_state_dict(network("convolutions").state_dict())
        optimizer = VOGN(model, num_data=60)
    prints = steps_of(optimizer, model, sizes, steps, rank, size)
    return prints, (model.state_dict(), optimizer.state_dict()), state_of(optimizer)


@pytest.mark.slow
@pytest.mark.parametrize("worlds", [(2, 1), (1, 2), (2, 4), (4, 2, 1)], ids=str)
def test_a_state_goes_on_with_another_number_of_ranks(worlds, tmp_path):
    sizes, state, steps = [3, 5, 1, 3], None, range(len(worlds))
    for step, size in zip(steps, worlds, strict=True):
        results = run(resuming, size, tmp_path, size, state, [step], sizes)
        assert len({each[0][0] for each in results}) == 1
        state = results[0][1]  # saved by rank 0
    _, _, expected = resuming(0, 1, None, steps, sizes)
    assert_close(results[0][2], expected)


# --- groups of some ranks ---------------------------------------------------------


def replicas(rank, alone):
    """Two pairs of ranks, or four lone ones, each with steps of their own."""
    pairs = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    group, place, size = (None, 0, 1) if alone else (pairs[rank // 2], rank % 2, 2)
    model = network("convolutions")
    optimizer = VOGN(model, num_data=60, process_group=group)
    own = rank if alone else rank // 2
    prints = steps_of(optimizer, model, [3, 2], [own, own + 9], place, size)
    return prints, state_of(optimizer)


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_a_group_trains_by_itself(alone, tmp_path):
    results = run(replicas, 4, tmp_path, alone)
    for rank, (prints, state) in enumerate(results):
        own = rank if alone else rank // 2
        model = network("convolutions")
        expected = VOGN(model, num_data=60)
        steps_of(expected, model, [3, 2], [own, own + 9])
        assert_close(state, state_of(expected))
        assert prints == results[rank if alone else 2 * own][0]
    assert len({str(prints) for prints, _ in results}) == (4 if alone else 2)
