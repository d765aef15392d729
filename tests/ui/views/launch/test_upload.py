"""Tests of `ui/views/launch/upload.py`."""

import pytest

from data.uploads import find, keep, listing
from tests.data.uploads.archives import arrays, classes, labelled, packed
from tests.data.writers import write_image_folder
from tests.ui import fakes
from tests.ui.seen import errors, text
from trainers import jobs
from trainers.config import DatasetConfig, ModelConfig, OptimizerConfig, RunConfig
from trainers.runs import write_json
from ui.components import access, reading
from ui.views.launch.upload import HERE, NEW, UPLOADED, field_values


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep uploads in the test's folder."""
    monkeypatch.setenv("VOGN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def own(open_page):
    """Open the form at the user's own images."""

    def opened(source=None):
        app = open_page("launch")
        app.selectbox(key="dataset").set_value("folder").run()
        if source:
            app.segmented_control(key="own-source").set_value(source).run()
        assert not app.exception
        return app

    return opened


def put(app, name, content):
    app.file_uploader(key="own-file-0").set_value((name, content, "application/zip"))
    app.run()
    app.button(key="own-add").click().run()
    assert not app.exception


def test_a_good_upload_is_chosen_shown_and_can_be_launched(own):
    app = own()
    assert app.segmented_control(key="own-source").value == NEW
    assert "Choose images of yours" in errors(app)
    put(app, "my pets.zip", packed(classes(per_class=25)).getvalue())
    assert errors(app) == ""
    assert app.selectbox(key="own-upload").value == "my pets"
    assert "50 images" in text(app)
    assert "2 classes · 12 × 10 pixels · colour" in text(app)  # noqa: RUF001
    assert f"--folder '{find('my pets').path}'" in app.code[0].value
    assert not app.button(key="launch").disabled


def test_a_name_and_a_size_can_be_chosen(own):
    app = own()
    content = packed(classes()).getvalue()
    app.file_uploader(key="own-file-0").set_value(("a.zip", content, "application/zip"))
    app.run()
    app.text_input(key="own-name-0-a.zip").set_value("cats/dogs")
    app.selectbox(key="own-side-0").set_value(32).run()
    app.button(key="own-add").click().run()
    assert app.selectbox(key="own-upload").value == "cats dogs"
    assert "32 × 32 pixels" in text(app)  # noqa: RUF001


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"text", "must be a whole .zip or .npz file"),
        (packed(classes() | {"../x.png": b"x"}).getvalue(), "must not climb out by .."),
        (
            packed(classes() | {"cat/x.png": b"<b>"}).getvalue(),
            "'cat/x.png' must be an",
        ),
        (arrays(images=labelled()["images"]).getvalue(), "labels must be there"),
    ],
)
def test_a_bad_upload_is_told_and_nothing_is_kept(own, content, told):
    app = own()
    put(app, "bad.zip", content)
    assert "Nothing was kept." in errors(app)
    assert told in errors(app)
    assert listing() == []


def test_an_npz_is_taken(own):
    app = own()
    put(app, "mine.npz", arrays(**labelled()).getvalue())
    assert "30 images" in text(app)
    assert "grey" in text(app)


def test_a_folder_or_file_on_this_machine_is_shown(own, tmp_path):
    write_image_folder(tmp_path / "pets", per_class=4)
    app = own(HERE)
    app.text_input(key="folder").set_value(str(tmp_path / "pets")).run()
    assert "8 images" in text(app)
    assert f"--folder {tmp_path / 'pets'}" in app.code[0].value
    path = tmp_path / "mine.npz"
    path.write_bytes(arrays(**labelled()).getvalue())
    app.text_input(key="folder").set_value(str(path)).run()
    assert "30 images" in text(app)
    assert f"--folder {path}" in app.code[0].value
    app.text_input(key="folder").set_value(str(tmp_path / "gone")).run()
    assert "There is no folder or .npz file" in errors(app)


def test_deleting_asks_first_and_lets_go_of_the_choice(own):
    keep(packed(classes()), "one.zip")
    keep(packed(classes()), "two.zip")
    app = own()
    app.selectbox(key="own-upload").set_value("two").run()
    app.button(key="own-delete-sure").click().run()
    assert [upload.name for upload in listing()] == ["one"]
    assert app.selectbox(key="own-upload").value == "one"
    app.button(key="own-delete-sure").click().run()
    assert listing() == []
    assert not app.exception


def config_on(upload):
    return RunConfig(
        dataset=DatasetConfig(name="folder", folder=str(upload.path)),
        model=ModelConfig(name="mlp"),
        optimizer=OptimizerConfig(name="vogn"),
    )


def test_a_dataset_in_use_is_not_deleted(own, root, monkeypatch):
    upload = keep(packed(classes()), "pets.zip")
    (run,) = jobs.engine().submit([config_on(upload)])
    # Results are not read for it, however many runs there are.
    monkeypatch.setattr(reading, "SCREENFUL", 0)
    read_of = []
    monkeypatch.setattr(reading, "results", lambda _, read: read_of.append(read))
    app = own()
    app.button(key="own-delete-sure").click().run()
    assert f"'pets' cannot be deleted while 1 run uses it: {run.id}." in errors(app)
    assert read_of == [False]
    assert find("pets") is not None


def test_a_dataset_of_ended_runs_is_deleted(own, root):
    run = fakes.write_run(root, "1-done")
    write_json(run.config, config_on(keep(packed(classes()), "pets.zip")).to_dict())
    app = own()
    app.button(key="own-delete-sure").click().run()
    assert find("pets") is None


def test_a_viewer_neither_adds_nor_deletes_nor_looks_around(own, monkeypatch, tmp_path):
    keep(packed(classes()), "pets.zip")
    write_image_folder(tmp_path / "secret")
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app = own(NEW)
    assert app.file_uploader(key="own-file-0").proto.disabled
    app.segmented_control(key="own-source").set_value(UPLOADED).run()
    assert "8 images" in text(app)
    app.segmented_control(key="own-source").set_value(HERE).run()
    assert app.text_input(key="folder").disabled
    # As a browser that is not ours might send it.
    app.session_state["folder"] = str(tmp_path / "secret")
    app.run()
    assert app.text_input(key="folder").value == str(tmp_path / "secret")
    assert "20 images" not in text(app)
    assert "Editors name a folder here" in text(app)
    there = errors(app)
    assert "Only editors may name folders of this machine." in there
    # Nor does the answer say what there is.
    app.session_state["folder"] = str(tmp_path / "nothing")
    app.run()
    assert errors(app) == there


def test_the_server_asks_again_who_it_is(own, monkeypatch):
    def refuse():
        raise access.AccessError("Only editors may do this.")

    keep(packed(classes()), "pets.zip")
    monkeypatch.setattr(access, "require_editor", refuse)
    app = own(NEW)
    put(app, "more.zip", packed(classes()).getvalue())
    assert "Only editors may do this" in errors(app)
    app.segmented_control(key="own-source").set_value(UPLOADED).run()
    app.button(key="own-delete-sure").click().run()
    assert "Only editors may do this" in errors(app)
    assert [upload.name for upload in listing()] == ["pets"]


def test_a_limit_that_is_no_number_is_told(own, monkeypatch):
    monkeypatch.setenv("VOGN_MAX_UPLOAD", "lots")
    assert "VOGN_MAX_UPLOAD must be a whole number" in errors(own())


def test_fields_go_by_where_the_images_lie(tmp_path):
    upload = keep(packed(classes()), "pets.zip")
    values = field_values(str(upload.path))
    assert (values["own-source"], values["own-upload"]) == (UPLOADED, "pets")
    elsewhere = str(tmp_path / "pets.npz")
    assert field_values(elsewhere) == {"own-source": HERE, "folder": elsewhere}
