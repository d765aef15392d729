"""Tests of the section on out-of-distribution sets."""

from dataclasses import replace

from calibration.report.document import Figures, Heading, Table, Text
from calibration.report.sections.ood import out_of_distribution
from tests.calibration.report.sections.test_context import context


def blocks(section, kind):
    return [each for each in section.blocks if isinstance(each, kind)]


def test_each_set_has_histograms_a_roc_curve_and_a_table():
    section = out_of_distribution(context(2))
    assert [(h.text, h.note) for h in blocks(section, Heading)] == [
        ("Digits", "far OOD, 1,797 examples"),
        ("KMNIST", "near OOD, 1,797 examples"),
    ]
    first, _ = blocks(section, Figures)
    assert [figure.title for figure in first.items] == [
        "VOGN: uncertainty", "AdamW: uncertainty", "ROC curve of that score",
    ]  # fmt: skip
    assert "VOGN: AUROC 95.0 %, FPR95 21.0 %." in first.items[-1].alt
    table, _, averages = blocks(section, Table)
    assert averages.rows[0][0].text == "far: Digits and SVHN"
    assert [column.text for column in table.columns] == [
        "Model", "Score", "AUROC", "AUPR-out", "AUPR-in", "FPR95", "Detection error",
    ]  # fmt: skip
    assert [cell.text for cell in table.rows[0]] == [
        "VOGN", "Predictive entropy", "95.0 %", "80.0 %", "98.0 %", "21.0 %", "10.0 %",
    ]  # fmt: skip


def test_a_model_that_did_not_meet_a_set_is_named():
    both = context(2)
    models = [both.models[0], replace(both.models[1], ood=both.models[1].ood[:1])]
    section = out_of_distribution(
        replace(both, report=replace(both.report, models=models))
    )
    quiet = [each.text for each in blocks(section, Text) if each.quiet]
    assert quiet == ["Not measured for AdamW."]
    assert len(blocks(section, Figures)[1].items) == 2


def test_groups_of_one_set_have_no_table_of_their_own():
    section = out_of_distribution(context(1, ood_groups=[]))
    assert len(blocks(section, Table)) == 2


def test_without_sets_there_is_no_section():
    assert out_of_distribution(context(2, ood=[])) is None
