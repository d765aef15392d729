"""A report's files: all of them or the old ones, and nobody else's touched."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from calibration.report import export
from calibration.report.encoding import decode_report
from calibration.report.export import CARD, HTML, JSON, PDF, STAGE, ZIP, write_report
from tests.calibration.report.examples import bare_report, example_report

REPORT = example_report(2)


def contents(folder):
    """Every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_format_is_written_and_listed(tmp_path):
    paths = write_report(REPORT, tmp_path / "new" / "report", pdf=False)
    names = {str(path.relative_to(tmp_path / "new" / "report")) for path in paths}
    assert {JSON, HTML, CARD, ZIP, "tables/metrics.csv"} <= names
    assert PDF not in names
    assert names == set(contents(tmp_path / "new" / "report"))


def test_the_json_is_the_report(tmp_path):
    write_report(REPORT, tmp_path, pdf=False)
    assert decode_report(json.loads((tmp_path / JSON).read_text())) == REPORT


def test_the_zip_holds_all_others(tmp_path):
    write_report(REPORT, tmp_path, pdf=False)
    files = contents(tmp_path)
    with zipfile.ZipFile(io.BytesIO(files.pop(ZIP))) as archive:
        zipped = {name: archive.read(name) for name in archive.namelist()}
    assert zipped == {f"report/{name}": content for name, content in files.items()}


def test_a_pdf_is_made_and_its_renderer_told(tmp_path):
    said = []
    write_report(bare_report(), tmp_path, say=said.append)
    assert (tmp_path / PDF).read_bytes().startswith(b"%PDF")
    assert "PDF was made by" in said[0]


def test_what_an_older_report_had_is_removed_and_nothing_else(tmp_path):
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "other.csv").write_text("mine too")
    write_report(REPORT, tmp_path, pdf=False)
    assert (tmp_path / "tables" / "ood.csv").exists()
    (tmp_path / PDF).write_bytes(b"%PDF old")
    write_report(bare_report(), tmp_path, pdf=False)
    left = set(contents(tmp_path))
    assert not left & {PDF, "tables/ood.csv", "tables/shift.csv"}
    assert {"notes.txt", "tables/other.csv", HTML} <= left


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_report(tmp_path, monkeypatch, failure):
    write_report(REPORT, tmp_path, pdf=False)
    before = contents(tmp_path)

    def fail(*_):
        raise failure

    monkeypatch.setattr(export, "_zip", fail)  # the last thing before the exchange
    with pytest.raises(type(failure)):
        write_report(bare_report(), tmp_path, pdf=False)
    assert contents(tmp_path) == before
    assert not list(tmp_path.glob(f"{STAGE}*"))


@pytest.mark.parametrize("name", [PDF, CARD, "tables/metrics.csv"])
def test_a_folder_in_the_way_leaves_the_old_report(tmp_path, name):
    write_report(REPORT, tmp_path, pdf=False)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    before = contents(tmp_path)
    with pytest.raises(OSError, match=name):
        write_report(bare_report(), tmp_path, pdf=name == PDF)
    assert contents(tmp_path) == before


def test_a_failure_in_the_middle_of_the_exchange_brings_all_back(tmp_path, monkeypatch):
    write_report(REPORT, tmp_path, pdf=False)
    before, replace = contents(tmp_path), Path.replace

    def fail(path, target):
        if path.name == CARD and path.parent.name != "old":
            raise PermissionError("open elsewhere")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(PermissionError):
        write_report(bare_report(), tmp_path, pdf=False)
    assert contents(tmp_path) == before


def test_an_interruption_waits_for_the_exchange_of_files(tmp_path, monkeypatch):
    write_report(REPORT, tmp_path, pdf=False)
    replace = export._replace

    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)
        replace(*given)

    monkeypatch.setattr(export, "_replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(bare_report(), tmp_path, pdf=False)
    assert decode_report(json.loads((tmp_path / JSON).read_text())) == bare_report()
    assert not list(tmp_path.glob(f"{STAGE}*"))


SLOW = """
import sys, time
from pathlib import Path
from calibration import __main__ as main
from calibration.report import export
def slow(*_):
    print("at work", flush=True)
    time.sleep(60)
export.render_html = slow
sys.exit(main.main(["report", sys.argv[1], "--output", sys.argv[2], "--no-pdf"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_command_leaves_the_old_report_and_no_rest(tmp_path, number):
    import numpy as np

    folder, file = tmp_path / "report", tmp_path / "predictions.npz"
    rows = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    np.savez(file, probabilities=rows, labels=np.arange(60) % 3)
    write_report(REPORT, folder, pdf=False)
    before = contents(folder)
    command = [sys.executable, "-c", SLOW, str(file), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        assert process.wait(30) != 0
    assert contents(folder) == before
    assert not list(folder.glob(f"{STAGE}*"))


def test_what_a_killed_export_left_is_swept_away_later(tmp_path):
    old, fresh = tmp_path / f"{STAGE}old", tmp_path / f"{STAGE}fresh"
    for stage in (old, fresh):
        stage.mkdir()
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    write_report(bare_report(), tmp_path, pdf=False)
    assert not old.exists()
    assert fresh.exists()  # another export may be at work there


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        write_report(bare_report(), tmp_path / "file" / "report", pdf=False)
