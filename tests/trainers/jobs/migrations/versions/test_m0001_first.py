"""Tests of the first migration."""

import pytest
import sqlalchemy as sa
from alembic import op

from tests.trainers.jobs.stores import KINDS, home_on, job, names
from trainers.jobs.database import open_database
from trainers.jobs.store import Store

TABLES = {"jobs", "leases", "settings", "alembic_version"}


@pytest.fixture(params=KINDS)
def home(request, tmp_path):
    return home_on(request.param, tmp_path / "jobs")


def tables(home):
    engine = open_database(home)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_an_empty_database_gets_its_tables(home):
    home.prepare()
    if not home.url:
        home.database.touch()
    assert tables(home) == TABLES


def test_a_second_look_changes_nothing(home):
    store = Store(home)
    store.add([job("a")])
    store.close()
    assert tables(home) == TABLES
    store = Store(home)
    assert names(store.queued()) == ["a"]
    store.close()


def test_a_migration_that_fails_halfway_leaves_nothing(home, monkeypatch):
    def fail(*words, **options):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", fail)  # the table was made before
        with pytest.raises(OSError, match="no space left"):
            open_database(home)
    if home.url:
        engine = sa.create_engine(home.url)
    else:
        engine = sa.create_engine(sa.URL.create("sqlite", database=str(home.database)))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    assert tables(home) == TABLES
