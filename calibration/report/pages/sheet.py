"""A4 pages that fill from top to bottom; lengths are in points from the top left."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D

from calibration.report.colors import LIGHT
from calibration.report.pages.text import FAMILY, wrapped

WIDTH, HEIGHT = 595.28, 841.89
LEFT, TOP, BOTTOM = 48.0, 46.0, 56.0
ROOM = WIDTH - 2 * LEFT
LEADING = 1.42  # height of a line, in font sizes


class Sheets:
    """Pages one after another, and how far the last one is filled."""

    def __init__(self) -> None:
        self.pages: list[Figure] = []
        self.y = TOP
        self.turn()

    def turn(self) -> None:
        """Begin a page."""
        # The object-oriented interface: nothing of pyplot's global state is touched.
        self.pages.append(Figure(figsize=(WIDTH / 72, HEIGHT / 72)))
        self.y = TOP

    @property
    def left_over(self) -> float:
        """What is left of this page."""
        return HEIGHT - BOTTOM - self.y

    def need(self, height: float) -> bool:
        """Make sure of so much room; returns whether that took a new page."""
        if height <= self.left_over or self.y == TOP:
            return False
        self.turn()
        return True

    def skip(self, height: float) -> None:
        """Leave room, except at the top of a page."""
        if self.y > TOP:
            self.y += height

    def write(
        self,
        x: float,
        top: float,
        text: str,
        size: float,
        *,
        color: str = "ink",
        bold: bool = False,
        align: str = "left",
    ) -> None:
        """Put one line of printable text on the page; `x` is where `align` says."""
        page = self.pages[-1]
        page.text(
            x,
            HEIGHT - top - size * 1.05,
            text,
            fontsize=size,
            fontfamily=FAMILY,
            fontweight="bold" if bold else "normal",
            color=LIGHT[color],
            horizontalalignment=align,
            verticalalignment="baseline",
            parse_math=False,
            transform=_points(page),
        )

    def paragraph(
        self,
        text: str,
        size: float,
        *,
        x: float = LEFT,
        room: float = ROOM,
        color: str = "ink",
        bold: bool = False,
    ) -> None:
        """Write a text over as many lines, and pages, as it takes."""
        for line in wrapped(text, size, room, bold):
            self.need(size * LEADING)
            self.write(x, self.y, line, size, color=color, bold=bold)
            self.y += size * LEADING

    def box(
        self, x: float, top: float, width: float, height: float, **style: Any
    ) -> None:
        """Draw a rectangle."""
        page = self.pages[-1]
        corner = (x, HEIGHT - top - height)
        style = {"linewidth": 0} | style
        page.add_artist(
            Rectangle(corner, width, height, transform=_points(page), **style)
        )

    def rule(
        self, x: float, top: float, width: float, color: str, weight: float
    ) -> None:
        """Draw a horizontal line."""
        self.line([x, x + width], top, color=LIGHT[color], linewidth=weight)

    def line(self, xs: list[float], top: float, **style: Any) -> None:
        """Draw points at one height, joined."""
        page = self.pages[-1]
        ys = [HEIGHT - top] * len(xs)
        page.add_artist(Line2D(xs, ys, transform=_points(page), **style))

    def axes(self, x: float, top: float, width: float, height: float) -> Axes:
        """Add axes that fill a rectangle."""
        bottom = HEIGHT - top - height
        corner = (x / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT)
        return self.pages[-1].add_axes(corner)


def _points(page: Figure) -> Any:
    return Affine2D().scale(1 / 72) + page.dpi_scale_trans
