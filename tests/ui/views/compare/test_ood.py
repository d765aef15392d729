"""Tests of `ui/views/compare/ood.py`."""

from tests.ui.seen import charts, text
from tests.ui.views.compare.examples import OOD, run_of
from trainers.runs import read_json, write_json


def opened(open_page, **query):
    app = open_page("compare", runs="a,b", compare="OOD", **query)
    assert not app.exception
    return app


def test_the_areas_are_those_of_the_evaluation(open_page, root):
    run = run_of(root, "a")
    run_of(root, "b", optimizer="adamw")
    content = read_json(run.evaluation)
    write_json(run.evaluation, content | {"notes": ["Logits are of *one* network."]})
    app = opened(open_page)
    assert "**VOGN**: Logits are of *one* network." in text(app)
    area = content["ood"][OOD]["auroc"]
    assert f"VOGN {100 * area:.1f} %" in charts(app)["compare-roc"]["alt"]
    assert "against 100 examples of Photograph patches" in text(app)


def test_mutual_information_is_of_those_that_have_samples(open_page, root):
    run_of(root, "a")
    run_of(root, "b", optimizer="adamw")
    app = opened(open_page, compare_score="Mutual information")
    assert app.selectbox(key="compare_score").value == "mutual_information"
    assert "**AdamW** (one set of weights has no mutual information)" in text(app)
    names = [t["name"] for t in charts(app)["compare-roc"]["figure"]["data"]]
    assert names == ["", "VOGN"]


def test_without_a_set_it_is_said(open_page, root):
    run_of(root, "a", evaluated=False)
    run_of(root, "b", evaluated=False, optimizer="adamw")
    assert "None of these was evaluated on an out-of-dist" in text(opened(open_page))
