"""Tests of what people say of a run."""

import json
import re
import threading

import pytest

from trainers.annotations import (
    MAX_NOTE,
    MAX_TAG,
    MAX_TAGS,
    NONE,
    Annotations,
    read_annotations,
    write_annotations,
)
from trainers.runs import Run, RunError, list_runs


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return Run(folder)


def test_they_round_trip(run):
    said = Annotations(tags=("b", " a ", "b"), note=" two\nlines \n", archived=True)
    assert (said.tags, said.note) == (("a", "b"), "two\nlines")
    write_annotations(run, said)
    assert read_annotations(run) == said
    assert json.loads(run.annotations.read_text())["schema"] == 1
    write_annotations(run, NONE)
    assert read_annotations(run) == NONE


def test_without_a_file_nothing_was_said(run):
    assert read_annotations(run) == Annotations()
    assert not run.annotations.exists()


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", '{"schema": 2}', '{"schema": 1, "tags": "a"}',
        '{"schema": 1, "tags": [1]}', '{"schema": 1, "tags": [""]}',
        '{"schema": 1, "note": null}', '{"schema": 1, "archived": 1}',
        '{"schema": 1, "tags": ["a\\u0000"]}', '{"schema": 1, "note": "\\ud800"}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_by_name(run, content):
    run.annotations.write_text(content)
    with pytest.raises(RunError, match=r"annotations\.json cannot be"):
        read_annotations(run)


def test_a_file_that_is_no_text_is_told_by_name(run):
    run.annotations.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"annotations\.json cannot be read"):
        read_annotations(run)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"tags": ("a,b",)}, "tag must be 1 to 40 printable characters without a "
         "comma, got 'a,b'."),
        ({"tags": (" ",)}, "tag must be 1 to 40 printable characters"),
        ({"tags": ("x" * (MAX_TAG + 1),)}, "tag must be 1 to 40 printable"),
        ({"tags": ("a\nb",)}, "tag must be 1 to 40 printable"),
        ({"tags": tuple(map(str, range(MAX_TAGS + 1)))},
         "tags must be at most 20, got 21."),
        ({"note": "x" * (MAX_NOTE + 1)},
         "note must be at most 2000 characters, got 2001."),
        ({"note": "a\x1b[31m"}, "note must be printable text, got 'a\\x1b[31m'."),
        ({"archived": "no"}, "archived must be true or false, got 'no'."),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_refused_with_its_name(values, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        Annotations(**values)


def test_markup_is_kept_as_it_stands(run):
    said = Annotations(tags=("<script>", "**b**", "Überzug"), note="=1+1\n<b>x</b>")
    write_annotations(run, said)
    assert read_annotations(run) == said


def test_a_run_that_is_gone_is_told(run):
    run.path.rename(run.path.with_name("elsewhere"))
    with pytest.raises(RunError, match=r"annotations\.json cannot be written"):
        write_annotations(run, NONE)


def test_of_writers_at_once_the_last_one_wins_and_no_reader_sees_half_a_file(run):
    said = [Annotations(tags=(f"t{k}",), note=f"{k}" * 900) for k in range(4)]
    writers = [
        threading.Thread(target=lambda each=each: write_annotations(run, each))
        for each in said * 5
    ]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(read_annotations(run))
    assert seen <= {NONE, *said}
    assert read_annotations(run) in said
    names = sorted(path.name for path in run.path.iterdir())
    assert names == ["annotations.json", "config.json"]


def test_the_list_of_runs_does_not_mind_the_file(run):
    before = list_runs(run.path.parent)
    write_annotations(run, Annotations(archived=True))
    assert list_runs(run.path.parent) == before == [run]
    stray = run.path.parent / "stray"
    stray.mkdir()
    write_annotations(Run(stray), Annotations(archived=True))
    assert list_runs(run.path.parent) == [run]
