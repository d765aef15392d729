"""Tests of `ui/views/launch/estimate.py`."""

import dataclasses
import time

import pytest

from tests.trainers.test_costs import COST
from tests.ui.fakes import config
from tests.ui.seen import errors, text
from trainers.costs import Span
from trainers.errands import FAILED, RUNNING
from ui.views.launch import measuring
from ui.views.launch.estimate import amounts, details, size, spanned, summary, total
from ui.views.launch.measuring import Found, Work

COST = dataclasses.replace(COST, parameters=11_200_000, memory=1_200_000_000,
                           available=8_000_000_000)  # fmt: skip


def found(**change):
    return Found(dataclasses.replace(COST, **change), time.time())


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (Span(180, 240, 360), "4 min (3 to 6)"),
        (Span(10, 20, 31), "20 s (10 to 31)"),
        (Span(80, 89, 100), "89 s (80 to 100)"),
        (Span(3600, 7200, 9000), "2 h (1 to 2.5)"),
        (Span(80 * 86400, 90 * 86400, 120 * 86400), "90 days (80 to 120)"),
    ],
)
def test_times_are_told_in_one_unit_with_their_range(span, told):
    assert spanned(span) == told


def test_sizes_and_amounts_are_told_shortly():
    assert [size(k) for k in (1.2e9, 35e6)] == ["1.2 GB", "35 MB"]
    assert [amounts(k) for k in (61_706, 11_200_000)] == ["61,706", "11.2 M"]


def test_one_run_is_told_with_its_memory_and_parameters():
    chosen = config(epochs=2)
    seconds = COST.total(chosen)
    assert total([chosen], [found()]) == pytest.approx(seconds)
    assert summary([chosen], [found()]) == (
        f"**about {spanned(seconds)}**, 1.2 GB of memory, 11.2 M parameters"
    )


def test_several_are_told_altogether():
    configs = [config(epochs=2), config(epochs=5)]
    both = [found(), found(parameters=500, memory=3_000_000_000)]
    seconds = COST.total(configs[0]) + COST.total(configs[1])
    assert total(configs, both) == pytest.approx(seconds)
    assert summary(configs, both) == (
        f"**about {spanned(seconds)}** altogether, one after the other, 3.0 GB of "
        "memory at most, 500 to 11.2 M parameters"
    )


def test_where_and_when_it_was_measured_is_told():
    now = time.time()
    assert details([found()], now) == (
        "Measured on the CPU just now: 1e+03 ms a step, 9 steps."
    )
    assert details([found(load=3.0)], now).endswith("busy: alone it is faster.")
    assert "2 min ago." in details([found(), found(parameters=1)], now + 130)
    laplace = config(optimizer="laplace")
    told = details([found()] * 2, now, [laplace, laplace])
    assert told.count(" Not counted: Laplace's pass over the training data") == 1


@pytest.fixture
def work(monkeypatch):
    """What is being measured as the page sees it, which tests change."""
    seen = {"work": None, "known": {}, "begun": [], "ended": 0}
    monkeypatch.setattr(measuring, "look", lambda: seen["work"])
    monkeypatch.setattr(
        measuring, "known",
        lambda names: {k: v for k, v in seen["known"].items() if k in names},
    )  # fmt: skip

    def begin(kind, config):
        seen["begun"].append(kind)
        seen["work"] = Work(kind, RUNNING, 4.0)

    monkeypatch.setattr(measuring, "begin", begin)
    monkeypatch.setattr(measuring, "end", lambda: seen.update(ended=1))
    return seen


def test_it_is_measured_when_asked_for_and_then_told(open_page, work):
    app = open_page("launch")
    assert work["begun"] == []
    app.button(key="estimate").click().run()
    (kind,) = work["begun"]
    assert "Measuring a few steps, 4 s" in text(app)
    app.button(key="estimate-stop").click().run()
    assert work["ended"] == 1
    work["work"] = Work(kind, "done", 9.0)
    work["known"] = {kind: found()}
    app.run()
    assert "**about" in text(app)
    assert "1.2 GB of memory, 11.2 M parameters" in text(app)
    assert app.button(key="estimate").label == "Measure again"
    app.number_input(key="epochs-digits").set_value(600).run()
    assert "**about" in text(app)  # more epochs take no new measurement
    app.number_input(key="batch_size").set_value(77).run()
    assert "**about" not in text(app)
    assert app.button(key="estimate").label == "Estimate time and memory"


def test_a_race_is_measured_one_after_the_other(open_page, work):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("race").run()
    app.multiselect(key="race").set_value(["vogn", "adamw", "sgd"]).run()
    app.text_input(key="seeds").set_value("0..2").run()
    app.button(key="estimate").click().run()
    for place in range(3):
        kind = work["begun"][-1]
        assert len(work["begun"]) == place + 1
        assert f"Measuring kind {place + 1} of 3" in text(app)
        work["known"][kind] = found()
        work["work"] = Work(kind, "done", 9.0)
        app.run()  # which goes on with the next
    assert "altogether, one after the other" in text(app)


def test_more_kinds_than_are_measured_are_told(open_page, work):
    app = open_page("launch")
    app.segmented_control(key="kind").set_value("sweep").run()
    app.selectbox(key="axis-0").set_value("batch_size").run()
    app.text_input(key="values-0").set_value("10..18").run()
    assert "No estimate: these runs are of 9 kinds, and at most 8" in text(app)
    assert not [button for button in app.button if button.key == "estimate"]


def test_somebody_elses_measurement_is_waited_for(open_page, work):
    work["work"] = Work("other", RUNNING, 3.0)
    app = open_page("launch")
    assert "Another estimate is being made, 3 s" in text(app)


def test_what_does_not_fit_and_what_went_wrong_is_told(open_page, work):
    app = open_page("launch")
    app.button(key="estimate").click().run()
    (kind,) = work["begun"]
    work["work"] = Work(kind, FAILED, 9.0, "model must be a name that timm knows")
    assert "model must be a name that timm knows" in app.run().warning[0].value
    work["work"] = None
    work["known"] = {kind: found(available=1_000_000_000)}
    assert "It would not fit: 1.2 GB of memory are needed, 1.0 GB" in (
        app.run().warning[0].value
    )
    work["known"] = {kind: found(problem="A batch of 9 does not fit.")}
    assert "A batch of 9 does not fit." in app.run().warning[0].value
    assert not errors(app)
