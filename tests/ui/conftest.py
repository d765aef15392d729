"""A folder of runs, and pages opened on it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

REPOSITORY = Path(__file__).resolve().parents[2]
APP = REPOSITORY / "ui" / "app.py"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all runs of this test."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("VOGN_RUNS", str(folder))
    return folder


@pytest.fixture
def open_page(root: Path) -> Callable[..., AppTest]:
    """Open a page of the dashboard as its address does."""

    def opened(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=30)
        # `switch_page` knows files only; a page that is a function goes by its path.
        app._page_hash = calc_hash(page)
        for key, value in query.items():
            app.query_params[key] = value
        return app.run()

    return opened


@pytest.fixture
def alive() -> int:
    """A process that is certainly alive: this one."""
    return os.getpid()
