"""Quality against cost: the rows of benchmarks/quality.py as a picture.

Every method is a point: seconds of training across, on a logarithmic axis, negative
log-likelihood (or another column) up; medians over seeds, with lines from the smallest
to the largest. Methods on the dashed line are not beaten at their cost by any other.

    python benchmarks/quality_picture.py [ROWS.json] [--task DATASET MODEL]
                                         [--column nll|ece|ood_fpr95] [--out PATH.png]
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data import dataset_spec
from trainers.catalogue import MODELS, OPTIMIZERS

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "benchmarks" / "results" / "quality.json"
PICTURE = ROOT / "docs" / "figures" / "quality_against_cost.png"
TITLES = {"nll": "test NLL", "ece": "test ECE", "ood_fpr95": "FPR95 against digits"}
SEVERAL = ("ensemble", "multi_vogn")  # networks
COLOURS = {"vogn": "#0f766e", "multi_vogn": "#0f766e"}
GREY = "#475569"
OTHERS = {"ivon_opt": "IVON of its authors"}
# Where a name may stand beside its point, in points; the first free place is taken.
PLACES = [(side * x, y) for x, y in ((7, 5), (7, -13), (16, 18), (16, -26), (30, 32),
                                     (30, -40)) for side in (1, -1)]  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A method: medians, and the smallest and largest.

    Args:
        method: Its name in the rows.
        cost: Seconds of training.
        quality: The column.
    """

    method: str
    cost: tuple[float, float, float]
    quality: tuple[float, float, float]

    @property
    def title(self) -> str:
        """What people call it."""
        spec = OPTIMIZERS.get(self.method)
        return spec.title if spec else OTHERS.get(self.method, self.method)


def points_of(
    rows: Sequence[Mapping[str, Any]], dataset: str, model: str, column: str
) -> list[Point]:
    """The methods of a task, cheapest first.

    Args:
        rows: As benchmarks/quality.py writes them.
        dataset: Of the task.
        model: Of the task.
        column: What is drawn.

    Raises:
        ValueError: If no row of the task has what is drawn.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        values = row.get("train_seconds"), row.get(column)
        if (row["dataset"], row["model"]) == (dataset, model) and None not in values:
            found.setdefault(row["method"], []).append(values)
    if not found:
        raise ValueError(
            f"rows must have train_seconds and {column} of {model} on {dataset}, "
            "got none."
        )
    points = [
        Point(method, *(_spread(values) for values in zip(*each, strict=True)))
        for method, each in found.items()
    ]
    return sorted(points, key=lambda point: point.cost)


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def unbeaten(points: Sequence[Point]) -> list[Point]:
    """Points, cheapest first, that no cheaper one equals in quality."""
    kept: list[Point] = []
    for point in points:
        if not kept or point.quality[0] < kept[-1].quality[0]:
            kept.append(point)
    return kept


def draw(points: Sequence[Point], column: str, title: str, path: Path) -> None:
    """Write the picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5.2), layout="constrained")
    best = unbeaten(points)
    axes.plot(
        [p.cost[0] for p in best], [p.quality[0] for p in best],
        linestyle="--", linewidth=1, color="#94a3b8", zorder=1,
    )  # fmt: skip
    for point in points:
        colour = COLOURS.get(point.method, GREY)
        (x, left, right), (y, low, high) = point.cost, point.quality
        bars = axes.errorbar(
            x, y, xerr=[[x - left], [right - x]], yerr=[[y - low], [high - y]],
            fmt="s" if point.method in SEVERAL else "o", color=colour, markersize=7,
            elinewidth=1, zorder=2,
        )  # fmt: skip
        for bar in bars[2]:
            bar.set_alpha(0.3)
    axes.set_xscale("log")
    axes.set_xlabel("seconds of training (one thread, all networks together)")
    axes.set_ylabel(f"{TITLES[column]} (lower is better)")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(visible=True, which="both", linewidth=0.4, color="#e2e8f0")
    axes.spines[["top", "right"]].set_visible(False)
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(mpl.ticker.LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 1)))
    name_points(axes, points)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def name_points(axes: Any, points: Sequence[Point]) -> None:
    """Write the names beside the points, none over another or over a point."""
    from matplotlib.text import Text

    axes.margins(x=0.12)
    axes.figure.canvas.draw()
    axes.figure.set_layout_engine("none")  # places stay from here on
    renderer = axes.figure.canvas.get_renderer()
    middles = [axes.transData.transform((p.cost[0], p.quality[0])) for p in points]
    taken = [_box(x, y) for x, y in middles]
    for point in points:
        bold = "bold" if point.method in COLOURS else "normal"
        found: list[tuple[int, int, Any]] = []
        for order, (x, y) in enumerate(PLACES):
            name = axes.annotate(
                point.title, (point.cost[0], point.quality[0]), xytext=(x, y),
                textcoords="offset points", ha="left" if x > 0 else "right",
                color=COLOURS.get(point.method, GREY), fontsize=9, fontweight=bold,
                arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5}
                if abs(x) > 7 else None,
            )  # fmt: skip
            name.update_positions(renderer)
            box = Text.get_window_extent(name)  # without the line to the point
            inside = axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1)
            outside = 0 if inside else len(taken)
            found.append((sum(box.overlaps(o) for o in taken) + outside, order, name))
        _, best, kept = min(found, key=lambda each: each[:2])
        for _, order, name in found:
            if order != best:
                name.remove()
        taken.append(Text.get_window_extent(kept))


def _box(x: float, y: float, half: float = 8) -> Any:
    """The square of a point's mark, in pixels."""
    from matplotlib.transforms import Bbox

    return Bbox([[x - half, y - half], [x + half, y + half]])


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="?", type=Path, default=ROWS)
    parser.add_argument("--task", nargs=2, metavar=("DATASET", "MODEL"),
                        default=["fashion-mnist", "lenet5"])  # fmt: skip
    parser.add_argument("--column", choices=TITLES, default="nll")
    parser.add_argument("--out", type=Path, default=PICTURE, metavar="PATH.png")
    options = parser.parse_args(arguments)
    rows = json.loads(options.rows.read_text())
    try:
        points = points_of(rows, *options.task, options.column)
    except ValueError as error:
        parser.error(str(error))
    dataset, model = options.task
    title = f"{MODELS[model].title} on {dataset_spec(dataset).title}"
    draw(points, options.column, title, options.out)
    print(options.out)


if __name__ == "__main__":
    main()
