"""Tests of `ui/views/compare/curves.py`."""

from tests.ui.seen import charts, text
from tests.ui.views.compare.examples import family, run_of
from trainers.runs import Run
from trainers.status import Process


def opened(open_page, runs, **query):
    return open_page("compare", runs=runs, compare="Curves", **query)


def test_the_address_says_what_is_drawn_against_what(open_page, root):
    run_of(root, "a")
    run_of(root, "b", optimizer="adamw")
    app = opened(open_page, "a,b")
    assert set(charts(app)) == {
        f"compare-curve-{key}"
        for key in (
            "validation_nll", "validation_accuracy", "validation_ece", "train_loss",
        )
    }  # fmt: skip
    app.slider(key="compare_smoothing").set_value(0).run()
    app.toggle(key="compare_log_y").set_value(True).run()
    app.button_group(key="compare_x").set_value("Epoch").run()
    app.button_group(key="compare_metrics").set_value(["lr", "train_loss"]).run()
    assert not app.exception
    again = opened(
        open_page, "a,b", compare_smoothing="0", compare_log_y="true",
        compare_x="Epoch", compare_metrics=["Learning rate", "Training loss"],
    )  # fmt: skip
    assert charts(again) == charts(app)
    (loss,) = (c for k, c in charts(again).items() if k.endswith("train_loss"))
    assert loss["figure"]["layout"]["yaxis"]["type"] == "log"
    assert loss["figure"]["data"][0]["x"][-1] == 5
    assert set(charts(again)) == {"compare-curve-lr", "compare-curve-train_loss"}


def test_a_zoom_outlives_new_values_but_not_another_axis(open_page, root, alive):
    run = run_of(root, "a", evaluated=False, state="running", done=0.5,
                 trainer=Process.of(alive))  # fmt: skip
    app = opened(open_page, "a")
    before = charts(app)["compare-curve-train_loss"]
    extend(run)
    later = charts(app.run())["compare-curve-train_loss"]
    assert later["revision"] == before["revision"]
    assert len(later["figure"]["data"][0]["x"]) > len(before["figure"]["data"][0]["x"])
    app.toggle(key="compare_log_x").set_value(True).run()
    other = charts(app)["compare-curve-train_loss"]
    assert other["revision"] != before["revision"]


def test_names_of_metrics_stay_text(open_page, root):
    run = run_of(root, "a", evaluated=False)
    with run.metrics.open("a") as file:
        file.write('{"kind": "step", "step": 501, "**x**<b>": 3}\n')
    (pills,) = [
        each for each in opened(open_page, "a").button_group
        if each.key == "compare_metrics"
    ]  # fmt: skip
    assert r"\*\*x\*\*\<b\>" in pills.options
    assert "Validation calibration error (ECE)" in pills.options


def extend(run: Run) -> None:
    with run.metrics.open("a") as file:
        file.write('{"kind": "step", "step": 260, "train_loss": 0.5}\n')


def test_families_have_bands_and_each_seed_on_demand(open_page, root):
    family(root, "vogn")
    app = opened(open_page, "vogn-0,vogn-1,vogn-2", by="seeds")
    assert len(charts(app)["compare-curve-train_loss"]["figure"]["data"]) == 2
    assert "its band one standard deviation" in text(app)
    each = opened(open_page, "vogn-0,vogn-1,vogn-2", by="seeds", compare_each="true")
    assert len(charts(each)["compare-curve-train_loss"]["figure"]["data"]) == 5


def test_a_family_of_which_one_is_late_says_so(open_page, root):
    family(root, "vogn", seeds=2)
    run_of(root, "late", seed=9, done=0.4, evaluated=False, state="stopped")
    app = opened(open_page, "vogn-0,vogn-1,late", by="seeds")
    assert "Not all seeds of VOGN are as far" in text(app)


def test_nothing_logged_is_said(open_page, root):
    one, two = run_of(root, "a"), run_of(root, "b", optimizer="adamw")
    two.metrics.write_text("")
    app = opened(open_page, "a,b")
    assert "Not shown: **AdamW** (nothing logged)" in text(app)
    one.metrics.unlink()
    app = opened(open_page, "a,b")
    assert not app.exception
    assert "None of these has logged anything yet." in text(app)
