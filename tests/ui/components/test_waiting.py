"""Tests of `ui/components/waiting.py`; the pages' tests press its buttons."""

from dataclasses import replace

from tests.ui import fakes
from trainers import jobs
from ui.components import reading
from ui.components.waiting import place_text, standing


def test_places_are_told_in_words():
    assert place_text(1) == "It is the next one."
    assert place_text(7) == "It is #7 in the queue."


def test_the_queue_is_told_with_what_its_first_run_waits_for(root):
    (run,) = jobs.engine().submit([fakes.config()])
    view = reading.summary(run)
    told = replace(view, job=replace(view.job, reason="Waits for [GPU]."))
    assert standing(0, None).endswith("The queue is empty.")
    assert "**1 run queued.** Next is " in standing(1, view)
    assert standing(2, told).endswith("Waits for \\[GPU\\].")
