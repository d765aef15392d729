"""Tests of `ui/components/annotating.py`, on the page of all runs and that of one."""

import pytest

from tests.ui import fakes
from tests.ui.seen import errors
from tests.ui.selecting import select
from trainers.annotations import Annotations, read_annotations, write_annotations
from trainers.runs import RunError
from ui.components.annotating import OPEN, put_away, say


@pytest.fixture
def runs(root):
    """Row 0 is c."""
    return {name: fakes.write_run(root, name) for name in "abc"}


def chosen(open_page, *rows):
    """The list with some rows selected and the form open."""
    app = open_page("runs")
    app.session_state[OPEN] = True
    return select(app, *rows)


def field(app, kind, label):
    """A field of the form, whose keys differ with the selection."""
    (found,) = [item for item in app.get(kind) if item.key.startswith(f"{label}-")]
    return found


def save(app):
    (button,) = [b for b in app.button if b.key.startswith("save-")]
    return button.click().run()


def test_tags_and_note_of_one_run_are_kept(open_page, runs):
    app = chosen(open_page, 2)
    field(app, "multiselect", "tags").set_value(["best", "<script>"])
    field(app, "text_area", "note").set_value("=1+1 **bold**")
    app = save(app)
    assert not app.exception
    said = read_annotations(runs["a"])
    assert said == Annotations(tags=("<script>", "best"), note="=1+1 **bold**")
    line = app.dataframe[0].value.iloc[2]
    assert list(line["Tags"]) == ["<script>", "best"]
    assert line["Note"] == "=1+1 **bold**"
    assert read_annotations(runs["b"]) == Annotations()


def test_tags_of_several_are_added_and_removed(open_page, runs):
    write_annotations(runs["a"], Annotations(tags=("all", "own"), note="kept"))
    write_annotations(runs["b"], Annotations(tags=("all",)))
    app = chosen(open_page, 1, 2)
    assert field(app, "multiselect", "tags").value == ["all"]
    field(app, "multiselect", "tags").set_value(["new"])
    assert not app.text_area
    save(app)
    assert read_annotations(runs["a"]) == Annotations(tags=("new", "own"), note="kept")
    assert read_annotations(runs["b"]) == Annotations(tags=("new",))


def test_what_is_not_allowed_is_refused_with_the_reason(open_page, runs):
    app = chosen(open_page, 2)
    field(app, "multiselect", "tags").set_value(["a,b"])
    app = save(app)
    assert "tag must be 1 to 40 printable characters" in errors(app)
    assert not runs["a"].annotations.exists()
    assert field(app, "multiselect", "tags").value == ["a,b"]  # to be put right


def test_what_others_said_since_the_form_was_opened_stays(open_page, root):
    run = fakes.write_run(root, "a")
    write_annotations(run, Annotations(tags=("old",), note="mine"))
    app = open_page("run", run="a")
    app.session_state[OPEN] = True
    app.run()
    write_annotations(run, Annotations(tags=("old", "theirs"), note="theirs"))
    app.run()  # as a live page does by itself
    field(app, "multiselect", "tags").set_value(["new"])
    app = save(app)
    said = Annotations(tags=("new", "theirs"), note="theirs")
    assert read_annotations(run) == said
    assert field(app, "multiselect", "tags").value == list(said.tags)
    assert field(app, "text_area", "note").value == "theirs"
    field(app, "text_area", "note").set_value("ours")
    save(app)
    assert read_annotations(run).note == "ours"


def test_runs_go_into_the_archive_and_come_back(open_page, runs):
    app = select(open_page("runs"), 0, 2)
    app = app.button(key="archive").click().run()
    assert list(app.dataframe[0].value["Run"]) == ["b"]
    assert read_annotations(runs["a"]).archived
    app = open_page("runs", archived="yes")
    assert list(app.dataframe[0].value["Run"]) == ["c", "a"]
    app = select(app, 0)
    assert app.button(key="archive").label == "Unarchive"
    app.button(key="archive").click().run()
    assert not read_annotations(runs["c"]).archived


def test_viewers_annotate_nothing(open_page, runs, monkeypatch):
    monkeypatch.setattr("ui.components.access.may_edit", lambda: False)
    app = chosen(open_page, 2)
    assert app.button(key="archive").disabled
    assert not [item for item in app.multiselect if item.key.startswith("tags-")]
    monkeypatch.setattr("ui.components.access.may_edit", lambda: True)
    app = select(open_page("runs"), 2)
    monkeypatch.setattr("ui.components.access.may_edit", lambda: False)
    app.button(key="archive").click().run()
    assert not runs["a"].annotations.exists()


def test_a_damaged_file_is_not_written_over(root):
    run = fakes.write_run(root, "a")
    run.annotations.write_text("{")
    for change in (
        lambda: put_away(run, True),
        lambda: say(run, ["x"], [], None),
    ):
        with pytest.raises(RunError, match=r"annotations\.json cannot be read"):
            change()
    assert run.annotations.read_text() == "{"


def test_saying_nothing_new_writes_nothing(root):
    run = fakes.write_run(root, "a")
    say(run, [], ["gone"], "")
    assert not run.annotations.exists()
    say(run, ["x"], [], None)
    assert read_annotations(run).tags == ("x",)
