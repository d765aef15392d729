"""A report's files on disk: all or none of them, the old ones until then.

Everything is made in a hidden folder beside its destination first, which takes seconds;
then each file replaces its older self in one step, with interruptions held back. A
failure or an interruption before that leaves the old report as it was. Files that an
older report had and the new one has not are removed; nothing else in the folder is
touched.
"""

import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from calibration.report.data import ReportData
from calibration.report.encoding import encode
from calibration.report.html import render_html
from calibration.report.interruptions import held_back
from calibration.report.model_card import model_card
from calibration.report.pdf import render_pdf
from calibration.report.tables import TABLE_NAMES, csv_tables

JSON, HTML, PDF, CARD, ZIP = (
    "report.json", "report.html", "report.pdf", "MODEL_CARD.md", "report.zip",
)  # fmt: skip
TABLES = "tables"
STAGE = ".report-"
_FORGOTTEN = 3600  # seconds after which nobody is at work in a stage any more
# No two zips of the same report differ.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def write_report(
    report: ReportData,
    folder: Path,
    pdf: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Write a report in every format.

    Args:
        report: The report.
        folder: Where to; made if need be.
        pdf: Whether a PDF is wanted, which takes seconds.
        say: Told what is being done.

    Returns:
        The files, of which the last is a zip of all others.

    Raises:
        OSError: If the folder cannot be written to; the old report is as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    stage = Path(tempfile.mkdtemp(prefix=STAGE, dir=folder))
    try:
        names = _fill(stage, report, pdf, say)
        with held_back():
            _replace(stage, folder, names)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return [folder / name for name in names]


def _sweep(folder: Path) -> None:
    """Remove what an export that was killed has left."""
    for stage in folder.glob(f"{STAGE}*"):
        with suppress(OSError):  # its export has just removed it
            if time.time() - stage.stat().st_mtime > _FORGOTTEN:
                shutil.rmtree(stage, ignore_errors=True)


def _fill(
    stage: Path, report: ReportData, pdf: bool, say: Callable[[str], None]
) -> list[str]:
    """Make all files in an empty folder, and return their names."""
    (stage / TABLES).mkdir()
    text = json.dumps(encode(report), indent=1, allow_nan=False)
    files = {JSON: text + "\n", HTML: render_html(report)}
    files[CARD] = model_card(report)
    files |= {f"{TABLES}/{name}": table for name, table in csv_tables(report).items()}
    for name, content in files.items():
        (stage / name).write_text(content, encoding="utf-8", newline="")
    names = list(files)
    if pdf:
        printed, renderer = render_pdf(report)
        (stage / PDF).write_bytes(printed)
        say(f"The PDF was made by {renderer}.")
        names.insert(2, PDF)
    _zip(stage, names)
    return [*names, ZIP]


def _zip(stage: Path, names: list[str]) -> None:
    with zipfile.ZipFile(stage / ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(f"report/{name}", _ZIP_DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (stage / name).read_bytes())


def _replace(stage: Path, folder: Path, names: list[str]) -> None:
    """Exchange all files; if one cannot be, bring back those that were."""
    for name in names:
        with (stage / name).open("rb") as file:
            os.fsync(file.fileno())
    (folder / TABLES).mkdir(exist_ok=True)
    stale = _stale(folder, names)
    kept = _keep(stage / "old", folder, [*names, *stale])
    try:
        for name in names:
            (stage / name).replace(folder / name)
        for name in stale:
            (folder / name).unlink()
    except OSError:
        for name in names:
            (folder / name).unlink(missing_ok=True)
        for name in kept:
            (stage / "old" / name).replace(folder / name)
        raise


def _keep(place: Path, folder: Path, names: list[str]) -> list[str]:
    """Copy the files that are there, and return their names."""
    (place / TABLES).mkdir(parents=True)
    kept = [name for name in names if (folder / name).exists()]
    # What is not a file is in the way, and told before anything moves.
    for name in kept:
        shutil.copy2(folder / name, place / name)
    return kept


def _stale(folder: Path, names: list[str]) -> list[str]:
    """Files of an older report that the new one does not have."""
    ours = [JSON, HTML, PDF, CARD, ZIP, *(f"{TABLES}/{name}" for name in TABLE_NAMES)]
    return [name for name in ours if name not in names and (folder / name).exists()]
