"""Tests of definitions, limitations, and what is not in the report."""

from dataclasses import replace

from calibration.definitions import MEASURES
from calibration.report.document import Terms
from calibration.report.sections.closing import limitations, methods, not_in_report
from calibration.report.sections.context import Context
from tests.calibration.report.examples import bare_report, example_report
from tests.calibration.report.sections.test_context import context


def test_every_measure_is_defined():
    section = methods(context(1))
    terms = next(block for block in section.blocks if isinstance(block, Terms))
    assert [term.title for term in terms.items] == [d.title for d in MEASURES.values()]
    assert "use 15 bins" in section.blocks[0].text


def test_limitations_are_told():
    assert list(limitations(context(1)).blocks[0].items) == example_report().limitations
    bare = Context(bare_report())
    assert limitations(bare) is None


def test_what_was_not_measured_is_a_line_each():
    bare = Context(bare_report())
    lines = not_in_report(bare).blocks[0].items
    assert len(lines) == 7
    assert all("not" in line or "none" in line for line in lines)


def test_what_some_models_lack_is_told_with_their_names():
    both = context(2)
    models = [both.models[0], replace(both.models[1], ood=[])]
    some = replace(both, report=replace(both.report, models=models))
    assert not_in_report(some).blocks[0].items[0] == (
        "Out of distribution: not measured, as no out-of-distribution set was given "
        "(AdamW)."
    )


def test_a_whole_report_lacks_nothing():
    assert not_in_report(context(1)) is None
