"""An engine of the test's own, of which nothing is left afterwards."""

import psutil
import pytest

from tests.trainers.examples import config
from tests.trainers.jobs.fake_trainer import seed_of
from tests.trainers.jobs.stores import KINDS, home_on
from trainers.jobs.home import Home
from trainers.jobs.local import Engine
from trainers.jobs.processes import DISPATCHER, ROLE, end_all, is_alive, role_of
from trainers.jobs.store import Store


def belongs_to(folder, process):
    """Whether a process of the engine has to do with a folder."""
    try:
        variables = process.environ()
    except (psutil.Error, OSError):
        return False
    role = variables.get(ROLE, "")
    home = variables.get("VOGN_JOBS", "")
    return bool(role) and (str(folder) in role or str(folder) in home)


def processes_below(folder):
    """Every living process of the engine that has to do with a folder."""
    return [
        process
        for process in psutil.process_iter()
        if is_alive(process) and belongs_to(folder, process)
    ]


def dispatchers(home):
    """The living dispatchers of a home."""
    return [
        process
        for process in processes_below(home.folder)
        if role_of(process) == DISPATCHER
    ]


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """An engine with one CPU slot and the fake trainer."""
    monkeypatch.setenv("VOGN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("VOGN_JOBS", str(tmp_path / "jobs"))
    monkeypatch.delenv("VOGN_JOBS_URL", raising=False)
    monkeypatch.setenv("VOGN_TRAINER", "tests.trainers.jobs.fake_trainer")
    monkeypatch.setenv("VOGN_STOP_GRACE", "1")
    engine = Engine(Home.here())
    yield engine
    engine.home.prepare()
    engine.home.switched_off.touch()  # no supervisor shall wake a dispatcher now
    assert end_all(lambda: processes_below(tmp_path))
    engine.store.close()


def fake(manner, num_processes=1):
    """Return the configuration of a fake run."""
    return config(training={"seed": seed_of(manner), "num_processes": num_processes})


@pytest.fixture(params=KINDS)
def home(request, tmp_path):
    """Where an engine lives, on each database."""
    return home_on(request.param, tmp_path / "jobs")


@pytest.fixture
def stores(home):
    """Return how to open the store as another client does."""
    opened = []

    def another():
        opened.append(Store(home))
        return opened[-1]

    yield another
    for each in opened:
        each.close()


@pytest.fixture
def store(stores):
    """A job store, on each database."""
    return stores()
