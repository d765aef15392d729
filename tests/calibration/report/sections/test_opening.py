"""Tests of the title page, the summary and the headline numbers."""

from dataclasses import replace

from calibration.report.document import Bullets, Table
from calibration.report.sections.opening import facts, headline, subtitle, summary
from tests.calibration.report.examples import example_report, share
from tests.calibration.report.sections.test_context import context


def tables(section):
    return [block for block in section.blocks if isinstance(block, Table)]


def column(table, index):
    return [row[index].text for row in table.rows]


def test_the_title_page_says_when_and_what():
    assert subtitle(context(2)) == "22 November 2026, 01:58 UTC · 2 models"
    table, made = facts(context(2))
    told = dict(zip(column(table, 0), column(table, 2), strict=True))
    assert told["Optimizer"] == "AdamW, lr 0.001, 20 epochs, batch 128"
    assert told["Posterior samples"] == "none: a single model"
    assert made.text == "Made with vogn-app 0.7.0, NumPy 2.3.4 and Python 3.11.7."


def test_provenance_that_only_some_models_have_is_a_gap_in_others():
    both = context(2)
    models = [replace(both.models[0], provenance={"Note": "new"}), both.models[1]]
    table = facts(replace(both, report=replace(both.report, models=models)))[0]
    row = next(row for row in table.rows if row[0].text == "Note")
    assert [cell.text for cell in row] == ["Note", "new", "-"]


def test_the_summary_has_every_sentence():
    report = example_report(2)
    items = [
        item
        for block in summary(context(2)).blocks
        if isinstance(block, Bullets)
        for item in block.items
    ]
    expected = [*report.models[0].summary, *report.models[1].summary]
    assert items == [*expected, report.comparisons[0].sentence]


def test_the_four_that_all_ask_for_come_first_each_with_its_value_at_the_mean():
    table = tables(headline(context(2)))[0]
    assert column(table, 0)[:8:2] == [
        "Accuracy", "Negative log-likelihood", "Brier score",
        "Expected calibration error",
    ]  # fmt: skip
    assert set(column(table, 0)[1:8:2]) == {"… at the posterior mean"}
    assert column(table, 2)[1] == "-"  # AdamW has no posterior
    assert column(table, 1)[2:4] == ["0.2500", "0.2700"]


def test_every_measure_of_every_model_has_a_row_and_its_count():
    table = tables(headline(context(1, at_mean={})))[0]
    assert len(table.rows) == len(example_report(1).models[0].metrics)
    assert set(column(table, -1)) == {"10,000"}
    metrics = {"accuracy": share(0.5, 100)}
    both = context(2)
    models = [replace(both.models[0], metrics=metrics), both.models[1]]
    table = tables(headline(replace(both, report=replace(both.report, models=models))))[
        0
    ]
    assert table.rows[0][-1].text == "100 / 10,000"


def test_one_best_value_of_all_models_stands_out_in_both_tables_together():
    first, second, *_ = tables(headline(context(10)))
    nll = [table.rows[2] for table in (first, second)]
    strong = [[cell.strong for cell in row[1:-1]] for row in nll]
    assert strong == [[True, False, False, False, False], [False] * 5]


def test_models_of_different_examples_are_not_ranked():
    both = context(2)
    apart = replace(both, report=replace(both.report, comparisons=[]))
    section = headline(apart)
    table = tables(section)[0]
    assert not any(cell.strong for row in table.rows for cell in row)
    assert "paired comparison" in headline(both).blocks[0].text
    assert "paired comparison" not in section.blocks[0].text
    assert "not all tested on the same examples" in section.blocks[0].text


def test_differences_and_seeds_have_tables():
    differences, seeds = tables(headline(context(2)))[1:]
    assert [cell.text for cell in differences.rows[0]] == [
        "AdamW less VOGN", "-0.4 points", "+0.0210", "+0.0080", "+3.50 points",
    ]  # fmt: skip
    assert column(seeds, 1) == [
        "91.2 ± 0.2 %", "0.2441 ± 0.0032", "0.1310 ± 0.0018", "1.10 ± 0.14 %",
    ]  # fmt: skip
    assert seeds.columns[1].note == "3 seeds"
