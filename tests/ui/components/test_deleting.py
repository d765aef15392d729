"""Tests of `ui/components/deleting.py`, on the pages that delete."""

import pytest

from tests.ui import fakes
from tests.ui.seen import errors
from trainers.jobs.local import Engine
from trainers.runs import RunError
from ui.components import access, deleting, engine, predictions, reading


def asked(open_page):
    app = open_page("run", run="a")
    return app.button(key="delete").click().run()


def press(app, key):
    # A browser reruns the dialog alone; AppTest the page, so it is opened again.
    app.button(key="delete").click()
    return app.button(key=key).click().run()


def test_a_run_is_deleted_from_its_page_once_confirmed(open_page, root):
    run = fakes.write_run(root, "a")
    app = asked(open_page)
    assert "a" in [item.value for item in app.code]
    press(app, "keep")
    assert run.path.exists()
    app = press(asked(open_page), "delete_for_good")
    assert not app.exception
    assert not run.path.exists()
    assert "## Runs" in [item.value for item in app.markdown]


def test_nothing_is_remembered_of_a_run_that_was_deleted(root, monkeypatch):
    forgotten = []
    for module in (predictions, reading):
        monkeypatch.setattr(module, "forget", forgotten.append)
    run = fakes.write_run(root, "a")
    deleting._delete(engine.archive(), [run], None)
    assert forgotten == [run, run]


def test_a_run_that_cannot_be_deleted_stays_open(open_page, root, monkeypatch):
    def refuse(self, run):
        raise RunError("Run a is running.")

    monkeypatch.setattr(Engine, "delete", refuse)
    fakes.write_run(root, "a")
    app = press(asked(open_page), "delete_for_good")
    assert "Run a is running." in errors(app)


@pytest.mark.parametrize("late", [False, True])
def test_viewers_delete_nothing(open_page, root, monkeypatch, late):
    run = fakes.write_run(root, "a")
    app = asked(open_page) if late else None
    monkeypatch.setattr(access, "may_edit", lambda: False)
    if app is not None:
        press(app, "delete_for_good")
    else:
        assert open_page("run", run="a").button(key="delete").disabled
    assert run.path.exists()
