"""A Python environment that has torch and what torch itself declares, and no more."""

import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement


def closure(name):
    """A distribution and what it requires on this machine, extras left out."""
    found, waiting = {}, [name]
    while waiting:
        each = distribution(waiting.pop())
        if each.name in found:
            continue
        found[each.name] = each
        for line in each.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return list(found.values())


def bare_environment(folder, wheel=None):
    """Make it.

    Args:
        folder: Where.
        wheel: A wheel to unpack into it, None for none.

    Returns:
        Its Python.
    """
    command = [sys.executable, "-m", "venv", "--without-pip", "--symlinks", folder]
    subprocess.run(command, check=True)
    (packages,) = Path(folder, "lib").glob("python*/site-packages")
    for each in closure("torch"):
        tops = {file.parts[0] for file in each.files or []}
        for top in tops - {"..", "__pycache__", "bin"}:
            target = packages / top
            if not target.exists():
                target.symlink_to(Path(each.locate_file(top)).resolve())
    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    return Path(folder, "bin", "python")
