"""Tests of `ui/views/system/versions.py`."""

import platform

from ui.views.system.versions import installed, version_rows


def test_versions_are_told_without_an_import():
    rows = {row["What"]: row["Version"] for row in version_rows()}
    assert rows["Python"] == platform.python_version()
    assert rows["streamlit"].startswith("1.")
    assert rows["VOGN App"].startswith("0.")


def test_what_is_not_installed_is_told():
    assert installed("no-such-package-at-all") == "not installed"
