"""Tests of the wheel that the dashboard builds."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from trainers.parcel import wheel
from trainers.parcel.wheel import (
    LICENCE,
    ROOT,
    ParcelError,
    build_wheel,
    library_files,
    licence,
    version,
)
from vogn_app import __version__


@pytest.fixture
def checkout(tmp_path):
    """A small checkout, with all that builders leave behind."""
    for name in ("pyproject.toml", "README.md", LICENCE):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    library = tmp_path / "vogn_app"
    (library / "__pycache__").mkdir(parents=True)
    (library / "__init__.py").write_text('__version__ = "9.8.7"\n')
    (library / "py.typed").write_text("")
    for leftover in ("__pycache__/a.pyc", "kernels.so", "kernels.o", ".secret"):
        (library / leftover).write_bytes(b"\0")
    return tmp_path


def members(parcel):
    with zipfile.ZipFile(io.BytesIO(parcel.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_library_is_all_that_git_knows_of_it():
    asked = subprocess.run(
        ["git", "ls-files", "vogn_app"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if asked.returncode:
        pytest.skip("not a checkout of git")
    assert set(asked.stdout.split()) <= library_files().keys()
    assert not any("__pycache__" in name for name in library_files())


def test_the_wheel_holds_the_library_and_its_metadata():
    built = build_wheel()
    assert built.name == f"vogn_app-{__version__}-py3-none-any.whl"
    found = members(built)
    library = {k: v for k, v in found.items() if k.startswith("vogn_app/")}
    assert library == library_files()
    rest = {name.split("/")[0] for name in found.keys() - library.keys()}
    assert rest == {f"vogn_app-{__version__}.dist-info"}
    metadata = found[f"vogn_app-{__version__}.dist-info/METADATA"].decode()
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-D")]
    always = [line for line in needed if "extra ==" not in line]
    assert always == ["Requires-Dist: torch>=2.11"]


def test_leftovers_stay_behind(checkout):
    found = members(build_wheel(checkout))
    assert {n for n in found if n.startswith("vogn_app/")} == {
        "vogn_app/__init__.py", "vogn_app/py.typed",
    }  # fmt: skip


def test_the_same_sources_are_built_to_the_same_bytes(checkout):
    first = build_wheel(checkout)
    assert build_wheel(checkout).sha256 == first.sha256
    (checkout / "vogn_app" / "new.py").write_text("")
    assert build_wheel(checkout).sha256 != first.sha256


def test_nothing_is_written_into_the_checkout(checkout):
    before = sorted(checkout.rglob("*"))
    for path in (checkout, checkout / "vogn_app"):
        path.chmod(0o555)
    try:
        build_wheel(checkout)
        assert sorted(checkout.rglob("*")) == before
    finally:
        for path in (checkout, checkout / "vogn_app"):
            path.chmod(0o755)


def test_a_missing_builder_says_what_to_install(checkout, monkeypatch, tmp_path):
    folder = tmp_path / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    monkeypatch.setattr(wheel.sys, "executable", str(folder / "bin" / "python"))
    with pytest.raises(ParcelError, match=r"hatchling is not installed \(pip install"):
        build_wheel(checkout)


def test_what_the_builder_says_is_passed_on(checkout):
    (checkout / "pyproject.toml").write_text("[build-system]\n[project\n")
    with pytest.raises(ParcelError, match=r"^The wheel cannot be built: .*\w"):
        build_wheel(checkout)


def test_a_builder_that_hangs_is_ended(checkout, monkeypatch):
    monkeypatch.setattr(wheel, "TIMEOUT", 0.01)
    with pytest.raises(ParcelError, match="timed out"):
        build_wheel(checkout)


def test_a_checkout_without_a_library_is_refused(tmp_path):
    with pytest.raises(ParcelError, match="There is no library in vogn_app/"):
        build_wheel(tmp_path)
    with pytest.raises(ParcelError, match="The sources cannot be read: No such file"):
        licence(tmp_path)


def test_the_version_is_the_librarys():
    assert version(library_files()) == __version__
    with pytest.raises(ParcelError, match="names no version"):
        version({"vogn_app/__init__.py": b'__version__ = input("1")\n'})


def test_the_builder_imports_nothing_of_the_folder_it_builds(checkout):
    (checkout / "vogn_app" / "hatchling.py").write_text("raise SystemExit(7)")
    assert os.sep not in build_wheel(checkout).name
    assert Path(build_wheel(checkout).name).suffix == ".whl"
