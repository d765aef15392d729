"""Tests of `ui/views/system/disks.py`."""

import shutil

from ui.views.system import disks
from ui.views.system.disks import disk_rows


def test_the_folders_are_those_of_this_server(root):
    rows = {row["Folder"]: row for row in disk_rows()}
    assert rows["Runs"]["Path"] == str(root)
    assert rows["Job engine"]["Path"] == str(root / ".jobs")
    assert all(0 <= row["Disk in use"] <= 1 for row in rows.values())
    assert rows["Runs"]["Can be written"] == "yes"


def test_a_disk_that_is_gone_costs_its_own_row(root, monkeypatch):
    usage = shutil.disk_usage

    def stale(place):
        if place == root:
            raise OSError(116, "Stale file handle", str(place))
        return usage(place)

    monkeypatch.setattr(disks.shutil, "disk_usage", stale)
    rows = {row["Folder"]: row for row in disk_rows()}
    assert rows["Runs"]["Free"] == "cannot be told: Stale file handle"
    assert (rows["Runs"]["Disk in use"], rows["Runs"]["Can be written"]) == (None, "no")
    assert rows["Datasets"]["Disk in use"] is not None
