"""Tests of `ui/views/compare/chooser.py`."""

import pytest

from tests.ui import fakes
from tests.ui.seen import text
from tests.ui.views.compare.examples import family, run_of
from trainers import jobs


def shown(app):
    return next(item.value for item in app.main.get("html") if "<ul" in item.value)


def multi(app):
    return app.multiselect(key="compare_choice")


def test_the_address_fills_the_choice_and_the_choice_the_address(open_page, root):
    for name, optimizer in (("a", "vogn"), ("b", "adamw"), ("c", "sgd")):
        run_of(root, name, optimizer=optimizer)
    app = open_page("compare", compare="Settings", runs="c,a")
    assert multi(app).value == ["c", "a"]
    multi(app).set_value(["c", "a", "b"]).run()
    assert app.query_params["runs"] == "c,a,b"
    assert not app.exception
    again = open_page("compare", compare="Settings", runs="c,a,b")
    assert shown(again) == shown(app)
    multi(app).set_value([]).run()
    assert "runs" not in app.query_params
    assert "Choose what to compare" in text(app)


def test_a_family_is_added_whole_and_averaged(open_page, root):
    family(root, "vogn")
    run_of(root, "single", optimizer="adamw")
    app = open_page("compare", compare="Settings", runs="single")
    app.selectbox(key="compare_add").select("VOGN, MLP, digits (3 seeds)").run()
    assert app.query_params["runs"] == "single,vogn-0,vogn-1,vogn-2"
    assert app.query_params["by"] == "seeds"
    assert "<span>VOGN <" in shown(app)
    assert "(3 seeds)" in shown(app)
    assert app.selectbox(key="compare_add").value is None


def test_seeds_are_averaged_or_apart(open_page, root):
    family(root, "vogn")
    app = open_page("compare", compare="Settings", runs="vogn-0,vogn-1,vogn-2")
    assert shown(app).count("<li") == 3
    app.toggle(key="compare_merged").set_value(True).run()
    assert app.query_params["by"] == "seeds"
    assert shown(app).count("<li") == 1
    app.toggle(key="compare_merged").set_value(False).run()
    assert "by" not in app.query_params


def test_there_is_nothing_to_average_without_seeds(open_page, root):
    run_of(root, "a")
    app = open_page("compare", compare="Settings", runs="a", by="seeds")
    assert not app.exception
    assert "compare_merged" not in {toggle.key for toggle in app.toggle}


def test_a_group_is_added_by_its_name(open_page, queue):
    app = open_page("compare")
    app.selectbox(key="compare_add").select("Group mine (3 runs)").run()
    assert not app.exception
    assert app.query_params["runs"] == "group:mine"
    assert "(3 seeds, baseline)" in shown(app)
    assert multi(app).value == ["group:mine"]


@pytest.mark.parametrize("name", ["a,b", "<script>alert(1)</script>", "**x**"])
def test_a_group_may_have_any_name(open_page, root, name):
    jobs.engine().submit([fakes.config()], paths=[root / "one"], group=name)
    app = open_page("compare")
    app.selectbox(key="compare_add").select(f"Group {name} (1 run)").run()
    assert not app.exception
    address = app.query_params["runs"]
    again = open_page("compare", compare="Settings", runs=address)
    assert shown(again) == shown(app)
    assert "<script>" not in shown(app)


def test_the_baseline_is_in_the_address(open_page, root):
    for name, optimizer in (("a", "vogn"), ("b", "adamw")):
        run_of(root, name, optimizer=optimizer)
    app = open_page("compare", compare="Settings", runs="a,b")
    assert "than the baseline, VOGN." in text(app)
    app.selectbox(key="compare_base").select("b").run()
    assert app.query_params["base"] == "b"
    assert "than the baseline, AdamW." in text(app)
    again = open_page("compare", compare="Settings", runs="a,b", base="b")
    assert "than the baseline, AdamW." in text(again)
    app.selectbox(key="compare_base").select("a").run()
    assert "base" not in app.query_params


@pytest.mark.parametrize("base", ["<script>", "", "c"])
def test_an_unknown_baseline_is_the_first(open_page, root, base):
    for name, optimizer in (("a", "vogn"), ("b", "adamw"), ("c", "sgd")):
        run_of(root, name, optimizer=optimizer)
    app = open_page("compare", compare="Settings", runs="a,b", base=base)
    assert not app.exception
    assert "than the baseline, VOGN." in text(app)


def test_a_run_of_a_family_names_it_as_the_baseline(open_page, root):
    family(root, "vogn")
    family(root, "adamw")
    ids = ",".join(f"{name}-{k}" for name in ("vogn", "adamw") for k in range(3))
    app = open_page("compare", compare="Settings", runs=ids, by="seeds", base="adamw-2")
    assert "than the baseline, AdamW." in text(app)


def test_the_first_comparison_is_a_click_away(open_page, root):
    run_of(root, "1", optimizer="adamw")
    run_of(root, "2", optimizer="vogn")
    run_of(root, "3", optimizer="vogn")
    app = open_page("compare")
    assert "Choose what to compare" in text(app)
    app.button(key="compare_newest").click().run()
    assert app.query_params["runs"] == "3,1"
    assert "Difference to VOGN" in text(app)


def test_without_runs_a_newcomer_is_told_what_the_page_is_for(open_page):
    app = open_page("compare")
    assert not app.exception
    assert "No runs yet" in text(app)
