"""Tests of `ui/views/optimizer/downloads.py`: what is offered is what was chosen."""

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


def packed(app, name="archive"):
    return app.button(key=f"optimizer-pack-{name}").click().run()


@pytest.fixture
def runs(root):
    done = fakes.write_run(root, "1-done", evaluated=True)
    save_file({"mean/w": np.zeros(2, np.float32)}, done.posterior)
    fakes.write_run(root, "2-bare", evaluated=True)
    fakes.write_run(root, "3-adamw", evaluated=True, optimizer="adamw")
    live = fakes.write_run(root, "4-stopped", state="stopped")
    save_file({"mean/w": np.zeros(2, np.float32)}, live.posterior)
    return done


def test_nothing_is_packed_before_somebody_asks(open_page, runs, monkeypatch):
    begun = []
    for name in ("build_wheel", "bundle"):
        monkeypatch.setattr(downloads, name, lambda *_: begun.append(None))
    app = open_page("optimizer", optimizer="vogn", posterior="1-done")
    assert not app.error
    assert not labels(app)
    asked = [each.label for each in app.button if "Pack" in each.label]
    assert asked == ["Pack the wheel", "Pack the archive"]
    assert not begun


@pytest.mark.parametrize("name", ["vogn", "sp_ngd"])
def test_wheel_and_archive_come_with_their_hashes(open_page, name):
    app = open_page("optimizer", optimizer=name, lr="0.0625")
    app = packed(packed(app, "wheel"))
    wheel, archive = build_wheel(), bundle(OPTIMIZERS[name], {"lr": 0.0625})
    assert [label.split(" ")[0] for label in labels(app)] == [wheel.name, archive.name]
    assert hashes(app) == [wheel.sha256, archive.sha256]
    # It is there for everybody then.
    assert hashes(open_page("optimizer", optimizer=name)) == [wheel.sha256]


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
    keys = {each.key for each in app.button}
    assert keys & {"optimizer-pack-wheel", "optimizer-pack-archive"} == {
        "optimizer-pack-wheel"
    }
    assert "The archive can be had when the values above are in order." in text(app)


def test_finished_runs_with_a_posterior_are_to_choose_from(open_page, runs):
    app = open_page("optimizer", optimizer="vogn")
    (choice,) = [box for box in app.selectbox if "posterior" in box.label]
    assert choice.options == ["None", "1-done"]
    choice.select("1-done").run()
    assert not app.exception
    assert app.query_params["posterior"] in ("1-done", ["1-done"])
    expected = bundle(OPTIMIZERS["vogn"], {}, find_run("1-done"))
    app = packed(app)
    assert hashes(app) == [expected.sha256]
    assert expected.name in labels(app)[0]
    choice.select("").run()
    assert "posterior" not in app.query_params


def test_a_run_of_the_address_is_chosen(open_page, runs):
    app = open_page("optimizer", optimizer="vogn", posterior="1-done")
    (choice,) = [box for box in app.selectbox if "posterior" in box.label]
    assert choice.value == "1-done"


@pytest.mark.parametrize("name", ["3-adamw", "4-stopped", "../1-done", "<b>x</b>"])
def test_other_runs_of_the_address_are_refused(open_page, runs, name):
    app = open_page("optimizer", optimizer="vogn", posterior=name)
    assert not app.exception
    assert f"There is no finished VOGN run {name!r} with a posterior" in text(app)
    (choice,) = [box for box in app.selectbox if "posterior" in box.label]
    assert (choice.value, choice.options) == ("", ["None", "1-done"])


def test_there_are_none_yet(open_page):
    app = open_page("optimizer", optimizer="noisy_kfac")
    assert "There is no finished Noisy K-FAC run yet." in text(app)


def test_a_damaged_run_costs_the_archive_alone(open_page, runs):
    runs.evaluation.write_text('{"metrics": {}, "class_names": 3}')
    app = packed(open_page("optimizer", optimizer="vogn", posterior="1-done"))
    assert not app.exception
    assert "does not name the classes" in errors(app)
    assert "optimizer-pack-wheel" in {each.key for each in app.button}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ParcelError("No <b>disk</b>."), "No <b>disk</b>."),
        (OSError(28, "No space left on device", "/secret"),
         "It cannot be packed: No space left on device."),
    ],
)  # fmt: skip
def test_what_cannot_be_packed_says_why(open_page, monkeypatch, error, told):
    def fails():
        raise error

    monkeypatch.setattr(downloads, "build_wheel", fails)
    app = packed(open_page("optimizer", optimizer="kfac"), "wheel")
    assert not app.exception
    assert errors(app) == told
    assert not labels(app)


def test_the_archive_is_packed_again_only_when_something_changed(
    open_page, runs, monkeypatch
):
    made = []

    def counted(*given):
        made.append(given)
        return bundle(*given)

    monkeypatch.setattr(downloads, "bundle", counted)
    address = {"optimizer": "vogn", "posterior": "1-done", "lr": "0.03125"}
    app = packed(open_page("optimizer", **address))
    before = hashes(app.run())
    assert (len(made), len(before)) == (1, 1)
    save_file({"mean/w": np.zeros(3, np.float32)}, runs.posterior)
    assert hashes(app.run()) == []
    assert hashes(packed(app)) != before
    assert len(made) == 2
    assert not hashes(open_page("optimizer", **(address | {"lr": "0.0625"})))
    monkeypatch.setattr(downloads, "sources", lambda: "other sources")
    assert not hashes(app.run())


def test_a_field_that_changes_looks_through_no_runs(open_page, runs, monkeypatch):
    app = open_page("optimizer", optimizer="vogn")
    looks = []
    look = downloads.reading.summaries

    def counted(*given, **options):
        looks.append(options)
        return look(*given, **options)

    monkeypatch.setattr(downloads.reading, "summaries", counted)
    app.run()
    assert looks == [{"patience": 0.0}]  # once a page, and not for the results
    open_page("optimizer", optimizer="kfac")
    assert len(looks) == 1  # which has no posterior


def test_viewers_may_download(open_page, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app = packed(open_page("optimizer", optimizer="vogn"))
    assert not app.error
    assert len(labels(app)) == 1


def test_the_archive_of_a_run_can_be_opened(runs):
    parcel = bundle(OPTIMIZERS["vogn"], {}, find_run("1-done"))
    with zipfile.ZipFile(io.BytesIO(parcel.content)) as archive:
        assert archive.testzip() is None
