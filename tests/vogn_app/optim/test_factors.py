"""Averages of statistics: closed form, forms, nearness, state."""

import pytest
import torch

from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.optim.factors import (
    Factor,
    Factors,
    averaged,
    compact,
    is_near,
    key_of,
    key_text,
)

KEY = ("body.conv:1", "inputs")


def moment(form, num=2, size=8):
    """A mean of a random statistic."""
    if form == "rows":
        return Moment("rows", torch.randn(1, num, size), 1)
    if form == "diagonal":
        return Moment("diagonal", torch.rand(1, size), 1)
    rows = torch.randn(1, 20, size)
    return Moment("matrix", rows.mT @ rows / 20, 1)


@pytest.mark.parametrize("steps", [[0, 1, 2, 3], [0, 10, 20, 30], [4, 5, 9, 30]])
@pytest.mark.parametrize("form", ["matrix", "diagonal", "rows"])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.95])
def test_the_average_has_its_closed_form_from_the_start(decay, form, steps):
    each = [moment(form, num) for num in (2, 1, 3, 2)]
    factor = None
    for number, step in enumerate(steps):
        factor = averaged(factor, each[number], decay, step)
        weights = [decay ** (step - past) for past in steps[: number + 1]]
        terms = zip(weights, each, strict=False)
        expected = sum(w * m.matrix() for w, m in terms) / sum(weights)
        torch.testing.assert_close(factor.mean.matrix(), expected)
        assert factor.mass == pytest.approx(sum(weights))
        assert (factor.step, factor.mean.count) == (step, 1)


def test_the_old_average_and_the_statistic_stay_as_they_are():
    old, new = averaged(None, moment("matrix"), 0.9, 0), moment("matrix")
    values = old.mean.value.clone(), new.value.clone()
    averaged(old, new, 0.9, 1)
    assert torch.equal(old.mean.value, values[0])
    assert torch.equal(new.value, values[1])


def test_rows_are_joined_until_they_are_too_many():
    factor, forms = None, []
    for step in range(5):
        factor = averaged(factor, moment("rows", 1), 0.5, step)
        forms.append(factor.mean.form)
    assert forms == ["rows"] * 4 + ["matrix"]
    assert compact(moment("rows", 5)).form == "matrix"
    assert compact(moment("diagonal")).form == "diagonal"


@pytest.mark.parametrize(
    "forms", [("rows", "rows"), ("rows", "matrix"), ("matrix",) * 2]
)
def test_nearness_is_a_relative_change_in_the_frobenius_norm(forms):
    old, new = moment(forms[0]), moment(forms[1])
    if forms[0] == forms[1]:
        new = Moment(forms[1], old.value + 0.1 * torch.randn_like(old.value), 1)
    change = (new.matrix() - old.matrix()).norm() / old.matrix().norm()
    assert is_near(new, old, 1.01 * change.item())
    assert not is_near(new, old, 0.99 * change.item())


@pytest.mark.parametrize("form", ["rows", "matrix", "diagonal"])
def test_nothing_is_near_itself_without_staleness(form):
    same = moment(form)
    assert not is_near(same, same, 0.0)
    assert is_near(same, same, 1e-6)


def test_keys_are_texts_and_back():
    assert key_of(key_text(KEY)) == KEY
    assert key_of(key_text(("", "unit"))) == ("", "unit")


def test_a_state_has_everything_and_shares_no_memory_when_loaded():
    factors = Factors()
    behind, later = moment("matrix"), ("b", "outputs")
    factors.take({KEY: behind, later: moment("rows")}, 0.9, 0)
    factors.inverted = {KEY: factors.present[KEY].mean}
    factors.dampings = {KEY: torch.tensor([0.1])}
    factors.take({KEY: moment("matrix")}, 0.9, 3)
    other, likes = Factors(), {name: torch.zeros(1) for name, _ in (KEY, later)}
    other.load_state_dict(factors.state_dict(), likes)
    assert list(other.present) == [KEY, later]
    for key, factor in factors.present.items():
        copy = other.present[key]
        assert (copy.mass, copy.step) == (factor.mass, factor.step)
        assert copy.mean.form == factor.mean.form
        assert torch.equal(copy.mean.value, factor.mean.value)
        assert copy.mean.value.data_ptr() != factor.mean.value.data_ptr()
    assert torch.equal(other.inverted[KEY].value, behind.value)
    assert other.dampings == factors.dampings
    assert set(other.inverted) == {KEY}


def test_what_is_inverted_is_saved_once_where_it_is_the_average():
    factors = Factors()
    factors.present = {KEY: Factor(moment("matrix"))}
    factors.inverted = {KEY: factors.present[KEY].mean}
    factors.dampings = {KEY: torch.tensor([0.1])}
    state = factors.state_dict()
    assert state[key_text(KEY)]["inverted"] is None
    other = Factors()
    other.load_state_dict(state, {KEY[0]: torch.zeros(1)})
    assert other.inverted[KEY] is other.present[KEY].mean


def test_some_blocks_alone_can_be_kept():
    factors = Factors()
    keys = [("a", "inputs"), ("a", "outputs"), ("b", "unit")]
    factors.take({key: moment("matrix") for key in keys}, 0.9, 0)
    factors.inverted = {key: factors.present[key].mean for key in keys}
    factors.dampings = {key: torch.ones(1) for key in keys}
    factors.keep(lambda name: name == "b")
    for each in (factors.present, factors.inverted, factors.dampings):
        assert set(each) == {("b", "unit")}
