"""How much room there is where things are written."""

import os
import shutil
from pathlib import Path
from typing import Any

import streamlit as st

from data.cache import cache_folder
from trainers.doctor.machine import gib, nearest
from trainers.jobs.home import Home
from trainers.runs import runs_root


def disks() -> None:
    """Show the folders that are written to, and the room on their disks."""
    st.markdown("### Disk")
    st.dataframe(
        disk_rows(), hide_index=True, alt="The folders and the room on their disks",
        column_config={
            "Disk in use": st.column_config.ProgressColumn(format="percent"),
        },
    )  # fmt: skip


def disk_rows() -> list[dict[str, Any]]:
    """The table of folders."""
    folders = {
        "Runs": (runs_root(), "VOGN_RUNS"),
        "Datasets": (cache_folder().absolute(), "VOGN_CACHE"),
        "Job engine": (Home.here().folder, "VOGN_JOBS"),
    }
    return [_disk(title, folder, name) for title, (folder, name) in folders.items()]


def _disk(title: str, folder: Path, variable: str) -> dict[str, Any]:
    try:
        place = nearest(folder)
        room, writable = shutil.disk_usage(place), os.access(place, os.W_OK | os.X_OK)
    except OSError as error:  # a network disk that is gone costs its own row
        free, used, can = f"cannot be told: {error.strerror}", None, "no"
    else:
        # Of what users can have, as df counts: some blocks are the system's own.
        used = round(room.used / (room.used + room.free or 1), 3)
        free, can = gib(room.free), "yes" if writable else "no"
    return {
        "Folder": title,
        "Path": str(folder),
        "Free": free,
        "Disk in use": used,
        "Can be written": can,
        "Set by": variable,
    }
