"""Tests of `ui/views/runs/address.py`."""

import pytest
import streamlit as st

from ui.views.runs import address


@pytest.fixture
def query(monkeypatch):
    """The address, and the session, as plain dictionaries."""
    values: dict[str, str] = {}
    monkeypatch.setattr(st, "query_params", values)
    monkeypatch.setattr(st, "session_state", {})
    return values


def test_a_value_goes_from_the_address_to_the_widget(query):
    assert address.follow("tag") is None
    query["tag"] = "a"
    assert address.follow("tag") == "a"
    assert st.session_state[address.key("tag")] == "a"
    query["tag"] = "x" * 10_000
    assert len(address.value("tag")) == address.LONGEST


def test_a_choice_goes_from_the_widget_to_the_address(query):
    address.give("tag", "b")
    address.write("tag")
    assert query == {"tag": "b"}
    address.give("columns", ["state", "nll"])
    address.write("columns")
    assert query["columns"] == "state,nll"
    for nothing in (None, "", []):
        address.give("tag", nothing)
        address.write("tag")
        assert "tag" not in query


def test_several_values_are_told_once_and_in_order(query):
    assert address.several("columns") is None
    query["columns"] = "b,,a,b"
    assert address.several("columns") == ["b", "a"]
