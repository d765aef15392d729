"""Tests of moments of weights: exact, without cancelling, and kept in a state."""

import pytest
import torch

from vogn_app.optim.weight_moments import WeightMoments, add_to_moments


def collected(values, max_rank):
    moments = WeightMoments(max_rank)
    for each in values:
        moments.add({"w": each})
    return moments


@pytest.mark.parametrize("num", [1, 2, 3, 8])
def test_they_are_mean_variance_and_last_deviations(num):
    values = torch.randn(num, 4, 2)
    moments = collected(values, 3)
    assert (moments.count, moments.rank) == (num, min(num, 3))
    torch.testing.assert_close(moments.means["w"], values.mean(0))
    variance = moments.squares["w"] / num
    torch.testing.assert_close(variance, values.var(0, correction=0))
    for i in range(max(0, num - 3), num):
        expected = values[i] - values[: i + 1].mean(0)
        torch.testing.assert_close(moments.deviations["w"][i % 3], expected)


def test_weights_are_left_alone():
    weights = torch.randn(5)
    before = weights.clone()
    moments = collected([weights, weights + 1], 2)
    assert torch.equal(weights, before)
    assert moments.means["w"].data_ptr() != weights.data_ptr()


def test_small_variances_of_large_weights_do_not_cancel():
    values = 1000 + 1e-3 * torch.randn(50, 1000, dtype=torch.float64)
    values = values.float()
    mean, squares, deviation = (torch.zeros(1000) for _ in range(3))
    for count, each in enumerate(values, start=1):
        add_to_moments([each], [mean], [squares], [deviation], count)
        assert (squares >= 0).all()
    # A mean near 1000 is rounded by 3e-5, 3 % of a deviation; a square near 10^6 by
    # 0.03, 30,000 times the variance.
    exact = values.double().var(0, correction=0)
    assert ((squares / 50).double() / exact - 1).abs().max() < 0.15
    naive = values.square().mean(0) - values.mean(0).square()
    assert (naive - exact).abs().mean() > 100 * exact.mean()


def test_a_state_goes_on_bit_for_bit():
    values = torch.randn(7, 3)
    whole, part = collected(values, 2), collected(values[:4], 2)
    other = WeightMoments(2)
    other.load(part.state(), {"w": values[0]})
    for each in values[4:]:
        other.add({"w": each})
    for name in ("means", "squares", "deviations"):
        assert torch.equal(getattr(other, name)["w"], getattr(whole, name)["w"])
    assert part.count == 4  # a copy


def test_a_state_of_before_anything_was_collected_is_empty():
    moments = collected(torch.randn(3, 2), 2)
    moments.load(WeightMoments(2).state(), {"w": torch.zeros(2)})
    assert (moments.count, moments.means) == (0, {})


def test_what_does_not_fit_is_refused():
    state = collected(torch.randn(3, 2), 2).state()
    moments = WeightMoments(2)
    with pytest.raises(
        ValueError, match=r"means of the .* v of shape \(2,\), got None"
    ):
        moments.load(state, {"v": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"means .* w of shape \(5,\), got \(2,\)"):
        moments.load(state, {"w": torch.zeros(5)})
    with pytest.raises(
        ValueError, match=r"deviations .* of shape \(4, 2\), got \(2, 2"
    ):
        WeightMoments(4).load(state, {"w": torch.zeros(2)})
    assert moments.count == 0
