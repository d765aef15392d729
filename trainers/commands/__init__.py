"""The commands of `python -m trainers` that talk to the job engine, one file each."""

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    pass
