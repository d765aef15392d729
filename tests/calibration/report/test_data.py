"""The report's tree is data: frozen, and of kinds that JSON knows."""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from calibration.estimate import Estimate
from calibration.report import data
from tests.calibration.report.examples import bare_report

PARTS = [
    part
    for part in vars(data).values()
    if isinstance(part, type) and is_dataclass(part)
]
PLAIN = {str, int, float, bool, type(None), Estimate, *PARTS}


def leaves(kind):
    inner = get_args(kind)
    return {leaf for each in inner for leaf in leaves(each)} if inner else {kind}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_field_is_of_a_kind_that_json_knows(part):
    hints = get_type_hints(part)
    for item in fields(part):
        assert leaves(hints[item.name]) <= PLAIN


def test_a_report_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        bare_report().title = "another"
