"""Tests of `ui/views/compare/numbers.py`."""

import pytest

from tests.ui.seen import text
from tests.ui.views.compare.examples import N, family, run_of
from trainers.runs import read_json


def tables(app):
    """The tables of the page by their first column's name, in order."""
    return [item.value for item in app.table]


def test_the_glance_has_the_numbers_and_marks_the_best(open_page, root):
    run = run_of(root, "a")
    run_of(root, "b", optimizer="adamw", sharp=1.5)
    app = open_page("compare", runs="b,a")
    glance = tables(app)[0]
    assert glance["Entry"].tolist() == ["AdamW", "VOGN"]
    content = read_json(run.evaluation)
    nll = f"**{content['metrics']['nll']:.4f}**"
    assert glance["NLL\u00a0↓"][1].startswith(nll)
    assert "**" not in glance["NLL\u00a0↓"][0]
    assert f"N = {N} test examples" in text(app)
    assert "AUROC, Photograph patches\u00a0↑" in glance.columns


def test_a_family_is_shown_with_its_deviation(open_page, root):
    family(root, "vogn")
    app = open_page("compare", runs="vogn-0,vogn-1,vogn-2", by="seeds")
    glance = tables(app)[0]
    assert glance["Entry"].tolist() == ["VOGN :small[(3 seeds)]"]
    assert "±" in glance["NLL\u00a0↓"][0]
    assert "± is one standard deviation over the seeds." in text(app)
    assert "Choose a second run above" in text(app)


def test_everything_is_there_with_what_it_means_and_as_csv(open_page, root):
    run_of(root, "a")
    run_of(root, "b", optimizer="adamw")
    app = open_page("compare", runs="a,b")
    _, _, everything, costs = tables(app)
    assert list(everything.columns) == ["Measure", "VOGN", "AdamW"]
    assert "MCE" in " ".join(everything["Measure"]) or len(everything) > 20
    assert costs["Test examples N"].tolist() == [str(N), str(N)]
    assert costs["Posterior samples S"].tolist() == ["4", "1"]
    assert "**Negative log-likelihood**: Mean negative log-likelihood" in text(app)
    assert {b.key for b in app.get("download_button")} >= {
        "compare_csv", "compare_csv_differences",
    }  # fmt: skip


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_without_an_evaluation_costs_are_all_there_is(open_page, root, state):
    run_of(root, "a", evaluated=False, state=state, done=0.5)
    app = open_page("compare", runs="a")
    assert not app.exception
    (costs,) = tables(app)
    assert costs["Epochs"].tolist() == ["2.5 of 5"]
    assert "Numbers appear when a run has been evaluated" in text(app)
