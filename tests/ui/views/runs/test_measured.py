"""Tests of `ui/views/runs/measured.py`."""

from calibration.definitions import MEASURES
from tests.ui import fakes
from ui.components import reading
from ui.views.runs.measured import metrics, ood, settings


def test_every_metric_of_the_file_has_a_column(root):
    view = reading.summary(fakes.write_run(root, "a", evaluated=True))
    found = {column.id: column for column in metrics([view])}
    assert list(found) == list(view.metrics)
    assert found["accuracy"].kind == "percent"
    assert found["nll"].title == "NLL"
    assert found["brier"].title == MEASURES["brier"].title
    assert found["nll"].value(view) == view.metrics["nll"]


def test_every_number_of_a_set_has_a_column(root):
    view = reading.summary(fakes.write_run(root, "a", evaluated=True))
    found = {column.id: column for column in ood([view])}
    auroc = found["ood.photo-patches.auroc"]
    assert auroc.value(view) == view.ood["photo-patches"]["auroc"]
    assert auroc.title.startswith("AUROC, ")
    assert not any(name.endswith("num_examples") for name in found)
    assert auroc.value(reading.summary(fakes.write_run(root, "b"))) is None


def test_a_set_of_a_foreign_name_is_shown_as_it_stands(root):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text('{"metrics": {}, "ood": {"<b>": {"auroc": 0.5}}}')
    (column,) = ood([reading.summary(run)])
    assert column.title == "AUROC, <b>"


def test_the_settings_are_those_that_the_runs_have(root):
    vogn = reading.summary(fakes.write_run(root, "a"))
    sgd = reading.summary(fakes.write_run(root, "b", optimizer="sgd"))
    names = {column.id for column in settings([sgd])}
    assert {"setting.seed", "setting.epochs", "setting.lr"} <= names
    assert "setting.prior_precision" not in names
    found = {column.id: column for column in settings([vogn, sgd])}
    prior = found["setting.prior_precision"]
    assert prior.value(sgd) is None
    assert prior.value(vogn) == vogn.config.optimizer.hyperparameters["prior_precision"]
    assert found["setting.lr"].title == "Learning rate"
    assert settings([]) == []
