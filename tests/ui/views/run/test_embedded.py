"""Tests of `ui/views/run/embedded.py`, on the page that shows it."""

import numpy as np
import pytest

from tests.ui import fakes
from tests.ui.seen import charts, text
from trainers.runs import read_json, write_json
from trainers.tsne import FILE
from ui.components import predictions
from ui.components.latest import stamp_of
from ui.views.run.embedded import clicked_example, most_uncertain
from ui.views.run.embedding import Group

OUT = "ood_photo-patches"


def shown(open_page, **query):
    query = {"maps_view": "Embedding"} | query
    return open_page("run", run="a", tab="Uncertainty maps", **query)


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


@pytest.fixture
def groups(run):
    found = []
    for name in ("", OUT):
        part = predictions.part(run, name)
        found.append(Group(name, name, part, np.arange(5), np.zeros((5, 2))))
    return found


def test_the_map_and_an_example_are_shown_at_once(open_page, run):
    content = read_json(run.evaluation)
    write_json(run.evaluation, content | {"notes": ["Features are of *one* network."]})
    app = shown(open_page)
    assert not app.exception
    assert "Features are of *one* network." in text(app)
    drawn = charts(app)
    traces = drawn["embedding-PCA"]["figure"]["data"]
    assert [len(trace["x"]) for trace in traces] == [360, 500]
    assert drawn["embedding-PCA"]["clickable"] is True
    row = int(predictions.part(run).total.argmax())
    assert f"Test set, example {row}" in text(app)
    assert "embedding-distribution" in drawn


def test_the_colouring_is_in_the_address(open_page, run):
    names = {
        trace["name"]
        for trace in charts(shown(open_page, maps_coloring="Right or wrong"))[
            "embedding-PCA"
        ]["figure"]["data"]
    }
    assert {"Right", "Wrong"} <= names


def test_points_of_the_plane_have_one_too(open_page, root):
    fakes.write_run(root, "a", dataset="moons", evaluated=True)
    app = shown(open_page)
    assert not app.exception
    assert len(charts(app)["embedding-PCA"]["figure"]["data"]) == 1


def test_one_set_of_weights_has_no_mutual_information_to_colour_by(open_page, root):
    fakes.write_run(root, "a", optimizer="sgd", evaluated=True)
    app = shown(open_page, maps_coloring="Mutual information")
    assert not app.exception
    (found,) = [each for each in app.button_group if each.key == "maps_coloring"]
    assert "Mutual information" not in found.options


def test_places_by_tsne_are_drawn_once_they_are_there(open_page, run):
    places, stamp = np.ones((860, 2)), np.array(stamp_of(run.predictions))
    np.savez(run.path / FILE, places=places, stamp=stamp)
    app = shown(open_page, maps_projection="t-SNE")
    assert not app.exception
    assert "embedding-t-SNE" in charts(app)


def test_a_click_means_a_row_of_a_set(groups):
    assert clicked_example({"customdata": ["", 3]}, groups) == (groups[0], 3)
    assert clicked_example({"customdata": [OUT, 499]}, groups) == (groups[1], 499)


@pytest.mark.parametrize(
    "custom",
    [None, [], ["", -1], ["", 360], ["", 1.0], ["", True], ["", "3"], ["x", 1],
     [["x"], 1], "ab", {"row": 1}, ["", 1, 2]],
)  # fmt: skip
def test_a_click_that_means_nothing_is_none(groups, custom):
    assert clicked_example({"customdata": custom}, groups) is None
    assert clicked_example(None, groups) is None


def test_the_first_example_is_the_most_uncertain_of_those_drawn(groups):
    group, row = most_uncertain(groups)
    assert group is groups[0]
    assert row == group.part.total[:5].argmax()
