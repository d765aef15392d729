"""Copy a run to trackers, while it is alive or afterwards."""

import argparse

from trainers.mirrors import MIRRORS

HELP = "copy a run to trackers such as TensorBoard"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `mirror`."""
    parser.add_argument("run", metavar="RUN", help="id or path")
    parser.add_argument("names", nargs="+", metavar="NAME", help=", ".join(MIRRORS))


def run(options: argparse.Namespace) -> int:
    """Mirror the run, as `python -m trainers.mirrors` does."""
    from trainers.mirrors.__main__ import main

    return main([options.run, *options.names])
