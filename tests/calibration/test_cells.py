"""Measures from counts of cells, against loops over single examples."""

import numpy as np
import pytest

from calibration._cells import (
    curve_area,
    generalised_area,
    oracle_area,
    risk_within,
    widest_coverage,
)
from calibration.risk_coverage import reference_areas


def random_counts(*shape, seed=0):
    """Examples and errors of cells, some of them empty."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(6, size=shape)
    return np.stack([sizes, rng.binomial(sizes, 0.3)], axis=-1).astype(np.float64)


def errors_after(counts):
    """Expected errors among the first k examples, k = 0..N."""
    share = np.repeat(
        counts[:, 1] / np.maximum(counts[:, 0], 1), counts[:, 0].astype(int)
    )
    return np.concatenate([[0], share.cumsum()])


@pytest.mark.parametrize("seed", range(5))
def test_areas_are_those_of_the_curve_of_single_examples(seed):
    counts = random_counts(12, seed=seed)
    errors = errors_after(counts)
    total = len(errors) - 1
    risks = errors[1:] / np.arange(1, total + 1)
    assert curve_area(counts) == pytest.approx(risks.mean())
    area = np.trapezoid(errors / total, dx=1 / total)
    assert generalised_area(counts) == pytest.approx(area)
    oracle, _ = reference_areas(int(counts[:, 1].sum()), total)
    assert oracle_area(counts) == pytest.approx(oracle)


@pytest.mark.parametrize("risk", [0, 0.1, 0.25, 0.35, 1])
@pytest.mark.parametrize("seed", range(5))
def test_widest_coverage_is_the_last_that_fits(seed, risk):
    counts = random_counts(12, seed=seed)
    errors = errors_after(counts)
    total = len(errors) - 1
    fitting = [k for k in range(1, total + 1) if errors[k] / k <= risk + 1e-9]
    expected = max(fitting, default=0) / total
    assert widest_coverage(counts, risk) == pytest.approx(expected)


@pytest.mark.parametrize("coverage", [1e-6, 0.2, 0.5, 0.8, 1])
@pytest.mark.parametrize("seed", range(5))
def test_risk_within_is_that_of_the_first_that_suffice(seed, coverage):
    counts = random_counts(12, seed=seed)
    errors = errors_after(counts)
    total = len(errors) - 1
    k = next(k for k in range(1, total + 1) if k / total >= coverage)
    assert risk_within(counts, coverage) == pytest.approx(errors[k] / k)


@pytest.mark.parametrize(
    "measure",
    [
        curve_area,
        generalised_area,
        oracle_area,
        lambda counts: widest_coverage(counts, 0.2),
        lambda counts: risk_within(counts, 0.8),
    ],
)
def test_replicates_are_measured_one_by_one(measure):
    counts = random_counts(7, 12)
    assert measure(counts) == pytest.approx([float(measure(each)) for each in counts])
