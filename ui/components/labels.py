"""Names as people read them: foreign ones in charts, datasets, runs."""

from html import escape

from data import DATASETS
from trainers.catalogue import optimizer_spec
from trainers.config import RunConfig

LONGEST = 28  # characters


def label(text: str, longest: int = LONGEST) -> str:
    """A name as Plotly shows it literally, which reads HTML and templates otherwise.

    Args:
        text: Such as the name of a class.
        longest: Characters after which it is cut.
    """
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return escape(short, quote=False).replace("%{", "% {")


def data_title(name: str) -> str:
    """The title of a dataset for people; that of an unknown one is its name."""
    return DATASETS[name].title if name in DATASETS else name


def run_title(config: RunConfig) -> str:
    """What a run is, in a line."""
    optimizer = optimizer_spec(config.optimizer.name).title
    return f"{optimizer} on {data_title(config.dataset.name)}"
