"""Tests of `ui/components/notes.py`; the tabs that show them test that they do."""

import pytest

from trainers.runs import Run, write_json
from ui.components.notes import notes_of


@pytest.mark.parametrize(
    ("notes", "told"), [(["a", 1], ["a", "1"]), ([], []), ("a", []), (None, [])]
)
def test_notes_are_those_of_the_file(tmp_path, notes, told):
    run = Run(tmp_path)
    write_json(run.evaluation, {"metrics": {}, "notes": notes})
    assert notes_of(run) == told


def test_without_an_evaluation_or_with_a_damaged_one_there_are_none(tmp_path):
    run = Run(tmp_path)
    assert notes_of(run) == []
    run.evaluation.write_text("{")
    assert notes_of(run) == []
