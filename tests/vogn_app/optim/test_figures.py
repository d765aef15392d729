"""Figures for logs: averages since they were last asked."""

import time

import pytest

from vogn_app.optim.figures import Figures


def test_shares_and_seconds_are_averages_over_steps():
    figures = Figures()
    figures.steps, figures.refreshed, figures.seconds = 4, 6, 2.0
    assert figures.take(3) == {"refreshed_share": 0.5, "inverse_seconds": 0.5}


def test_asking_begins_anew():
    figures = Figures()
    figures.steps, figures.refreshed, figures.seconds = 4, 6, 2.0
    figures.take(3)
    assert figures.take(3) == {"refreshed_share": 0.0, "inverse_seconds": 0.0}


def test_a_model_without_statistics_has_figures_too():
    assert Figures().take(0) == {"refreshed_share": 0.0, "inverse_seconds": 0.0}


def test_time_is_added_up_also_of_what_fails(monkeypatch):
    now = iter([1.0, 3.0, 10.0, 14.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    figures = Figures()
    with figures.timing():
        pass
    with pytest.raises(ZeroDivisionError), figures.timing():
        raise ZeroDivisionError
    assert figures.seconds == 6.0
