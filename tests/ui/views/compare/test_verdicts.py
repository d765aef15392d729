"""Tests of `ui/views/compare/verdicts.py`."""

import pytest
from plotly.graph_objects import Figure

from tests.ui.painting import painted
from tests.ui.seen import charts, text
from tests.ui.views.compare.examples import entries_of, family, run_of
from ui.views.compare.differences import against
from ui.views.compare.verdicts import forest, forest_alt


def test_the_chart_has_a_whisker_an_entry(root):
    runs = [
        run_of(root, "a"),
        run_of(root, "b", optimizer="adamw", sharp=2.0),
        run_of(root, "c", optimizer="sgd", sharp=1.0),
    ]
    first, *others = entries_of(*runs)
    rows, _ = against(first, others, ("nll",))
    drawn = forest("nll", rows)
    zero, *whiskers = drawn["data"]
    assert zero["x"] == [0, 0]
    for whisker, row in zip(whiskers, rows, strict=True):
        assert whisker["x"] == [float(row.difference)]
        (up,), (down,) = (whisker["error_x"][k] for k in ("array", "arrayminus"))
        assert whisker["x"][0] + up == pytest.approx(row.difference.high)
        assert whisker["x"][0] - down == pytest.approx(row.difference.low)
        assert whisker["marker"]["color"] == row.entry.color
    assert drawn["layout"]["yaxis"]["ticktext"] == ["AdamW", "SGD"]
    assert "SGD +" in forest_alt("nll", rows)
    assert "clearly worse" in forest_alt("nll", rows)
    Figure(painted(drawn))


def test_verdicts_are_told_in_words_with_how_they_came_about(open_page, root):
    run_of(root, "a")
    run_of(root, "b", optimizer="adamw", sharp=1.5)
    app = open_page("compare", runs="a,b")
    told = app.table[1].value
    assert told["Measure"].tolist() == [
        "NLL\u00a0↓",
        "Accuracy\u00a0↑",
        "ECE\u00a0↓",
        "Brier\u00a0↓",
    ]
    assert "clearly worse" in told["Verdict"][0]
    assert told["What speaks for it"][0] == "worse in more than 99.9 % of resamples"
    assert "**By example**: both judged the same test examples" in text(app)
    assert "**By seed**" not in text(app)
    assert set(charts(app)) == {
        f"compare-forest-{name}" for name in ("nll", "accuracy", "ece", "brier")
    }


def test_families_are_compared_by_seed_or_by_means(open_page, root):
    family(root, "vogn")
    family(root, "adamw", sharp=1.5)
    run_of(root, "sgd", optimizer="sgd")
    ids = ",".join(f"{name}-{k}" for name in ("vogn", "adamw") for k in range(3))
    app = open_page("compare", runs=f"{ids},sgd", by="seeds")
    assert "**By seed**" in text(app)
    assert "**Of means**" in text(app)
    support = app.table[1].value["What speaks for it"].tolist()
    assert support[:2] == ["worse with 3 of 3 seeds", "1 against 3 seeds"]


def test_many_intervals_come_with_a_warning(open_page, root):
    names = [("a", "vogn"), ("b", "adamw"), ("c", "sgd"), ("d", "sp_ngd")]
    for name, optimizer in names:
        run_of(root, name, optimizer=optimizer)
    app = open_page("compare", runs="a,b,c,d")
    assert "Of 12 intervals of 95 %, about 1 would leave out zero" in text(app)
