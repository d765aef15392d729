"""Tests of `ui/views/run/page.py`."""

import pytest

from tests.ui import fakes
from tests.ui.seen import charts, errors, notifier, text
from trainers import jobs
from trainers.annotations import Annotations, write_annotations
from trainers.jobs.local import Engine
from trainers.runs import RunError
from trainers.status import Process, end_status, read_status
from ui.components import access
from ui.views.run.page import TABS


def live(root, alive, **details):
    return fakes.write_run(
        root, "live", state="running", done=0.5, trainer=Process.of(alive), **details
    )


def test_without_runs_a_newcomer_is_told_what_to_do(open_page):
    app = open_page("run")
    assert not app.exception
    assert "No runs yet" in text(app)


def test_without_an_id_the_newest_run_is_shown_and_named_in_the_address(
    open_page, root
):
    fakes.write_run(root, "1-old", optimizer="sgd")
    fakes.write_run(root, "2-new", optimizer="adamw")
    app = open_page("run")
    assert "AdamW on Digits" in text(app)
    assert app.query_params["run"] == "2-new"


def test_an_unknown_run_is_said_plainly(open_page, root):
    fakes.write_run(root, "a")
    app = open_page("run", run="nobody")
    for name in ("nobody", "../../etc", "<script>", "x" * 500):
        app.query_params["run"] = name
        app.run()
        assert not app.exception
        assert "There is no run" in errors(app)
        assert not charts(app)
        assert [button.label for button in app.button] == ["See all runs"]


def test_a_damaged_folder_is_said_plainly_with_its_file(open_page, root):
    run = fakes.write_run(root, "a")
    run.status.write_text("")
    app = open_page("run", run="a")
    for content in ("", "{", "[]", '{"state": "asleep"}'):
        run.status.write_text(content)
        app.run()
        assert not app.exception
        assert "This run folder is damaged" in errors(app)
        assert "status.json" in errors(app)
        assert run.log.read_text().strip() in [item.value for item in app.code]


@pytest.mark.parametrize("state", ["failed", "damaged"])
def test_the_end_of_the_log_is_what_the_engine_tells(
    open_page, root, monkeypatch, state
):
    run = fakes.write_run(root, "a", state="failed")
    if state == "damaged":
        run.status.write_text("{")
    monkeypatch.setattr(Engine, "logs", lambda self, run: f"{run.id} from afar")
    app = open_page("run", run="a")
    assert not app.exception
    assert "a from afar" in [item.value for item in app.code]
    assert "loss 0.6" not in text(app)


def test_a_damaged_run_is_shown_though_the_engine_has_no_log(
    open_page, root, monkeypatch
):
    def broken(self, run):
        raise RunError("the log is out of reach.")

    fakes.write_run(root, "a").status.write_text("{")
    monkeypatch.setattr(Engine, "logs", broken)
    app = open_page("run", run="a")
    assert not app.exception
    assert "This run folder is damaged" in errors(app)
    assert "the log is out of reach." in errors(app)


def test_a_page_view_asks_the_engine_once(open_page, root, alive, monkeypatch):
    asked = []
    states = Engine.states

    def counting(self, runs):
        asked.append(len(runs))
        return states(self, runs)

    live(root, alive)
    monkeypatch.setattr(Engine, "states", counting)
    monkeypatch.setattr(Engine, "state", None)
    assert not open_page("run", run="live").exception
    assert asked == [1]


def test_a_live_run_shows_progress_curves_and_a_stop(open_page, root, alive):
    live(root, alive)
    app = open_page("run", run="live")
    assert not app.exception
    assert "Running" in app.main.markdown[0].value
    assert app.progress[0].value == 50
    assert app.progress[0].text.startswith("Step 250 of 500 · 6,400 examples/s")
    assert set(charts(app)) == {
        "curve-loss", "curve-accuracy", "curve-ece", "curve-deviation", "curve-lr",
        "curve-speed",
    }  # fmt: skip
    assert {chart["revision"] for chart in charts(app).values()} == {"live Step-00"}
    assert app.button(key="stop").label == "Stop"


def test_a_run_with_curvature_shows_what_is_refreshed_and_its_cost(
    open_page, root, alive
):
    live(root, alive, optimizer="sp_ngd")
    app = open_page("run", run="live")
    assert not app.exception
    assert "### Curvature" in [item.value for item in app.markdown]
    shown = charts(app)
    own = {
        f"curve-{name}" for name in ("refreshed", "intervals", "inverses", "damping")
    }
    assert set(shown) - own == {
        "curve-loss", "curve-accuracy", "curve-ece", "curve-lr", "curve-speed",
    }  # fmt: skip
    share = shown["curve-refreshed"]["figure"]["data"][0]
    assert share["x"][-1] == 250
    assert 0 < share["y"][-1] < 1


def test_noisy_kfac_shows_its_posterior_and_its_curvature(open_page, root):
    fakes.write_run(root, "a", optimizer="noisy_kfac", evaluated=True)
    app = open_page("run", run="a")
    assert not app.exception
    assert "Noisy K-FAC on " in app.main.markdown[0].value
    assert {"curve-deviation", "curve-damping", "curve-refreshed"} <= set(charts(app))
    assert "posterior predictive over 8 weight samples" in text(app)
    assert text(app).count("at the mean") == 4


def test_a_run_without_curvature_has_no_part_for_it(open_page, root):
    fakes.write_run(root, "a", optimizer="sgd")
    app = open_page("run", run="a")
    assert "### Curvature" not in [item.value for item in app.markdown]


def test_curves_grow_under_the_same_revision(open_page, root, alive):
    run = live(root, alive)
    app = open_page("run", run="live")
    before = charts(app)["curve-loss"]
    fakes.write_metrics(run, range(260, 301, 10), bayesian=True)
    after = charts(app.run())["curve-loss"]
    assert after["figure"]["data"][0]["x"][-1] == 300
    assert before["figure"]["data"][0]["x"][-1] == 250
    assert after["revision"] == before["revision"]


def test_stop_asks_the_run_to_stop_and_says_so(open_page, root, alive):
    run = live(root, alive)
    app = open_page("run", run="live")
    app.button(key="stop").click().run()
    assert run.stop_request.exists()
    assert "Stopping" in app.main.markdown[0].value
    assert app.button(key="stop").disabled


def test_a_run_that_just_began_waits_visibly(open_page, root, alive):
    run = live(root, alive, total_steps=0, phase="loading")
    run.metrics.unlink()
    app = open_page("run", run="live")
    assert not app.exception
    assert app.progress[0].text == "Loading…"
    assert "Waiting for the first logged steps" in text(app)


def switch(app, tab):
    app.session_state["tab"] = tab
    app.run()
    assert not app.exception


@pytest.mark.parametrize("choice", [{}, {"dataset": "moons"}, {"optimizer": "adamw"}])
def test_a_finished_run_shows_its_numbers_beside_every_tab(open_page, root, choice):
    fakes.write_run(root, "a", evaluated=True, **choice)
    app = open_page("run", run="a")
    for tab in TABS:
        switch(app, tab)
        assert not app.error, tab
        assert "Finished" in app.main.markdown[0].value
        assert [metric.label for metric in app.metric[:2]] == ["Accuracy", "NLL (nats)"]
        assert all(chart["alt"] for chart in charts(app).values())
        assert ("curve-loss" in charts(app)) == (tab == "Convergence")


def test_every_tab_bears_a_run_that_has_just_been_queued(open_page):
    (run,) = queued()
    app = open_page("run", run=run.id, tab="OOD")
    for tab in TABS:
        switch(app, tab)
        assert not app.error, tab


def test_choices_of_a_tab_are_kept_while_another_one_is_open(open_page, root):
    fakes.write_run(root, "a", evaluated=True)
    fakes.write_run(root, "b", evaluated=True)
    app = open_page("run", run="a")
    app.segmented_control(key="curves_x").set_value("Epoch")
    app.toggle(key="curves_log_y").set_value(True).run()
    switch(app, "Configuration")
    app.toggle(key="settings_differing").set_value(True).run()
    for tab in ("Log", "Downloads", "Posterior", "Convergence"):
        switch(app, tab)
    assert app.segmented_control(key="curves_x").value == "Epoch"
    assert app.toggle(key="curves_log_y").value
    switch(app, "Configuration")
    assert app.toggle(key="settings_differing").value


@pytest.mark.parametrize("tab", ["<b>", "convergence", ""])
def test_a_tab_that_there_is_not_is_the_first_one(open_page, root, tab):
    fakes.write_run(root, "a")
    app = open_page("run", run="a", tab=tab)
    assert not app.exception
    assert "curve-loss" in charts(app)


def test_a_damaged_evaluation_leaves_the_curves(open_page, root):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text("{nope")
    app = open_page("run", run="a")
    assert not app.exception
    assert "evaluation.json cannot be read" in errors(app)
    assert "curve-loss" in charts(app)


def test_a_damaged_evaluation_breaks_no_tab(open_page, root):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text("{nope")
    app = open_page("run", run="a", tab="OOD")
    for tab in TABS:
        switch(app, tab)


def queued(number=1, **options):
    return jobs.engine().submit([fakes.config()] * number, **options)


def test_a_name_of_markup_is_shown_as_it_stands(open_page, root):
    queued(2, paths=[root / "a _b_ c", root / "z"])
    app = open_page("run", run="z")
    (link,) = [item.proto.label for item in app.get("page_link")]
    assert link == "a \\_b\\_ c"


@pytest.mark.parametrize("page", ["compare", "report"])
def test_a_finished_run_goes_to_other_pages(open_page, root, page):
    fakes.write_run(root, "a", evaluated=True)
    app = open_page("run", run="a")
    app.button(key=page).click().run()
    assert not app.exception
    assert app.query_params["runs"] == "a"


def test_a_run_that_has_not_finished_has_no_report(open_page, root):
    fakes.write_run(root, "a", state="stopped")
    keys = [button.key for button in open_page("run", run="a").button]
    assert keys == ["resume", "compare", "clone", "archive", "delete"]


@pytest.mark.parametrize("state", ["running", "stopped", "queued"])
def test_viewers_see_no_button_that_changes_anything(
    open_page, root, alive, monkeypatch, state
):
    if state == "queued":
        _, run = queued(2)
    else:
        trainer = Process.of(alive) if state == "running" else None
        run = fakes.write_run(root, "a", state=state, done=0.5, trainer=trainer)
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app = open_page("run", run=run.id)
    enabled = {button.key for button in app.button if not button.disabled}
    assert enabled == {"compare"}
    assert len(app.button) > 2


def test_a_viewer_who_presses_all_the_same_is_refused(
    open_page, root, alive, monkeypatch
):
    run = live(root, alive)
    app = open_page("run", run="live")
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app.button(key="stop").click().run()
    assert not run.stop_request.exists()


def test_tags_and_notes_are_shown_as_they_stand(open_page, root):
    run = fakes.write_run(root, "a")
    said = Annotations(tags=("<b>x</b>", "good"), note="see *it*\n[here](x)")
    write_annotations(run, said)
    app = open_page("run", run="a")
    shown = [item.value for item in app.markdown]
    assert ":gray-badge[\\<b\\>x\\</b\\>] :gray-badge[good]" in shown
    notes = [item.value for item in app.caption]
    assert "see \\*it\\*  \n\\[here\\]\\(x\\)" in notes


def test_the_tab_of_the_log_tells_its_end_once(open_page, root):
    fakes.write_run(root, "a", state="failed", error_class="diverged", message="Nan.",
                    error_tail="epoch 2: loss 0.6")  # fmt: skip
    first = open_page("run", run="a")
    assert [item.value for item in first.code] == ["epoch 2: loss 0.6"]
    app = open_page("run", run="a", tab="Log")
    assert [item.value for item in app.code] == ["epoch 1: loss 0.9\nepoch 2: loss 0.6"]
    assert "**Diverged.** Nan." in errors(app)


def test_clone_opens_the_form_with_this_run(open_page, root):
    fakes.write_run(root, "a", optimizer="sgd")
    app = open_page("run", run="a")
    app.button(key="clone").click().run()
    assert not app.exception
    assert app.query_params["clone"] == "a"
    assert app.segmented_control(key="optimizer").value == "sgd"


def test_without_an_engine_the_run_is_shown_with_the_reason(
    open_page, root, monkeypatch
):
    def broken(self, runs):
        raise RunError("the job engine must live on a disk of this machine.")

    monkeypatch.setattr(Engine, "states", broken)
    fakes.write_run(root, "a", evaluated=True)
    app = open_page("run", run="a")
    assert not app.exception
    assert "The job engine cannot be used." in errors(app)
    assert "on a disk of this machine" in errors(app)
    assert "Finished" in app.main.markdown[0].value
    assert "curve-loss" in charts(app)


def test_the_end_of_a_run_that_was_watched_is_told_once(open_page, root, alive):
    run = live(root, alive)
    app = open_page("run", run="live")
    assert notifier(app) == notifier(app) | {"visible": True, "ends": []}
    assert not app.toast
    fakes.write_evaluation(run, "digits", bayesian=True)
    end_status(run, read_status(run), "finished")
    app.run()
    (told,) = notifier(app)["ends"]
    assert told["title"] == "Run live finished"
    assert told["body"].startswith("VOGN on Digits (8x8), accuracy ")
    assert told["address"] == "run?run=live"
    assert not notifier(app)["visible"]
    assert "Run live finished" in app.toast[0].value
    assert notifier(app.run())["ends"] == [told]  # the browser knows what it has told
    assert not app.toast


def test_the_end_of_a_run_that_was_not_watched_is_not_told(open_page, root):
    fakes.write_run(root, "a")
    app = open_page("run", run="a")
    assert notifier(app)["ends"] == []
    assert not notifier(app)["visible"]
