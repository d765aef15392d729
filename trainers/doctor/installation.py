"""Checks of what is installed: Python, packages, torch, a compiler, a browser."""

import json
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from trainers.doctor.findings import FAIL, OK, WARN, Finding
from trainers.jobs import nvml
from trainers.jobs.start import REPOSITORY

MINIMUM = (3, 11)
OURS = "vogn-app"
EXTRA = "app"
PROJECT = REPOSITORY / "pyproject.toml"
INSTALL = "Install what is missing: python -m pip install -r requirements.txt"
PROBE_TIMEOUT = 120.0  # seconds; a cold disk takes its time over torch
# What torch says of itself in a process of its own, so that this one stays light.
PROBE = """
import json, torch
from vogn_app.kernels.build import find_compiler
problem = ""
if torch.version.cuda and not torch.cuda.is_available():
    try:
        torch.cuda.init()
    except Exception as error:
        problem = str(error)
print(json.dumps({
    "version": torch.__version__, "cuda": torch.version.cuda or "",
    "devices": torch.cuda.device_count() if torch.cuda.is_available() else 0,
    "problem": problem, "compiler": find_compiler() or [],
}))
"""
BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
)  # fmt: skip


def python() -> Iterator[Finding]:
    """Whether Python is new enough."""
    text = f"Python {platform.python_version()} on {platform.platform(terse=True)}."
    if sys.version_info < MINIMUM:
        wanted = ".".join(map(str, MINIMUM))
        yield Finding(FAIL, "python", text, f"Use Python {wanted} or newer.")
    else:
        yield Finding(OK, "python", text)


def packages() -> Iterator[Finding]:
    """Whether all packages are there, in a version that will do."""
    # Not from the metadata of what is installed: those may be older than the code.
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    required = [OURS, *project["dependencies"]]
    required += project["optional-dependencies"][EXTRA]
    seen = {text: _installed(text) for text in required}
    good = {text: version for text, (version, fits) in seen.items() if fits}
    named = ", ".join(f"{_name(text)} {version}" for text, version in good.items())
    yield Finding(OK, "packages", f"{named}.")
    for text in required:
        if text not in good:
            told = f"{text} is wanted, {seen[text][0] or 'none'} is installed."
            yield Finding(FAIL, "packages", told, INSTALL)


def _name(requirement: str) -> str:
    """The package's name in a line such as "streamlit>=1.66,<2"."""
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0]


def _installed(text: str) -> tuple[str, bool]:
    """The installed version of a requirement, and whether it will do."""
    try:
        version = metadata.version(_name(text))
    except metadata.PackageNotFoundError:
        return "", False
    from packaging.requirements import Requirement  # comes with streamlit

    return version, Requirement(text).specifier.contains(version, prereleases=True)


def torch_and_compiler() -> Iterator[Finding]:
    """Whether torch loads and sees the GPUs, and whether C kernels can be made."""
    command = [sys.executable, "-c", PROBE]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=REPOSITORY, capture_output=True, text=True, check=False,
            timeout=PROBE_TIMEOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        text = f"torch did not load within {PROBE_TIMEOUT:.0f} seconds."
        yield Finding(FAIL, "torch", text, "See whether disk or memory are exhausted.")
        return
    if done.returncode != 0:
        words = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        yield Finding(FAIL, "torch", f"torch does not load: {words}", INSTALL)
        return
    told = json.loads(done.stdout.splitlines()[-1])
    yield _torch(told, num_gpus=len(nvml.gpus()))
    yield _compiler(told["compiler"])


def _torch(told: dict[str, Any], num_gpus: int) -> Finding:
    text = f"torch {told['version']}"
    if told["devices"]:
        text += f" with CUDA {told['cuda']} sees {told['devices']} CUDA devices."
        return Finding(OK, "torch", text)
    if num_gpus == 0:
        return Finding(OK, "torch", f"{text}; without a GPU, runs use the CPU.")
    if not told["cuda"]:
        text += f" is built without CUDA, so the {num_gpus} GPUs here are of no use."
        return Finding(FAIL, "torch", text, "Install a CUDA build of torch.")
    text += f" cannot use the {num_gpus} GPUs here: {told['problem']}"
    advice = (
        f"Install a driver that serves CUDA {told['cuda']}, and see whether "
        "CUDA_VISIBLE_DEVICES hides them."
    )
    return Finding(FAIL, "torch", text, advice)


def _compiler(command: list[str]) -> Finding:
    if command:
        return Finding(OK, "C compiler", f"{' '.join(command)} makes the CPU kernels.")
    return Finding(
        WARN, "C compiler", "There is none, so VOGN's steps on a CPU take longer.",
        "Install gcc or clang.",
    )  # fmt: skip


def browser() -> Iterator[Finding]:
    """Whether there is a browser to print reports to PDF."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    none = "There is no Chromium or Chrome, which nothing else wants"
    text = f"{found or none}: a browser to print reports to PDF."
    yield Finding(OK, "browser", text)
