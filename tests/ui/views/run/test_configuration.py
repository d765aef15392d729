"""Tests of `ui/views/run/configuration.py`, on the page that shows it."""

import json

from tests.ui import fakes
from tests.ui.seen import errors, text
from trainers.runs import write_json
from ui.components import access
from ui.components.formats import plain


def opened(open_page, name="a", **query):
    app = open_page("run", run=name, tab="Configuration", **query)
    assert not app.exception
    return app


def test_the_command_and_the_configuration_are_shown(open_page, root):
    run = fakes.write_run(root, "a", epochs=7)
    shown = [item.value for item in opened(open_page).code]
    assert "  --epochs 7" in shown[0]
    content = json.loads(run.config.read_text())
    assert json.loads(shown[1]) | {"code_version": "test"} == content


def test_the_table_marks_what_differs_and_can_leave_out_the_rest(open_page, root):
    fakes.write_run(root, "a", epochs=7)
    app = opened(open_page)
    table = app.table[0].value
    marked = table[table["Differs"] == "●"]
    assert list(marked["Value"]) == ["digits", "mlp", "vogn", "7"]
    assert f"marks the 4 of {len(table)} settings" in text(app)
    app.toggle(key="settings_differing").set_value(True).run()
    assert list(app.table[0].value["Value"]) == ["digits", "mlp", "vogn", "7"]
    app = opened(open_page, settings_differing="true")
    assert len(app.table[0].value) == 4


def test_the_settings_go_to_the_launch_form(open_page, root):
    fakes.write_run(root, "a", optimizer="sgd")
    app = opened(open_page)
    app.button(key="launch_again").click().run()
    assert not app.exception
    assert app.query_params["clone"] == "a"
    assert app.segmented_control(key="optimizer").value == "sgd"


def test_viewers_do_not_launch(open_page, root, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    fakes.write_run(root, "a")
    app = opened(open_page)
    assert app.button(key="launch_again").disabled
    assert [each.label for each in app.download_button] == ["config.json"]


def test_folder_code_and_software_are_shown_as_they_stand(open_page, root):
    run = fakes.write_run(root, "a _b_ c", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    software = {"Python": "3.11.7", "<b>x</b>": "*2*"}
    write_json(run.evaluation, content | {"software": software})
    app = opened(open_page, "a _b_ c")
    told = [item.value for item in app.caption]
    assert f"Folder: {plain(str(run.path))}" in told
    assert plain(str(run.path)) != str(run.path)
    assert "- Code vogn-app test\n- Python 3.11.7\n- <b>x</b> *2*" in text(app)
    assert "\\<b\\>" in "\n".join(item.value for item in app.markdown)


def test_an_old_run_without_versions_says_what_it_knows(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    write_json(run.evaluation, content | {"software": 5})
    configuration = json.loads(run.config.read_text())
    del configuration["code_version"]
    write_json(run.config, configuration)
    app = opened(open_page)
    assert "- Code vogn-app of an unknown version" in text(app)
    assert not errors(app)


def test_a_damaged_evaluation_leaves_the_configuration(open_page, root):
    fakes.write_run(root, "a").evaluation.write_text("{nope")
    assert "- Code vogn-app test" in text(opened(open_page))


def test_the_webhook_is_mentioned(open_page, root):
    fakes.write_run(root, "a")
    assert "VOGN_WEBHOOK" in text(opened(open_page))
