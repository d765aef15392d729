"""Tests of `ui/views/launch/saved.py`."""

import json

import pytest

from tests.ui.fakes import config
from tests.ui.seen import errors, text
from trainers.saved import find_saved, save_config, saved_configs, saved_folder
from ui.components import access
from ui.views.launch.saved import OPEN


def with_list(app):
    """The page with its list of saved configurations opened."""
    app.session_state[OPEN] = True
    return app.run()


def keys(app, kind="button"):
    return {item.key for item in app.get(kind)}


def test_what_is_in_the_form_is_saved_under_a_name_and_opened_again(open_page):
    app = open_page("launch")
    app.number_input(key="epochs-digits").set_value(7).run()
    assert app.button(key="save-now").disabled
    app.text_input(key="save-name-0").set_value("my baseline").run()
    app.button(key="save-now").click().run()
    assert not app.exception
    assert "Saved as my baseline." in text(app)
    assert find_saved("my baseline").config.training.epochs == 7
    app.number_input(key="epochs-digits").set_value(9)
    with_list(app)
    app.button(key="saved-open-my baseline").click().run()
    assert app.query_params["config"] == "my baseline"
    assert app.number_input(key="epochs-digits").value == 7
    assert not app.session_state[OPEN]
    app.button(key="defaults").click().run()
    assert app.number_input(key="epochs-digits").value == 60


def test_the_address_opens_a_configuration(open_page):
    save_config("a b", config("fashion-mnist", "lenet5", "adamw", epochs=3))
    app = open_page("launch", config="a b")
    assert errors(app) == ""
    assert "--dataset fashion-mnist" in app.code[0].value
    assert "--epochs 3" in app.code[0].value


@pytest.mark.parametrize("name", ["nobody", "../../etc/passwd", "<script>"])
def test_one_that_is_not_there_is_told(open_page, name):
    app = open_page("launch", config=name)
    assert not app.exception
    assert f"There is no saved configuration '{name}'" in text(app)


def test_a_name_that_is_taken_asks_before_it_is_replaced(open_page):
    save_config("a", config(epochs=3))
    app = open_page("launch")
    app.text_input(key="save-name-0").set_value("a").run()
    assert "There is a configuration **a** already" in text(app)
    assert app.button(key="save-now").label == "Replace it"
    app.button(key="save-now").click().run()
    assert find_saved("a").config.training.epochs == 60


def test_a_name_that_will_not_do_is_told(open_page):
    app = open_page("launch")
    app.text_input(key="save-name-0").set_value("../a").run()
    app.button(key="save-now").click().run()
    assert "name must have at most 64 letters" in errors(app)
    assert not saved_folder().exists()


def test_nothing_is_saved_while_something_is_wrong(open_page):
    app = open_page("launch")
    app.number_input(key="batch_size").set_value(-1).run()
    assert "Not before the form is in order" in text(app)
    assert "save-now" not in keys(app)


def test_deleting_asks_first(open_page):
    save_config("a", config())
    app = with_list(open_page("launch"))
    app.button(key="saved-delete-a").click().run()
    assert find_saved("a") is not None
    app.button(key="saved-sure-a").click().run()
    assert find_saved("a") is None
    assert "saved-open-a" not in keys(app)


def test_a_closed_list_reads_no_file(open_page, monkeypatch):
    save_config("a", config())
    monkeypatch.setattr("ui.views.launch.saved.saved_configs", None)
    app = open_page("launch")
    assert not app.exception
    assert "saved-open-a" not in keys(app)


def test_a_damaged_one_is_told_and_can_be_deleted(open_page):
    saved_folder().mkdir(parents=True)
    (saved_folder() / "bad.json").write_text("{")
    app = with_list(open_page("launch", config="bad"))
    assert "bad is damaged" in text(app)
    assert app.button(key="saved-open-bad").disabled
    app.button(key="saved-delete-bad").click().run()
    app.button(key="saved-sure-bad").click().run()
    assert find_saved("bad") is None


def test_a_file_from_elsewhere_is_checked_and_saved(open_page):
    content = json.dumps(config("moons", epochs=4).to_dict()).encode()
    app = with_list(open_page("launch"))
    field = app.file_uploader(key="saved-file-0")
    field.set_value(("theirs.json", content, "application/json")).run()
    app.button(key="saved-file-save").click().run()
    assert not app.exception
    assert find_saved("theirs").config == config("moons", epochs=4)


def test_a_file_that_is_no_configuration_is_told(open_page):
    app = with_list(open_page("launch"))
    field = app.file_uploader(key="saved-file-0")
    field.set_value(("theirs.json", b'{"schema": 7}', "application/json")).run()
    assert "schema must be 1, got 7" in errors(app)
    assert "saved-file-save" not in keys(app)


def test_a_viewer_may_open_but_change_nothing(open_page, monkeypatch):
    save_config("a", config())
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app = open_page("launch")
    app.text_input(key="save-name-0").set_value("b")
    with_list(app)
    assert app.button(key="save-now").disabled
    assert app.button(key="saved-delete-a").disabled
    assert app.file_uploader(key="saved-file-0").proto.disabled
    app.button(key="saved-open-a").click().run()
    assert app.query_params["config"] == "a"


def test_the_server_asks_again_who_it_is(open_page, monkeypatch):
    def refuse():
        raise access.AccessError("Only editors may do this.")

    save_config("a", config())
    monkeypatch.setattr(access, "require_editor", refuse)
    app = open_page("launch")
    app.text_input(key="save-name-0").set_value("b").run()
    app.button(key="save-now").click().run()
    assert "Only editors may do this" in errors(app)
    with_list(app)
    app.button(key="saved-delete-a").click().run()
    app.button(key="saved-sure-a").click().run()
    assert "Only editors may do this" in errors(app)
    assert [saved.name for saved in saved_configs()] == ["a"]
