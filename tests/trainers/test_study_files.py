"""Tests of `trainers/study_files.py`."""

import csv
import io

from PIL import Image

from tests.trainers.test_study_findings import a_line
from tests.trainers.test_study_picture import COLD, NLLS, with_level
from trainers.study_files import as_csv, write_study


def test_picture_page_and_numbers_are_written(tmp_path):
    folder = tmp_path / "new" / "study"
    title = "<script>alert(1)</script> $x$"
    paths = write_study(folder, title, "3 runs", with_level(), "temperature", COLD)
    assert [path.name for path in paths] == ["study.png", "study.html", "study.csv"]
    assert sorted(folder.iterdir()) == sorted(paths)
    with Image.open(paths[0]) as image:
        assert image.format == "PNG"
        assert image.width > 2 * image.height
        assert len(image.convert("RGB").getcolors(1 << 20)) > 20  # something is drawn
    page = paths[1].read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "<script src=" not in page
    assert "the best of 2 colder, 0.01" in page
    assert paths[2].read_bytes() == as_csv(with_level(), "temperature")


def test_the_numbers_have_a_row_a_value():
    rows = list(
        csv.DictReader(io.StringIO(as_csv(with_level(), "temperature").decode()))
    )
    assert [row["temperature"] for row in rows] == ["0.01", "0.1", "1.0", ""]
    place = a_line(NLLS).places[0]
    assert float(rows[0]["nll"]) == place.over_seeds("nll").mean
    assert float(rows[0]["nll_deviation"]) == place.over_seeds("nll").deviation
    assert rows[-1]["accuracy"] == ""
