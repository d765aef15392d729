"""Tests of `ui/views/run/headline.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui import fakes
from ui.components.formats import percent
from ui.views.run.headline import basis, interval_text


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
        shown.captions = [item.value for item in app.caption]
        return content, {item.label: item for item in app.metric}

    return shown


def test_the_predictive_stands_beside_the_mean(shown):
    content, metrics = shown()
    assert list(metrics) == [
        "Accuracy", "NLL (nats)", "ECE", "Brier score", "OOD AUROC",
    ]  # fmt: skip
    assert metrics["NLL (nats)"].value == f"{content['metrics']['nll']:.3f}"
    assert f"{content['mean']['nll']:.3f} at the mean" in shown.captions[1]


def test_each_number_says_what_it_means(shown):
    _, metrics = shown()
    assert "95 % interval over examples" in metrics["Accuracy"].help
    assert "calibration error" in metrics["ECE"].help
    assert "against Photograph patches" in shown.captions[4]
    assert "first of" not in shown.captions[4]


def test_each_number_has_its_interval_beneath_it(shown):
    content, _ = shown()
    low, high = content["intervals"]["accuracy"]
    assert shown.captions[0].startswith(f"95 %: {100 * low:.1f} to {100 * high:.1f} %")
    low, high = content["intervals"]["ece"]
    told = f"95 %: {100 * low:.2f} to {100 * high:.2f} %"  # as everywhere else
    assert shown.captions[2].startswith(told)
    low, high = content["ood"]["photo-patches"]["intervals"]["auroc"]
    assert shown.captions[4].startswith(f"95 %: {low:.3f} to {high:.3f}  \n")


@pytest.mark.parametrize("interval", [None, 3, [0.1], [0.1, None], ["a", "b"]])
def test_an_interval_of_an_older_run_may_be_missing(interval):
    assert interval_text(interval, percent) == ""
    assert interval_text([0.1, 0.25], percent) == "10.0 to 25.0 %"


def test_one_set_of_weights_has_no_mean_beside_it(shown):
    content, _ = shown(optimizer="adamw")
    assert not any("at the mean" in each for each in shown.captions)
    assert "one set of weights" in basis(content)


def test_without_an_out_of_distribution_set_its_number_is_left_out(shown):
    _, metrics = shown(dataset="moons")
    assert "OOD AUROC" not in metrics


def test_several_networks_have_samples_and_no_mean(shown):
    content, _ = shown()
    layers = [layer | {"between": 1.0} for layer in content["posterior"]]
    told = basis({**content, "mean": None, "posterior": layers})
    assert "posterior predictive over 8 networks. Mean entropy" in told
    assert "one set of weights" not in told


def test_the_basis_tells_examples_and_samples(shown):
    content, _ = shown()
    told = basis(content)
    assert "On 360 test examples; posterior predictive over 8 weight samples" in told
    parts = [content["metrics"][k] for k in ("expected_entropy", "mutual_information")]
    assert f"= {parts[0]:.3f} expected (aleatoric) + {parts[1]:.3f} mutual" in told


def test_one_draw_is_not_called_a_single_network(shown):
    content, _ = shown()
    told = basis({**content, "num_samples": 1})
    assert told.startswith("On 360 test examples. One draw of the weights")
    assert "single network" not in told
