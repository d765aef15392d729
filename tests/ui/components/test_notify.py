"""Tests of `ui/components/notify.py`; what the browser does, test_browser.py sees."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.ui import fakes
from ui.components import reading
from ui.components.notify import LONGEST, end_of, just_ended


def ended(root, state, **details):
    return reading.summary(fakes.write_run(root, "a", state=state, **details))


def test_a_finished_run_is_told_with_its_numbers(root):
    view = ended(root, "finished", evaluated=True)
    end = end_of(view)
    assert end.title == "Run a finished"
    assert end.body.startswith("VOGN on Digits (8x8), accuracy ")
    assert re.search(r"accuracy \d+\.\d %, NLL \d\.\d{4}, ECE \d+\.\d\d %$", end.body)
    assert end.address == "run?run=a"


def test_the_address_leads_to_a_run_of_any_name(root):
    name = "läuft a+b=c,d@e 1"
    run = fakes.write_run(root, name)
    address = urlsplit(end_of(reading.summary(run)).address)
    assert (address.path, parse_qs(address.query)) == ("run", {"run": [name]})


def test_a_failed_run_is_told_with_its_cause(root):
    view = ended(
        root, "failed", error_class="out of memory", message="Rank 1 was killed."
    )
    end = end_of(view)
    assert end.title == "Run a failed"
    assert end.body == "VOGN on Digits (8x8), out of memory, Rank 1 was killed."


@pytest.mark.parametrize("state", ["stopped", "lost"])
def test_the_other_ends_are_told_with_their_message(root, state):
    end = end_of(ended(root, state, message="Words " * 100))
    assert end.title == f"Run a {state}"
    assert len(end.body) <= LONGEST


def test_a_run_that_ends_again_ends_anew(root):
    first = end_of(ended(root, "stopped", ended=1000.0))
    (root / "a").rename(root / "old")
    assert end_of(ended(root, "stopped", ended=2000.0)).id != first.id


def test_what_somebody_stopped_is_no_news(root):
    seen = {"a"}
    assert just_ended([ended(root, "stopped")], seen) == []
    assert seen == set()


def test_only_runs_seen_alive_end(root):
    seen: set[str] = set()
    over = ended(root, "finished")
    assert just_ended([over], seen) == []
    seen |= {"a", "elsewhere"}
    assert just_ended([over], seen) == [over]
    assert just_ended([over], seen) == []
    assert seen == {"elsewhere"}
