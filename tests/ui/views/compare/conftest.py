"""Runs of two optimizers and three seeds each."""

from pathlib import Path

import pytest

from tests.ui.views.compare.examples import family
from trainers.runs import Run


@pytest.fixture
def two_families(root: Path) -> dict[str, list[Run]]:
    return {
        "vogn": family(root, "vogn", sharp=3.0),
        "adamw": family(root, "adamw", sharp=2.0),
    }
