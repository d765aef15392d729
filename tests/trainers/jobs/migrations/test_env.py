"""Tests of all migrations together: they make what the code expects."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import trainers.jobs.migrations
from tests.trainers.jobs.stores import KINDS, home_on
from trainers.jobs.database import open_database
from trainers.jobs.schema import VERSION, metadata

FOLDER = Path(trainers.jobs.migrations.__file__).parent


@pytest.fixture(params=KINDS)
def engine(request, tmp_path):
    engine = open_database(home_on(request.param, tmp_path / "jobs"))
    yield engine
    engine.dispose()


def scripts():
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def differences(connection):
    options = {"compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    return compare_metadata(context, metadata)


def test_the_migrated_database_is_the_one_of_the_schema(engine):
    with engine.connect() as connection:
        assert differences(connection) == []
        inspector = sa.inspect(connection)
        assert set(inspector.get_table_names()) == {*metadata.tables, "alembic_version"}
        for name, table in metadata.tables.items():
            found = inspector.get_columns(name)
            assert [(c["name"], c["nullable"]) for c in found] == [
                (column.name, column.nullable) for column in table.columns
            ]
            key = inspector.get_pk_constraint(name)["constrained_columns"]
            assert key == [column.name for column in table.primary_key]


def test_the_comparison_can_fail(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP INDEX jobs_by_stage")
        connection.exec_driver_sql("ALTER TABLE jobs ADD COLUMN extra INTEGER")
        found = [each[0] for each in differences(connection)]
    assert sorted(found) == ["add_index", "remove_column"]


def test_the_version_of_the_code_is_that_of_the_newest_script(engine):
    assert scripts().get_heads() == [VERSION]
    with engine.connect() as connection:
        query = "SELECT version_num FROM alembic_version"
        assert connection.exec_driver_sql(query).all() == [(VERSION,)]


def test_the_scripts_are_one_chain_in_the_order_of_their_files():
    files = sorted(path.name for path in (FOLDER / "versions").glob("m*.py"))
    chain = [script.revision for script in scripts().walk_revisions()][::-1]
    assert [re.fullmatch(r"m(\d{4})_\w+\.py", name)[1] for name in files] == chain
    assert chain == [f"{number:04}" for number in range(1, len(chain) + 1)]
