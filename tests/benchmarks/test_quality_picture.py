"""benchmarks/quality_picture.py."""

import json
from itertools import combinations

import pytest

from benchmarks import quality_picture
from benchmarks.quality_picture import Point, name_points, points_of, unbeaten


def rows():
    task = {"dataset": "fashion-mnist", "model": "lenet5"}
    numbers = {
        "adamw": [(10, 0.26), (12, 0.25), (11, 0.27)],
        "vogn": [(15, 0.24)],
        "ivon": [(16, 0.25)],
        "ensemble": [(50, 0.22)],
    }
    found = [
        {**task, "method": method, "train_seconds": seconds, "nll": nll}
        for method, each in numbers.items()
        for seconds, nll in each
    ]
    old = {**task, "method": "sgd", "nll": 0.1}
    return [*found, old, {**found[0], "model": "mlp", "nll": 0.0}]


def test_methods_are_medians_with_their_spread():
    points = points_of(rows(), "fashion-mnist", "lenet5", "nll")
    assert [p.method for p in points] == ["adamw", "vogn", "ivon", "ensemble"]
    assert points[0].cost == (11, 10, 12)
    assert points[0].quality == (0.26, 0.25, 0.27)
    assert [p.title for p in points[:2]] == ["AdamW", "VOGN"]


def test_who_is_dearer_and_no_better_is_beaten():
    points = points_of(rows(), "fashion-mnist", "lenet5", "nll")
    assert [p.method for p in unbeaten(points)] == ["adamw", "vogn", "ensemble"]


def test_the_picture_is_written(tmp_path, capsys):
    source, out = tmp_path / "rows.json", tmp_path / "new" / "a.png"
    source.write_text(json.dumps(rows()))
    quality_picture.main([str(source), "--out", str(out)])
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_bytes().startswith(b"\x89PNG")


def test_no_name_lies_over_another():
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    from matplotlib import pyplot
    from matplotlib.text import Text

    names = ["vogn", "ivon", "adamw", "ivon_opt", "snapshot"]
    points = [
        Point(name, (100 + k, 90, 120), (0.25 + k / 1000, 0.24, 0.26))
        for k, name in enumerate(names)
    ]
    figure, axes = pyplot.subplots()
    axes.set(xscale="log", xlim=(50, 500), ylim=(0.2, 0.3))
    name_points(axes, points)
    assert {each.get_text() for each in axes.texts} == {p.title for p in points}
    boxes = [Text.get_window_extent(each) for each in axes.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    pyplot.close(figure)


def test_rows_without_costs_are_refused(tmp_path, capsys):
    source = tmp_path / "rows.json"
    source.write_text(json.dumps(rows()))
    with pytest.raises(SystemExit):
        quality_picture.main([str(source), "--column", "ece"])
    assert "rows must have train_seconds and ece of lenet5" in capsys.readouterr().err
