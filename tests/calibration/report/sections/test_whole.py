"""Tests of the whole document."""

import pytest

from calibration.report.document import Bullets, Figures, Table
from calibration.report.sections.whole import to_document
from tests.calibration.report.examples import bare_report, example_report, share

ALWAYS = ["summary", "headline", "reliability", "selective", "uncertainty", "classes"]


def test_a_full_report_has_every_section_once():
    slugs = [s.slug for s in to_document(example_report(1)).sections]
    assert len(slugs) == len(set(slugs)) == 14
    assert slugs[0] == "summary"
    assert slugs[-2:] == ["methods", "limitations"]


def test_a_bare_report_has_what_can_always_be_measured():
    slugs = [s.slug for s in to_document(bare_report()).sections]
    assert slugs == [*ALWAYS, "methods", "missing"]


@pytest.mark.parametrize("models", [1, 2, 3, 7, 10])
def test_no_block_is_empty_and_rows_are_as_long_as_their_head(models):
    for section in to_document(example_report(models)).sections:
        assert section.blocks
        for block in section.blocks:
            if isinstance(block, Table):
                assert block.rows
                assert {len(row) for row in block.rows} == {len(block.columns)}
            elif isinstance(block, Figures | Bullets):
                assert block.items


def test_a_measure_that_is_not_known_is_written_as_it_stands():
    report = example_report(1, metrics={"never_heard_of": share(0.5)})
    headline = to_document(report).sections[1]
    rows = next(b.rows for b in headline.blocks if isinstance(b, Table))
    assert [cell.text for cell in rows[0][:2]] == ["Never heard of", "0.500"]
