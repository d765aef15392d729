"""A folder of runs, and pages opened on it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from tests.ui import fakes
from trainers import jobs
from trainers.jobs import local
from trainers.jobs.home import Home
from trainers.jobs.store import Store
from trainers.runs import Run
from trainers.status import Process
from ui.components import navigation

REPOSITORY = Path(__file__).resolve().parents[2]
APP = REPOSITORY / "ui" / "app.py"


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Put back the main module: Streamlit makes each script it runs the main one.

    Later tests of this process that start others would have them run that script.
    """
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True, scope="session")
def known_components() -> Iterator[None]:
    """Look for components once: each page opened anew reads about all packages."""
    scan = cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store without jobs."""
    home = Home(tmp_path_factory.mktemp("empty"))
    Store(home).close()
    return home.database


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all runs of this test."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("VOGN_RUNS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_dispatcher(monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Iterator[None]:
    """Let no page start a process, and close the stores that pages opened."""
    monkeypatch.delenv("VOGN_JOBS", raising=False)
    monkeypatch.delenv("VOGN_JOBS_URL", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(local, "ensure_dispatcher", lambda home, **_: True)
    monkeypatch.setattr(jobs, "keep_dispatcher", lambda: None)
    opened: list[Store] = []

    def opening(home: Home) -> Store:
        if not home.url and not home.database.exists():  # its making takes a while
            home.folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(empty_store, home.database)
        opened.append(Store(home))
        return opened[-1]

    monkeypatch.setattr(local, "Store", opening)
    jobs._engine.cache_clear()
    yield
    for store in opened:
        store.close()
    jobs._engine.cache_clear()
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def open_page(root: Path) -> Callable[..., AppTest]:
    """Open a page of the dashboard as its address does."""

    def opened(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=30)
        # `switch_page` knows files only; a page that is a function goes by its path,
        # and the first one, which has none in its address, by what `ui/app.py` says.
        app._page_hash = calc_hash("first" if page == navigation.LAUNCH else page)
        for key, value in query.items():
            app.query_params[key] = value
        return app.run()

    return opened


@pytest.fixture
def alive() -> Iterator[int]:
    """A process that is alive, and stays so when it is told to end."""
    command = ["sh", "-c", "trap '' TERM; exec sleep 600"]
    with subprocess.Popen(command, start_new_session=True) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def table(root: Path, alive: int) -> None:
    """Four runs; row 0 is the newest."""
    fakes.write_run(root, "1-done", evaluated=True)
    fakes.write_run(root, "2-live", state="running", trainer=Process.of(alive))
    fakes.write_run(root, "3-lost", state="running")
    damaged = root / "4-damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")


@pytest.fixture
def queue(table: None, root: Path) -> list[Run]:
    """Three queued runs above the table's four; row 0 is the last one."""
    configs = [fakes.config(seed=k) for k in range(3)]
    paths = [root / f"9-{k}" for k in range(3)]
    return jobs.engine().submit(configs, paths=paths, group="mine")
