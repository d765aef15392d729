"""Tests of `ui/views/optimizer/packing.py`."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from trainers.parcel.archive import Parcel
from ui.views.optimizer.packing import MOST, Shelf, sources


def test_a_crowd_packs_one_parcel():
    shelf, begun, made = Shelf(), Event(), []

    def make():
        begun.wait(5)
        made.append(None)
        return Parcel("a.zip", b"content")

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(shelf.pack, "same", make) for _ in range(4)]
        assert shelf.get("same") is None
        begun.set()
        parcels = [each.result() for each in asked]
    assert len(made) == 1
    assert all(each is parcels[0] for each in parcels)
    assert shelf.get("same") is parcels[0]


def test_the_oldest_is_forgotten():
    shelf = Shelf()
    for k in range(MOST + 1):
        shelf.pack(str(k), lambda: Parcel("a", b""))
    assert shelf.get("0") is None
    assert all(shelf.get(str(k)) for k in range(1, MOST + 1))


def test_sources_are_hashed_alike():
    assert sources() == sources()
    assert len(sources()) == 64
