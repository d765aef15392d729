"""Names that are not ours, as labels of charts."""

from html import escape

LONGEST = 28  # characters


def label(text: str, longest: int = LONGEST) -> str:
    """A name as Plotly shows it literally, which reads HTML and templates otherwise.

    Args:
        text: Such as the name of a class.
        longest: Characters after which it is cut.
    """
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return escape(short, quote=False).replace("%{", "% {")
