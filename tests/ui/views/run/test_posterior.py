"""Tests of `ui/views/run/posterior.py`, on the page that shows it."""

import json

import pytest

from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from trainers.config import OptimizerConfig
from trainers.runs import read_metrics, write_json
from trainers.status import Process
from ui.views.run.posterior import checked, epoch_layers, learns_posterior

TOTAL = (
    "**1,930 weights** in 2 layers. By how far they are narrower than the prior, the "
    "data pin down 20.0 % of them (386 effective parameters). "
    "KL from the prior: 6,755 nats, 3.5 a weight."
)


def opened(open_page, **query):
    app = open_page("run", run="a", tab="Posterior", **query)
    assert not app.exception
    return app


@pytest.mark.parametrize("optimizer", ["vogn", "noisy_kfac"])
def test_layers_are_shown_at_the_end_and_over_time(open_page, root, optimizer):
    fakes.write_run(root, "a", optimizer=optimizer, evaluated=True)
    app = opened(open_page)
    assert TOTAL in [item.value for item in app.markdown]
    shown = charts(app)
    assert set(shown) == {
        "layers-deviation", "layers-signal_to_noise", "layers-effective_share",
        "layers-kl", "layers-over-time",
    }  # fmt: skip
    (bars,) = shown["layers-deviation"]["figure"]["data"]
    assert bars["x"] == [0.02, 0.04]
    first, _ = shown["layers-over-time"]["figure"]["data"]
    rows = [row for row in read_metrics(fakes.Run(root / "a"))[0] if "posterior" in row]
    assert first["x"] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert first["y"] == [row["posterior"][0]["deviation"] for row in rows]


def test_the_table_has_the_numbers_and_names_as_they_stand(open_page, root):
    fakes.write_run(root, "a", evaluated=True)
    (table,) = opened(open_page).dataframe
    assert list(table.value["Layer"]) == ["layer 0", "<b>2</b>"]
    assert list(table.value["Weights"]) == [1600, 330]
    assert list(table.value["KL"]) == [5600, 1155]
    assert list(table.value["Effective parameters"]) == pytest.approx([0.2, 0.2])


def mixture_run(root):
    """A run whose layers are those of a mixture, at the end and after each epoch."""
    run = fakes.write_run(root, "a", evaluated=True)
    unknown = {"kl": None, "effective_parameters": None, "between": 0.75}

    def of_mixture(content):
        layers = content.get("posterior") or []
        return content | {"posterior": [layer | unknown for layer in layers]}

    rows = [of_mixture(row) for row in read_metrics(run)[0]]
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = json.loads(run.evaluation.read_text())
    write_json(run.evaluation, of_mixture(content) | {"mean": None})


def test_a_mixture_shows_what_it_knows_and_says_what_it_means(open_page, root):
    mixture_run(root)
    app = opened(open_page)
    assert set(charts(app)) == {
        "layers-deviation", "layers-signal_to_noise", "layers-over-time",
    }  # fmt: skip
    told = text(app)
    assert "**1,930 weights** in 2 layers." in told
    assert "a deviation tells how far its members lie apart" in told
    assert "KL from the prior" not in told
    assert "pin down" not in told
    (table,) = app.dataframe
    assert list(table.value.columns) == [
        "Layer", "Weights", "Deviation", "Signal-to-noise", "Between",
    ]  # fmt: skip
    assert list(table.value["Between"]) == [0.75, 0.75]


def test_what_knows_no_prior_says_nothing_of_one(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    unknown = {"kl": None, "effective_parameters": None, "between": None}
    layers = [layer | unknown for layer in content["posterior"]]
    write_json(run.evaluation, content | {"posterior": layers})
    told = text(opened(open_page))
    assert "Layers stand in the order of the model." in told
    assert "pin a weight down" not in told
    assert "A width is what the method makes it" in told
    assert "mixture" not in told


def test_the_measure_over_time_stands_in_the_address(open_page, root):
    fakes.write_run(root, "a", evaluated=True)
    app = opened(open_page, layers_measure="KL a weight")
    assert charts(app)["layers-over-time"]["alt"].startswith("KL a weight of 2 layers")
    before = charts(app)["layers-over-time"]["revision"]
    app.segmented_control(key="layers_measure").set_value("Deviation").run()
    after = charts(app)["layers-over-time"]
    assert after["alt"].startswith("Deviation of 2 layers over 5 epochs")
    assert after["revision"] != before
    app = opened(open_page, layers_measure="<b>")
    assert charts(app)["layers-over-time"]["alt"].startswith("Deviation")


def test_a_live_run_shows_its_newest_epoch(open_page, root, alive):
    fakes.write_run(root, "a", state="running", done=0.5, trainer=Process.of(alive))
    (bars,) = charts(opened(open_page))["layers-deviation"]["figure"]["data"]
    rows = [row for row in read_metrics(fakes.Run(root / "a"))[0] if "posterior" in row]
    assert bars["x"] == [layer["deviation"] for layer in rows[-1]["posterior"]]


def test_before_the_first_epoch_it_says_when(open_page, root, alive):
    fakes.write_run(root, "a", state="running", done=0.1, trainer=Process.of(alive))
    assert "appears here after an epoch" in text(opened(open_page))


def test_an_old_run_shows_the_end_alone(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    rows = [row | {"posterior": None} for row in read_metrics(run)[0]]
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = opened(open_page)
    assert "layers-over-time" not in charts(app)
    assert "layers-deviation" in charts(app)
    assert "made when training was over, or an older version trained" in text(app)


def test_a_run_of_nothing_says_so(open_page, root):
    run = fakes.write_run(root, "a")
    run.metrics.unlink()
    app = opened(open_page)
    assert "says nothing of its posterior" in text(app)
    assert not charts(app)


def test_one_set_of_weights_has_no_posterior(open_page, root):
    fakes.write_run(root, "a", optimizer="adamw", evaluated=True)
    app = opened(open_page)
    assert "**AdamW trains one set of weights**" in text(app)
    assert "Train with a Bayesian optimizer, such as " in text(app)
    assert not charts(app)


def test_vogn_without_sampling_learns_none():
    sampled = fakes.config()
    assert learns_posterior(sampled)
    optimizer = OptimizerConfig(name="vogn", hyperparameters={"sampled": False})
    config = type(sampled)(
        dataset=sampled.dataset, model=sampled.model, optimizer=optimizer
    )
    assert not learns_posterior(config)
    assert not learns_posterior(fakes.config(optimizer="sgd"))


@pytest.mark.parametrize("rubbish", ["high", [1, 2], [["a"]], 7])
def test_damage_is_told(open_page, root, rubbish):
    run = fakes.write_run(root, "a", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    write_json(run.evaluation, content | {"posterior": rubbish})
    assert "The posterior cannot be shown" in errors(opened(open_page))


def test_layers_without_numbers_are_shown_as_far_as_they_are_known(open_page, root):
    run = fakes.write_run(root, "a", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    layers = [{"name": "a", "kl": None, "deviation": "x"}, {"deviation": 1.0}]
    write_json(run.evaluation, content | {"posterior": layers})
    app = opened(open_page)
    assert not errors(app)
    assert {"layers-deviation", "layers-over-time"} == set(charts(app))


def test_only_epochs_tell_of_layers():
    rows = [
        {"kind": "step", "epoch": 0.5, "posterior": [{"name": "a"}]},
        {"kind": "epoch", "epoch": None, "posterior": [{"name": "a"}]},
        {"kind": "epoch", "epoch": 2, "posterior": [{"name": "a"}]},
        {"kind": "epoch", "epoch": 3},
    ]
    assert epoch_layers(rows) == [(2.0, [{"name": "a"}])]
    with pytest.raises(ValueError, match="must be a list of layers"):
        checked({"name": "a", "x": 1}.values())


def test_one_network_is_said_to_be_one_and_not_drawn(open_page, root):
    run = fakes.write_run(root, "a", optimizer="snapshot", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    alone = {"deviation": 0.0, "signal_to_noise": None, "between": 0.0}
    layers = [layer | alone for layer in content["posterior"]]
    write_json(run.evaluation, content | {"posterior": layers, "num_samples": 1})
    app = opened(open_page)
    assert "The posterior is one network" in text(app)
    assert not charts(app)
    assert not app.dataframe
