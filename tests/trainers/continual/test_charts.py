"""Tests of charts and tables of a run of tasks."""

import pytest

from tests.trainers.continual.examples import record
from trainers.continual.charts import (
    average_alt,
    average_chart,
    final_table,
    triangle_table,
)
from trainers.continual.findings import columns, final_rows


def test_the_chart_has_a_line_a_method_and_joint_training_dashed():
    (panel,) = average_chart(record()).panels
    lines = {line.name: line for line in panel.marks}
    assert list(lines) == ["VOGN", "EWC", "Joint training"]
    assert lines["VOGN"].y == pytest.approx([0.9, 0.85, 0.8])
    assert list(lines["EWC"].x) == [1, 2]
    assert [line.dash for line in lines.values()] == ["solid", "solid", "dash"]
    assert len({line.color for line in lines.values()}) == 3
    assert "VOGN 80.0 % after task 3, EWC 70.0 % after task 2" in average_alt(record())


def test_the_table_has_the_rows_of_the_findings():
    table = final_table(record())
    assert table.caption == "After 2 to 3 tasks"
    assert tuple(column.text for column in table.columns) == columns(record())
    assert [tuple(cell.text for cell in row) for row in table.rows] == final_rows(
        record()
    )


def test_a_triangle_is_darker_where_accuracy_is_higher():
    table = triangle_table("vogn", record().courses["vogn"])
    assert table.caption == "VOGN: accuracy by task"
    assert [cell.text for cell in table.rows[1]] == [
        "after task 2",
        "80.0 %",
        "90.0 %",
        "",
    ]
    shades = [cell.shade for cell in table.rows[2][1:]]
    assert shades == pytest.approx([0.0, 0.5, 1.0])
