"""Tests of `ui/components/states.py`."""

from trainers.status import ALIVE, ENDED, RESUMABLE
from ui.components.states import DAMAGED, LOOKS, badge, state_label


def test_every_state_has_a_look_of_its_own():
    assert set(LOOKS) == {*ALIVE, *ENDED, DAMAGED}
    assert len({look.label for look in LOOKS.values()}) == len(LOOKS)
    assert len({look.icon for look in LOOKS.values()}) == len(LOOKS)


def test_only_ended_and_unfinished_runs_are_resumable():
    assert set(RESUMABLE) == set(ENDED) - {"finished"}


def test_a_place_in_the_queue_is_part_of_the_state():
    assert state_label("running") == "Running"
    assert state_label("queued", 3) == "Queued #3"
    assert badge("queued", 3) == ":gray-badge[:material/hourglass_empty: Queued #3]"
