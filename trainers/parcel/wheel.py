"""The library's wheel, built from the checkout that this code is in.

A process of its own builds it from a copy in a temporary folder, so the checkout may be
read-only and nothing is left in it.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from trainers.parcel.archive import Parcel

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "vogn_app"
LICENCE = "LICENSE"
# What the wheel says of itself, beside the library.
_DESCRIPTION = ("pyproject.toml", "README.md", LICENCE)
# By suffix, so that nothing compiled or cached comes along.
_SUFFIXES = (".py", ".c", ".h", ".typed")
_VERSION = re.compile(rb'^__version__ = "([\w.+-]+)"$', re.MULTILINE)
_TIME = "1580601600"  # 2020-02-02, the builder's own choice for files without a time
TIMEOUT = 120.0  # seconds; it takes about one


class ParcelError(RuntimeError):
    """What is to be downloaded cannot be made."""


def library_files(root: Path = ROOT) -> dict[str, bytes]:
    """The library's sources: content by path from the root of the checkout.

    Raises:
        ParcelError: If a file cannot be read, or there is no library.
    """
    paths = sorted(
        path for path in (root / LIBRARY).rglob("*") if path.suffix in _SUFFIXES
    )
    if not paths:
        raise ParcelError(f"There is no library in {LIBRARY}/ of this checkout.")
    return _read(root, [path.relative_to(root).as_posix() for path in paths])


def _read(root: Path, names: list[str]) -> dict[str, bytes]:
    try:
        return {name: (root / name).read_bytes() for name in names}
    except OSError as error:
        raise ParcelError(f"The sources cannot be read: {error.strerror}.") from None


def licence(root: Path = ROOT) -> bytes:
    """The text of the licence; ParcelError if there is none."""
    return _read(root, [LICENCE])[LICENCE]


def version(files: Mapping[str, bytes]) -> str:
    """The library's version; ParcelError if it names none."""
    found = _VERSION.search(files.get(f"{LIBRARY}/__init__.py", b""))
    if found is None:
        raise ParcelError(f"{LIBRARY}/__init__.py names no version.")
    return found[1].decode()


def build_wheel(root: Path = ROOT) -> Parcel:
    """Build the wheel; of the same sources it has the same bytes.

    Args:
        root: The checkout.

    Returns:
        The wheel.

    Raises:
        ParcelError: If it cannot be built; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="vogn-wheel-") as folder:
        source, target = Path(folder, "source"), Path(folder, "wheel")
        for name, content in wheel_files(root).items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _run_builder(source, target)
        (wheel,) = target.glob("*.whl")
        return Parcel(wheel.name, wheel.read_bytes())


def wheel_files(root: Path = ROOT) -> dict[str, bytes]:
    """All that the wheel is built of: content by path.

    Raises:
        ParcelError: If a file cannot be read, or there is no library.
    """
    return {**library_files(root), **_read(root, list(_DESCRIPTION))}


def _run_builder(source: Path, target: Path) -> None:
    """Run hatchling, which needs neither pip nor a network."""
    # -P: the copy of pyproject.toml's folder is no place to import from.
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _TIME}
    try:
        done = subprocess.run(  # noqa: S603
            [*command, "-d", str(target)], cwd=source, env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ParcelError(f"The wheel cannot be built: {error}.") from None
    if done.returncode:
        raise ParcelError(f"The wheel cannot be built: {_reason(done.stderr)}")


def _reason(words: str) -> str:
    if "No module named hatchling" in words:
        return "hatchling is not installed (pip install -r requirements.txt)."
    lines = words.strip().splitlines()
    return lines[-1] if lines else "the builder said nothing."


def sources_digest(files: Mapping[str, bytes]) -> str:
    """A hash of all sources, which changes whenever one of them does."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
