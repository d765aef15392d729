"""The rules of the tree: which way imports point, and that tests mirror the source."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("vogn_app", "data", "calibration", "trainers", "ui")
MAY_IMPORT = {
    "vogn_app": set(),
    "data": set(),
    "calibration": set(),
    "trainers": {"vogn_app", "data", "calibration"},
    "ui": {"trainers", "data", "calibration"},
}
SOURCES = [
    path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*.py")
]


def imported_roots(path: Path) -> set[str]:
    """Top-level names that a file imports absolutely, function bodies included."""
    roots = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            roots.add(node.module.split(".")[0])
    return roots


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_point_one_way(path):
    package = path.parts[0]
    ours = imported_roots(path) & set(PACKAGES) - {package}
    assert ours <= MAY_IMPORT[package]


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.parts[0] == "vogn_app"], ids=str
)
def test_the_library_imports_torch_and_the_standard_library_only(path):
    allowed = {"torch", *sys.stdlib_module_names}
    assert imported_roots(path) <= allowed


def test_the_import_rule_can_fail():
    roots = imported_roots(Path("trainers/session.py"))
    assert {"torch", "data"} <= roots


@pytest.mark.parametrize(
    "path",
    [p for p in SOURCES if p.name not in ("__init__.py", "__main__.py")],
    ids=str,
)
def test_every_module_has_a_test_at_the_mirrored_path(path):
    folder = ROOT / "tests" / path.parent
    names = {f"test_{path.name}", f"test_{path.name.lstrip('_')}"}
    assert any((folder / name).is_file() for name in names)


@pytest.mark.parametrize("folder", ["ui", "trainers"])
def test_no_module_shadows_a_package_when_its_folder_comes_first_on_the_path(folder):
    names = {path.stem for path in (ROOT / folder).glob("*.py")}
    assert not names & {*PACKAGES, "tests"}


def test_the_pages_of_the_dashboard_never_load_torch():
    modules = sorted(
        ".".join(path.with_suffix("").parts)
        for path in SOURCES
        if path.parts[0] == "ui" and path.name not in ("app.py", "__init__.py")
    )
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_wheel_ships_the_library_alone(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", tmp_path, ROOT]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    roots = {name.split("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"vogn_app"}
    assert {"vogn_app/py.typed", "vogn_app/kernels/kernels.c"} <= set(names)
