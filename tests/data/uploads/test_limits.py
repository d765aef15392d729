"""Tests of `data/uploads/limits.py`."""

import tomllib
from pathlib import Path

import pytest

from data.uploads.limits import DEFAULT_UPLOAD, MEGABYTE, Limits, limits, megabytes


def test_the_server_lets_through_what_is_allowed():
    root = Path(__file__).resolve().parents[3]
    config = tomllib.loads((root / ".streamlit" / "config.toml").read_text())
    assert config["server"]["maxUploadSize"] == DEFAULT_UPLOAD


def test_limits_are_the_defaults_unless_the_environment_says_otherwise(monkeypatch):
    assert limits() == Limits()
    monkeypatch.setenv("VOGN_MAX_UPLOAD", "20")
    monkeypatch.setenv("VOGN_MAX_UPLOADS", "70")
    found = limits()
    assert (found.upload, found.unpacked) == (20 * MEGABYTE, 80 * MEGABYTE)
    assert found.decoded == Limits.decoded == 100_000_000_000
    assert found.kept == 70 * MEGABYTE


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_other_limits_are_refused(text, monkeypatch):
    monkeypatch.setenv("VOGN_MAX_UPLOAD", text)
    with pytest.raises(
        ValueError, match=r"VOGN_MAX_UPLOAD must be a whole number .* > 0"
    ):
        limits()


def test_sizes_are_told_in_megabytes_and_gigabytes():
    assert megabytes(1.25 * MEGABYTE) == "1.2 MB"
    assert megabytes(500 * MEGABYTE) == "500 MB"
    assert megabytes(2_000 * MEGABYTE) == "2.0 GB"
