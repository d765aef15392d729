"""Tests of `ui/views/run/headline.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui import fakes
from ui.views.run.headline import basis


def _page(content: dict) -> None:
    from ui.views.run.headline import headline

    headline(content)


@pytest.fixture
def shown(root):
    def shown(**choice):
        run = fakes.write_run(root, "a", **choice)
        bayesian = choice.get("optimizer", "vogn") == "vogn"
        dataset = choice.get("dataset", "digits")
        content = fakes.write_evaluation(run, dataset, bayesian=bayesian)
        app = AppTest.from_function(_page, args=(content,), default_timeout=30).run()
        assert not app.exception
        return content, {item.label: item for item in app.metric}

    return shown


def test_the_predictive_stands_beside_the_mean(shown):
    content, metrics = shown()
    assert list(metrics) == ["Accuracy", "NLL", "ECE", "Brier score", "OOD AUROC"]
    assert metrics["NLL"].value == f"{content['metrics']['nll']:.3f} nats"
    assert metrics["NLL"].delta == f"{content['mean']['nll']:.3f} at the mean"


def test_each_number_says_what_it_means(shown):
    _, metrics = shown()
    assert "95 % interval over examples" in metrics["Accuracy"].help
    assert "calibration error" in metrics["ECE"].help


def test_one_set_of_weights_has_no_mean_beside_it(shown):
    content, metrics = shown(optimizer="adamw")
    assert metrics["Accuracy"].delta == ""
    assert "one set of weights" in basis(content)


def test_without_an_out_of_distribution_set_its_number_is_left_out(shown):
    _, metrics = shown(dataset="moons")
    assert "OOD AUROC" not in metrics


def test_the_basis_tells_examples_and_samples(shown):
    content, _ = shown()
    told = basis(content)
    assert "On 360 test examples; posterior predictive over 8 weight samples" in told
    parts = [content["metrics"][k] for k in ("expected_entropy", "mutual_information")]
    assert f"= {parts[0]:.3f} expected (aleatoric) + {parts[1]:.3f} mutual" in told
