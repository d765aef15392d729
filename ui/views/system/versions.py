"""What is installed, without importing it."""

import platform
import subprocess
from functools import cache
from importlib import metadata
from typing import Any

import streamlit as st

from trainers.jobs.launcher import code_version
from trainers.jobs.start import REPOSITORY

PACKAGES = (
    "torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "streamlit",
    "plotly", "safetensors", "sqlalchemy", "psutil", "pillow", "matplotlib",
)  # fmt: skip


def versions() -> None:
    """Show the versions of this program, of Python and of the packages."""
    st.dataframe(
        version_rows(), hide_index=True, width=520, height="content",
        alt="Installed versions",
    )  # fmt: skip
    st.caption("The check-up of the job engine's tab says whether they will do.")


def version_rows() -> list[dict[str, Any]]:
    """The table of versions."""
    rows = {
        "VOGN App": f"{code_version()}{commit() and f' ({commit()})'}",
        "Python": platform.python_version(),
        "System": platform.platform(terse=True),
    }
    rows |= {name: installed(name) for name in PACKAGES}
    return [{"What": name, "Version": version} for name, version in rows.items()]


def installed(name: str) -> str:
    """The version of a package, or that there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


@cache
def commit() -> str:
    """The commit of this checkout, "" where there is none."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - git of the user
            cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
