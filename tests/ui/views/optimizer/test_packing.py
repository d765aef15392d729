"""Tests of `ui/views/optimizer/packing.py`."""

import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from trainers.parcel.archive import Parcel
from ui.views.optimizer import packing
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


def sized(shelf, name, size):
    return shelf.pack(name, lambda: Parcel(name, bytes(size)))


def test_what_is_kept_has_few_bytes_together(monkeypatch):
    monkeypatch.setattr(packing, "BYTES", 100)
    shelf = Shelf()
    for name in "abc":
        sized(shelf, name, 40)
    assert [shelf.get(name) is not None for name in "abc"] == [False, True, True]


def test_one_that_is_larger_is_kept_alone_and_for_a_while(monkeypatch):
    monkeypatch.setattr(packing, "BYTES", 100)
    monkeypatch.setattr(packing, "LARGE_TIME", 0.2)
    shelf = Shelf()
    sized(shelf, "small", 1)
    kept = weakref.ref(sized(shelf, "large", 101))
    assert shelf.get("small") is None
    assert shelf.get("large") is kept()
    limit = time.monotonic() + 30
    while kept() is not None and time.monotonic() < limit:
        time.sleep(0.02)
    assert kept() is None
    assert sized(shelf, "small", 1) is shelf.get("small")


def test_sources_are_hashed_alike():
    assert sources() == sources()
    assert len(sources()) == 64
