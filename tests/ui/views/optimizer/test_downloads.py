"""Tests of the downloads: what is offered is what was chosen."""

import io
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.ui import fakes
from tests.ui.seen import errors, text
from trainers.catalogue import OPTIMIZERS
from trainers.parcel.bundle import bundle
from trainers.parcel.wheel import ParcelError, build_wheel
from trainers.runs import find_run
from ui.components import access
from ui.views.optimizer import downloads


def labels(app):
    # Without the backslashes that keep Markdown from reading names as markup.
    return [each.proto.label.replace("\\", "") for each in app.get("download_button")]


def hashes(app):
    return [each.value for each in app.code if len(each.value) == 64]


@pytest.fixture
def runs(root):
    done = fakes.write_run(root, "1-done", evaluated=True)
    save_file({"mean/w": np.zeros(2, np.float32)}, done.posterior)
    fakes.write_run(root, "2-bare", evaluated=True)
    fakes.write_run(root, "3-adamw", evaluated=True, optimizer="adamw")
    live = fakes.write_run(root, "4-stopped", state="stopped")
    save_file({"mean/w": np.zeros(2, np.float32)}, live.posterior)
    return done


@pytest.mark.parametrize("name", ["vogn", "kfac", "noisy_kfac", "sp_ngd"])
def test_wheel_and_archive_are_offered_with_their_hashes(open_page, name):
    app = open_page("optimizer", optimizer=name, lr="0.0625")
    wheel, archive = build_wheel(), bundle(OPTIMIZERS[name], {"lr": 0.0625})
    assert [label.split(" ")[0] for label in labels(app)] == [wheel.name, archive.name]
    assert hashes(app) == [wheel.sha256, archive.sha256]


@pytest.mark.parametrize(
    ("name", "told"),
    [("adamw", "AdamW is part of torch"), ("sgd", "SGD is part of torch"),
     ("lamb", "LAMB is part of timm: `pip install timm`")],
)  # fmt: skip
def test_baselines_have_nothing_to_download(open_page, name, told):
    app = open_page("optimizer", optimizer=name)
    assert told in text(app)
    assert not labels(app)


def test_wrong_values_leave_the_wheel(open_page):
    app = open_page("optimizer", optimizer="vogn")
    field = next(f for f in app.number_input if f.key.endswith("vogn-momentum"))
    field.set_value(2.0).run()
    assert len(labels(app)) == 1
    assert "The archive can be had when the values above are in order." in text(app)


def test_finished_runs_with_a_posterior_are_to_choose_from(open_page, runs):
    app = open_page("optimizer", optimizer="vogn")
    (choice,) = [box for box in app.selectbox if "posterior" in box.label]
    assert choice.options == ["None", "1-done"]
    choice.select("1-done").run()
    assert not app.exception
    assert app.query_params["posterior"] in ("1-done", ["1-done"])
    expected = bundle(OPTIMIZERS["vogn"], {}, find_run("1-done"))
    assert hashes(app)[1] == expected.sha256
    assert expected.name in labels(app)[1]
    choice.select("").run()
    assert "posterior" not in app.query_params


def test_a_run_of_the_address_is_chosen(open_page, runs):
    app = open_page("optimizer", optimizer="vogn", posterior="1-done")
    assert "1-done.zip" in labels(app)[1]


@pytest.mark.parametrize("name", ["3-adamw", "4-stopped", "../1-done", "<b>x</b>"])
def test_other_runs_of_the_address_are_refused(open_page, runs, name):
    app = open_page("optimizer", optimizer="vogn", posterior=name)
    assert not app.exception
    assert f"There is no finished VOGN run {name!r} with a posterior" in text(app)
    assert labels(app)[1].startswith("vogn_app-")
    assert "1-done" not in labels(app)[1]


def test_there_are_none_yet(open_page):
    app = open_page("optimizer", optimizer="noisy_kfac")
    assert "There is no finished Noisy K-FAC run yet." in text(app)


def test_a_damaged_run_costs_the_archive_alone(open_page, runs):
    runs.evaluation.write_text('{"metrics": {}, "class_names": 3}')
    app = open_page("optimizer", optimizer="vogn", posterior="1-done")
    assert not app.exception
    assert "does not name the classes" in errors(app)
    assert len(labels(app)) == 1


def test_a_wheel_that_cannot_be_built_says_why(open_page, monkeypatch):
    def fails():
        raise ParcelError("The wheel cannot be built: no <b>disk</b>.")

    monkeypatch.setattr(downloads, "build_wheel", fails)
    app = open_page("optimizer", optimizer="kfac")
    assert "The wheel cannot be built: no <b>disk</b>." in errors(app)
    assert len(labels(app)) == 1


def test_a_full_disk_is_told(open_page, monkeypatch):
    def fails():
        raise OSError(28, "No space left on device", "/secret")

    monkeypatch.setattr(downloads, "build_wheel", fails)
    app = open_page("optimizer", optimizer="kfac")
    assert not app.exception
    assert errors(app) == "It cannot be packed: No space left on device."


def test_the_archive_is_packed_again_only_when_something_changed(
    open_page, runs, monkeypatch
):
    packed = []

    def counted(*given):
        packed.append(given)
        return bundle(*given)

    monkeypatch.setattr(downloads, "bundle", counted)
    app = open_page("optimizer", optimizer="vogn", posterior="1-done", lr="0.03125")
    app.run()
    assert len(packed) == 1
    before = hashes(app)[1]
    save_file({"mean/w": np.zeros(3, np.float32)}, runs.posterior)
    assert hashes(app.run())[1] != before
    assert len(packed) == 2
    open_page("optimizer", optimizer="vogn", posterior="1-done", lr="0.0625")
    assert len(packed) == 3
    monkeypatch.setattr(downloads, "library_files", lambda: {"vogn_app/a.py": b""})
    app.run()
    assert len(packed) == 4


def test_viewers_may_download(open_page, monkeypatch, runs):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app = open_page("optimizer", optimizer="vogn", posterior="1-done")
    assert not app.error
    assert len(labels(app)) == 2


def test_the_archive_of_a_run_can_be_opened(runs):
    parcel = bundle(OPTIMIZERS["vogn"], {}, find_run("1-done"))
    with zipfile.ZipFile(io.BytesIO(parcel.content)) as archive:
        assert archive.testzip() is None
