"""Tests of `ui/views/compare/page.py`."""

import pytest
import streamlit as st

from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from tests.ui.views.compare.examples import family, run_of
from trainers.status import Process
from ui.views.compare.page import TABS


@pytest.fixture
def both(root):
    run_of(root, "a", optimizer="vogn")
    run_of(root, "b", optimizer="adamw", sharp=2.0)


def warnings(app):
    return "\n".join(item.value.replace("\\", "") for item in app.warning)


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_opens_by_its_address(open_page, both, tab):
    app = open_page("compare", runs="a,b", compare=tab)
    assert not app.exception
    assert errors(app) == ""
    drawn = {
        "Numbers": "compare-forest-", "Curves": "compare-curve-",
        "Reliability": "compare-reliability", "Risk and coverage": "compare-risk",
        "OOD": "compare-roc", "Shift": None, "Settings": None,
        "Against a setting": None,
    }[tab]  # fmt: skip
    keys = list(charts(app))
    assert all(key.startswith(drawn or "?") for key in keys)
    assert bool(keys) == (drawn is not None)


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_takes_families(open_page, root, tab):
    family(root, "vogn")
    family(root, "adamw")
    ids = ",".join(f"{name}-{k}" for name in ("vogn", "adamw") for k in range(3))
    app = open_page("compare", runs=ids, by="seeds", compare=tab)
    assert not app.exception
    assert errors(app) == ""


@pytest.mark.parametrize("tab", ["Numbers", "Reliability", "Settings"])
def test_one_run_alone_is_shown(open_page, both, tab):
    app = open_page("compare", runs="b", compare=tab)
    assert not app.exception
    assert errors(app) == ""
    assert "compare_base" not in {box.key for box in app.selectbox}


@pytest.mark.parametrize("tab", TABS)
def test_what_is_unfinished_or_damaged_takes_part_in_what_it_can(
    open_page, both, root, alive, tab
):
    run_of(root, "live", optimizer="sgd", evaluated=False, state="running",
           trainer=Process.of(alive))  # fmt: skip
    broken = run_of(root, "broken", optimizer="vogn", seed=5)
    broken.predictions.write_bytes(b"PK\x03\x04")
    broken.evaluation.write_text("{")
    lost = run_of(root, "lost", optimizer="adamw", seed=7)
    lost.config.write_text("{")
    app = open_page("compare", runs="a,b,live,broken,lost", compare=tab)
    assert not app.exception
    assert "Run lost is damaged" in errors(app)
    assert errors(app).count("damaged") == 1
    told = text(app)
    if tab in ("Numbers", "Reliability", "Risk and coverage", "OOD"):
        assert "**SGD, seed 0** (not evaluated yet)" in told
        assert "Not shown: **VOGN, seed 5**" in told
    if tab == "Curves":
        (nll,) = (c for k, c in charts(app).items() if k.endswith("validation_nll"))
        names = {trace["name"] for trace in nll["figure"]["data"]}
        assert names == {
            "VOGN, seed 0", "AdamW, seed 0", "SGD, seed 0", "VOGN, seed 5", "lost",
        }  # fmt: skip


def test_what_there_is_not_is_told_and_the_rest_shown(open_page, both):
    asked = ["nobody", "../../etc/passwd", "<script>alert(1)</script>", "x" * 500]
    app = open_page("compare", runs=",".join(["a", *asked, "b"]))
    assert not app.exception
    told = ", ".join(repr(each[:80]) for each in asked)
    assert f"There is no {told} here" in warnings(app)
    assert "Difference to VOGN" in text(app)
    nothing = open_page("compare", runs=asked[1])
    assert "There is no" in warnings(nothing)
    assert "Choose what to compare" in text(nothing)


def test_many_unknown_names_make_no_long_message(open_page, both):
    app = open_page("compare", runs=",".join(f"no{k}" for k in range(500)))
    assert "and 495 more" in warnings(app)
    assert len(warnings(app)) < 500


@pytest.mark.parametrize(("count", "told"), [(10, ""), (11, "; 1 more would not")])
def test_ten_entries_are_the_most(open_page, root, count, told):
    names = [f"r{k:02}" for k in range(count)]
    for k, name in enumerate(names):
        run_of(root, name, seed=k, evaluated=k < 2)
    app = open_page("compare", runs=",".join(names), compare="Curves")
    assert not app.exception
    assert told in warnings(app)
    assert bool(warnings(app)) == bool(told)
    (nll,) = (c for k, c in charts(app).items() if k.endswith("validation_nll"))
    assert len(nll["figure"]["data"]) == 10


@pytest.mark.parametrize(
    "query",
    [
        {"compare": "Nothing"},
        {"compare": "<script>"},
        {"by": "<script>"},
        {"compare": "Curves", "compare_x": "Weight", "compare_smoothing": "-5"},
        {"compare": "Curves", "compare_metrics": "<b>"},
        {"compare": "Reliability", "compare_bins": "1000000"},
        {"compare": "Reliability", "compare_view": "x", "compare_scheme": "y"},
        {"compare": "OOD", "compare_ood": "../..", "compare_score": "z"},
        {"compare": "Settings", "compare_hide": "perhaps"},
    ],
)
def test_bad_values_of_the_address_are_dropped(open_page, both, query):
    app = open_page("compare", runs="a,b", **query)
    assert not app.exception
    assert errors(app) == ""


def test_different_data_are_told(open_page, root):
    run_of(root, "a")
    run_of(root, "b", dataset="mnist", optimizer="adamw")
    app = open_page("compare", runs="a,b")
    assert not app.exception
    assert "trained on different data (digits, mnist)" in text(app)
    assert "**AdamW** cannot be compared with **VOGN**: tested on other data" in text(
        app
    )


def test_repeats_of_a_seed_are_told(open_page, root):
    for name, seed in (("1", 0), ("2", 0), ("3", 1)):
        run_of(root, name, seed=seed)
    app = open_page("compare", runs="1,2,3", by="seeds", compare="Settings")
    assert "1 run left out that repeat" in text(app)


def test_the_page_looks_again_as_long_as_a_run_is_alive(
    open_page, both, root, alive, monkeypatch
):
    fragments = []

    def fragment(draw, run_every=None):
        fragments.append((draw.__name__, run_every))
        return draw

    monkeypatch.setattr(st, "fragment", fragment)
    open_page("compare", runs="a,b", compare="Curves")
    assert fragments == [("_live", None)]
    fragments.clear()
    run_of(root, "c", evaluated=False, state="running", trainer=Process.of(alive))
    open_page("compare", runs="a,b,c", compare="Curves")
    assert [name for name, _ in fragments] == ["_look", "_live"]
    assert all(every for _, every in fragments)


def test_names_with_markup_stay_text(open_page, root, monkeypatch):
    run_of(root, "a")
    run_of(root, "b", optimizer="adamw")
    monkeypatch.setattr(
        "ui.views.compare.groups._names", lambda _: ["<script>x</script>", "**b**"]
    )
    for tab in TABS:
        app = open_page("compare", runs="a,b", compare=tab)
        assert not app.exception
        for item in (*app.markdown, *app.caption):
            assert "<script>x" not in item.value
            assert "**b**" not in item.value
        assert not any("<script>x" in item.value for item in app.main.get("html"))
        for chart in charts(app).values():
            names = [trace.get("name", "") for trace in chart["figure"]["data"]]
            assert not any("<script>" in name for name in names)


def test_a_run_of_an_older_version_is_shown(open_page, root):
    fakes.write_run(root, "old", evaluated=True)
    fakes.write_run(root, "older", optimizer="adamw", evaluated=True, dataset="moons")
    for tab in ("Numbers", "Curves", "OOD"):
        assert not open_page("compare", runs="old,older", compare=tab).exception
