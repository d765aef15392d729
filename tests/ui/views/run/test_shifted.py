"""Tests of `ui/views/run/shifted.py`."""

import numpy as np
import pytest

from calibration import shift_table
from tests.ui import fakes
from trainers.runs import RunError
from ui.views.run.shifted import left_out, shift_rows


@pytest.fixture
def run(root):
    run = fakes.write_run(root, "a")
    fakes.write_shift(run)
    return run


def expected(run):
    with np.load(run.shift) as file:
        shifted = {
            (kind, level): file[f"{kind}_{level}"]
            for kind in ("fog", "rotation")
            for level in range(1, 6)
        }
        return shift_table(file["clean"], shifted, file["labels"])


def replaced(run, arrays):
    with np.load(run.shift) as file:
        np.savez(run.shift, **(dict(file) | arrays))


def test_rows_are_those_of_the_library(run):
    assert shift_rows(run) == expected(run)
    assert shift_rows(run) is shift_rows(run)
    assert left_out(run) == {}


@pytest.mark.parametrize("array", [np.zeros((7, 10)), np.full((120, 10), np.nan)])
def test_a_damaged_kind_is_left_out_and_named(run, array):
    whole = [row for row in expected(run) if row.kind != "fog"]
    replaced(run, {"fog_2": array.astype(np.float32)})
    assert shift_rows(run) == whole
    assert list(left_out(run)) == ["fog"]


def test_nothing_is_left_where_every_kind_is_damaged(run):
    replaced(run, {f"{kind}_1": np.zeros((7, 10)) for kind in ("fog", "rotation")})
    with pytest.raises(RunError, match=r"shift\.npz is damaged"):
        shift_rows(run)
