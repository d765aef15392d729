"""Tests of where datasets are looked for, and of the lock on downloads."""

import fcntl
from pathlib import Path

import pytest

from data.cache import cache_folder, cache_lock, system_folder


def test_cache_folder_is_the_argument_then_the_environment_then_the_checkout(
    monkeypatch,
):
    monkeypatch.setenv("VOGN_CACHE", "from-environment")
    assert cache_folder("given") == Path("given")
    assert cache_folder() == Path("from-environment")
    monkeypatch.delenv("VOGN_CACHE")
    root = Path(__file__).resolve().parents[2]
    assert cache_folder() == root / ".cache" / "datasets"


def test_cache_folder_knows_the_home_folder():
    assert cache_folder("~/sets") == Path.home() / "sets"


def test_system_folder_is_debians_unless_told(monkeypatch, tmp_path):
    assert system_folder() == tmp_path / "system"
    monkeypatch.delenv("VOGN_SYSTEM_DATA")
    assert system_folder() == Path("/usr/share/datasets")


def can_lock(cache):
    with (cache / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_lock_keeps_others_out_and_is_let_go_after_an_error(tmp_path):
    def hold_and_fail():
        with cache_lock(tmp_path):
            assert not can_lock(tmp_path)
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        hold_and_fail()
    assert can_lock(tmp_path)


def test_lock_on_an_absent_cache_leaves_no_trace(cache):
    with cache_lock(cache):
        assert not cache.exists()
    assert not cache.exists()
