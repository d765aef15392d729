"""Averages of statistics, verdicts on new ones, and when they are inverted."""

import pytest
import torch
from torch import nn

from vogn_app.curvature.kronecker.blocks import INPUTS, OUTPUTS
from vogn_app.curvature.kronecker.layout import blocks_of, find_watched
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.optim.cooperation import Alone
from vogn_app.optim.curvature import Curvature, Verdict
from vogn_app.optim.figures import Figures
from vogn_app.optim.refresh import Adaptive, Fixed

A, G = ("", INPUTS), ("", OUTPUTS)


def curvature(plan=None, decay=0.5, inverse_interval=None):
    model = nn.Linear(2, 2)
    blocks = blocks_of(find_watched(model, dict(model.named_parameters())))
    return Curvature(blocks, plan or Fixed(1), decay, inverse_interval)


def statistics(scale=1.0):
    a = Moment("matrix", scale * torch.eye(3).unsqueeze(0), 1)
    return {A: a, G: Moment("matrix", scale * torch.eye(2).unsqueeze(0), 1)}


def take(state, step, scale=1.0):
    new = statistics(scale)
    state.take(new, state.judge(new), step)


def test_averages_weigh_by_age():
    state = curvature(decay=0.5)
    take(state, 0, 1.0)
    take(state, 1, 4.0)  # (0.5 * 1 + 4) / 1.5
    torch.testing.assert_close(
        state.factors.present[A].mean.value, 3 * torch.eye(3)[None]
    )


def test_statistics_that_are_not_finite_are_named_and_left_out():
    state = curvature()
    take(state, 0)
    bad = {**statistics(2.0), G: Moment("matrix", torch.full((1, 2, 2), torch.nan), 1)}
    with pytest.warns(UserWarning, match="not finite and left out at step 1: outputs"):
        state.take(bad, state.judge(bad), 1)
    assert state.factors.present[A].step == 1
    assert state.factors.present[G].step == 0
    assert torch.equal(state.factors.present[G].mean.value, torch.eye(2)[None])


def test_trouble_that_stays_is_told_once():
    state = curvature()
    bad = {A: Moment("matrix", torch.full((1, 3, 3), torch.inf), 1)}
    with pytest.warns(UserWarning, match="at step 0: inputs"):
        state.take(bad, state.judge(bad), 0)
    state.take(bad, state.judge(bad), 1)  # a warning would be an error
    take(state, 2)
    with pytest.warns(UserWarning, match="at step 3: inputs"):
        state.take(bad, state.judge(bad), 3)


def test_a_verdict_says_what_a_statistic_is_near_to():
    state = curvature(Adaptive(0.1), decay=0.0)
    for step, (scale, expected) in enumerate([
        (1.0, (True, False, False)),  # nothing to compare with
        (1.05, (True, True, False)),
        (1.02, (True, True, True)),
        (2.0, (True, False, False)),
        (2.1, (True, True, False)),
    ]):
        new = statistics(scale)
        verdicts = state.judge(new)
        assert verdicts[A] == Verdict(*expected)
        state.take(new, verdicts, step)


def test_inverses_wait_for_their_interval():
    state, figures = curvature(inverse_interval=3), Figures()
    for step in range(5):
        take(state, step, 1.0 + step)
        state.invert(step, 0.1, Alone(), figures)
        behind = state.factors.inverted[A].value[0, 0, 0]
        assert behind == state.factors.present[A].mean.value[0, 0, 0] or step % 3
    assert state.num_inverted == 2 * 2
    assert figures.seconds > 0


def test_what_cannot_be_inverted_keeps_the_last_inverse():
    state = curvature(decay=0.0)
    take(state, 0)
    state.invert(0, 0.1, Alone(), Figures())
    before = state.inverses[G]
    bad = {G: Moment("matrix", -torch.eye(2)[None], 1)}
    state.take(bad, state.judge(bad), 1)
    with pytest.warns(UserWarning, match="not inverted: the last inverses stay: outp"):
        state.invert(1, 0.1, Alone(), Figures())
    assert state.inverses[G] is before


def test_a_block_is_used_once_both_sides_are_known():
    state = curvature()
    new = {A: statistics()[A]}
    state.take(new, state.judge(new), 0)
    state.invert(0, 0.1, Alone(), Figures())
    (block,) = state.blocks.values()
    assert state.operators_of(block) is None
    new = {G: statistics()[G]}
    state.take(new, state.judge(new), 1)
    state.invert(1, 0.1, Alone(), Figures())
    assert set(state.operators_of(block)) == {INPUTS, OUTPUTS}


def test_the_state_is_plain_and_comes_back(tmp_path):
    state = curvature(Adaptive(0.1), decay=0.0)
    for step in range(3):
        take(state, step, 1 + 0.01 * step)
        state.invert(step, 0.1, Alone(), Figures())
    torch.save(state.state_dict(), tmp_path / "state.pt")
    other = curvature(Adaptive(0.1), decay=0.0)
    saved = torch.load(tmp_path / "state.pt")
    other.load_state_dict(saved, {"": torch.zeros(())}, Alone())
    assert other.due(3) == state.due(3)
    assert other.due(4) == state.due(4)
    assert torch.equal(other.inverses[A].matrix, state.inverses[A].matrix)
    new = statistics(1.03)
    assert other.judge(new) == state.judge(new)
