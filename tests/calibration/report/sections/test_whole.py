"""Tests of the whole document."""

import pytest

from calibration.definitions import MEASURES
from calibration.report.document import Bullets, Figures, Table
from calibration.report.sections.whole import to_document
from tests.calibration.report.examples import bare_report, example_report

ALWAYS = ["summary", "headline", "reliability", "selective", "uncertainty", "classes"]


def test_a_full_report_has_every_section_once():
    slugs = [s.slug for s in to_document(example_report(1), MEASURES).sections]
    assert len(slugs) == len(set(slugs)) == 14
    assert slugs[0] == "summary"
    assert slugs[-2:] == ["methods", "limitations"]


def test_a_bare_report_has_what_can_always_be_measured():
    slugs = [s.slug for s in to_document(bare_report(), MEASURES).sections]
    assert slugs == [*ALWAYS, "methods", "missing"]


@pytest.mark.parametrize("models", [1, 2, 3, 7, 10])
def test_no_block_is_empty_and_rows_are_as_long_as_their_head(models):
    for section in to_document(example_report(models), MEASURES).sections:
        assert section.blocks
        for block in section.blocks:
            if isinstance(block, Table):
                assert block.rows
                assert {len(row) for row in block.rows} == {len(block.columns)}
            elif isinstance(block, Figures | Bullets):
                assert block.items


def test_definitions_that_are_not_known_do_no_harm():
    document = to_document(example_report(2), {})
    assert len(document.sections) > 10
