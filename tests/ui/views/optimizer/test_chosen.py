"""Tests of the choice: it is in the address, and comes back from it."""

import pytest

from tests.trainers.parcel.values import others
from tests.ui.choosing import choose_optimizer
from tests.ui.seen import errors, text
from trainers.catalogue import OPTIMIZERS
from ui.views.optimizer.chosen import differing


def field(app, name, spec="vogn"):
    key = f"optimizer-form-{spec}-{name}"
    kinds = (app.number_input, app.selectbox, app.toggle)
    return next(each for kind in kinds for each in kind if each.key == key)


def query(app):
    found = app.query_params.items()  # lists where the test set them
    return {key: v[0] if isinstance(v, list) else v for key, v in found}


def code(app):
    return app.code[0].value


def test_the_first_one_is_there_without_an_address(open_page):
    app = open_page("optimizer")
    assert query(app)["optimizer"] == "vogn"
    assert "optimizer = VOGN(model, num_data=len(loader.dataset))" in code(app)


def test_another_one_is_in_the_address(open_page):
    app = open_page("optimizer", optimizer="vogn", lr="0.5", posterior="1-gone")
    choose_optimizer(app, "sp_ngd", "optimizer-chosen")
    assert not app.exception
    # Values of the one before are not those of this one.
    assert query(app) == {"optimizer": "sp_ngd"}
    assert "optimizer = SPNGD(model)" in code(app)


def test_a_change_is_in_the_address_and_the_code(open_page):
    app = open_page("optimizer", optimizer="vogn")
    field(app, "temperature").set_value(0.25).run()
    assert query(app)["temperature"] == "0.25"
    assert "temperature=0.25" in code(app)
    field(app, "lr").set_value(2.0).run()
    field(app, "temperature").set_value(1.0).run()
    assert query(app) == {"optimizer": "vogn", "lr": "2.0"}
    assert "temperature" not in code(app)
    field(app, "lr").set_value(None).run()
    assert query(app) == {"optimizer": "vogn"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_values_come_back_from_the_address(open_page, name):
    spec = OPTIMIZERS[name]
    said = differing(spec, others(spec))
    app = open_page("optimizer", optimizer=name, **said)
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert query(app) == {"optimizer": name, **said}
    for item in spec.hyperparameters:
        if item.name in said:
            found = field(app, item.name, name).value
            assert item.validated(found) == item.validated(said[item.name])


def test_an_address_that_changes_fills_the_form_again(open_page):
    app = open_page("optimizer", optimizer="vogn", lr="0.5")
    app.query_params["lr"] = "0.75"
    app.run()
    assert field(app, "lr").value == 0.75
    assert "lr=0.75" in code(app)
    del app.query_params["lr"]
    app.run()
    assert field(app, "lr").value is None


def test_wrong_values_of_the_address_are_left_out(open_page):
    wrong = {
        "lr": "nan", "initial_curvature": "1e999", "damping": "-1", "momentum": "1",
        "num_samples": "2.5", "curvature": "<script>", "sampled": "perhaps",
    }  # fmt: skip
    app = open_page("optimizer", optimizer="vogn", temperature="0.5", **wrong)
    assert not app.exception
    for name in wrong:
        told = f"The address has a value that is left out: {name} must be"
        assert told in text(app)
    assert query(app) == {"optimizer": "vogn", "temperature": "0.5"}
    assert "VOGN(model, num_data=len(loader.dataset), temperature=0.5)" in code(app)


def test_an_unknown_optimizer_is_told(open_page):
    app = open_page("optimizer", optimizer="<script>alert(1)</script>")
    assert not app.exception
    assert "There is no optimizer '<script>alert(1)</script>' here." in text(app)
    assert query(app) == {"optimizer": "vogn"}


def test_wrong_values_of_the_form_are_told_and_not_kept(open_page):
    app = open_page("optimizer", optimizer="vogn", temperature="0.5")
    field(app, "momentum").set_value(1.5).run()
    assert "Momentum must be a number in [0, 1), got 1.5." in errors(app)
    assert "momentum" not in query(app)
    assert not any("VOGN(" in each.value for each in app.code)
    field(app, "momentum").set_value(0.5).run()
    assert query(app) == {"optimizer": "vogn", "temperature": "0.5", "momentum": "0.5"}
    assert "momentum=0.5" in code(app)


def test_values_that_do_not_go_together_are_told(open_page):
    app = open_page("optimizer", optimizer="sgd", momentum="0.0")
    field(app, "nesterov", "sgd").set_value(True).run()
    assert "momentum must be > 0 with nesterov, got 0." in errors(app)
    assert not app.code


def test_only_differences_are_kept():
    spec = OPTIMIZERS["vogn"]
    assert differing(spec, spec.defaults()) == {}
    assert differing(spec, {"sampled": False, "lr": None}) == {"sampled": "false"}
