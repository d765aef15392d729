"""Tests of the tables; `migrations/test_env.py` compares them with the migrations."""

import sqlite3
from dataclasses import fields

import pytest
import sqlalchemy as sa

from trainers.jobs.schema import jobs, leases, metadata
from trainers.jobs.store import Job


def test_a_row_is_a_job():
    columns = {column.name for column in jobs.columns}
    assert columns - {"group_name"} == {item.name for item in fields(Job)} - {"group"}


def test_a_device_of_a_host_is_leased_once():
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    lease = {"host": "a", "device": "cpu:0", "path": "/run", "since": 1.0}
    with engine.begin() as connection:
        connection.execute(sa.insert(leases).values(lease))
        connection.execute(sa.insert(leases).values(lease | {"host": "b"}))
        with pytest.raises(sa.exc.IntegrityError) as told:
            connection.execute(sa.insert(leases).values(lease))
    assert isinstance(told.value.orig, sqlite3.IntegrityError)
    engine.dispose()
