"""Tests of `ui/views/compare/address.py`."""

from dataclasses import replace

import pytest

from tests.ui.views.compare.examples import run_of, views_of
from trainers.jobs.launcher import JobState
from ui.components.navigation import group_token
from ui.views.compare.address import asked, group_of, groups, joined


@pytest.fixture
def views(root):
    runs = [run_of(root, name, evaluated=False) for name in ("a", "b", "a,c")]
    return views_of(*runs)


def grouped(views, *names):
    return [
        replace(view, job=JobState(status=view.status, group=name))
        for view, name in zip(views, names, strict=True)
    ]


def ids(found):
    return [view.run.id for view in found.views]


def test_runs_come_in_the_order_of_the_address_and_each_once(views):
    found = asked("b,a,b", views)
    assert ids(found) == ["b", "a"]
    assert found.tokens == ("b", "a")
    assert found.unknown == ()


def test_what_there_is_not_is_told_apart_from_the_rest(views):
    found = asked("a,nobody,../b,<script>,,b", views)
    assert ids(found) == ["a", "b"]
    assert found.unknown == ("nobody", "../b", "<script>")


def test_a_comma_in_a_name_is_understood(views):
    assert ids(asked("b,a,c", views)) == ["b", "a"]
    alone = [view for view in views if view.run.id == "a,c"]
    assert ids(asked("a,c", alone)) == ["a,c"]


def test_nothing_is_asked_for_by_an_empty_address(views):
    assert asked("", views).tokens == ()


def test_an_endless_address_is_cut(views):
    assert len(asked("x" * 10**6, views).unknown[0]) < 10**5


@pytest.mark.parametrize("name", ["race", "a,b", "<b>", "50% more", "übung"])
def test_a_group_stands_for_its_runs_whatever_its_name(views, name):
    known = grouped(views, name, "", name)
    token = group_token(name)
    assert "," not in token
    found = asked(joined([token, "b"]), known)
    assert ids(found) == ["a", "a,c", "b"]
    assert found.tokens == (token, "b")
    assert group_of(token) == name


def test_a_run_that_is_in_a_group_as_well_counts_once(views):
    known = grouped(views, "race", "race", "")
    assert ids(asked("b,group:race", known)) == ["b", "a"]
    assert asked("group:nobody", known).unknown == ("group:nobody",)
    assert set(groups(known)) == {"group:race"}
    assert group_of("b") == ""
