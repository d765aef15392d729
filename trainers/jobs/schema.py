"""Tables of the job store. `migrations/` brings an older store to this state."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

VERSION = "0001"  # of the newest migration
QUEUED, ACTIVE, ENDED = "queued", "active", "ended"  # stages of a job

metadata = MetaData()

# One row a run that was ever submitted. What a run is and how it fares is in its
# folder; here is what must outlast it or be decided between processes.
jobs = Table(
    "jobs",
    metadata,
    Column("path", String(1024), primary_key=True),  # the run folder
    Column("stage", String(16), nullable=False),
    Column("priority", Integer, nullable=False),  # larger goes first
    Column("position", Integer, nullable=False),  # then smaller goes first
    Column("group_name", String(128), nullable=False),  # of one sweep; "" alone
    Column("device", String(32), nullable=False),  # as in TrainingConfig
    Column("num_processes", Integer, nullable=False),
    Column("config", Text, nullable=False),  # JSON, for a folder not yet made
    Column("environment", Text, nullable=False),  # JSON: the submitter's variables
    Column("host", String(255), nullable=False),  # of the dispatcher, "" before
    Column("starts", Integer, nullable=False),  # supervisors started for this stage
    Column("reason", Text, nullable=False),  # why it waits
    Column("outcome", String(16), nullable=False),  # state at the end
    Column("submitted", Float, nullable=False),  # Unix times
    Column("claimed", Float),
    Column("ended", Float),
    Column("announced", Boolean, nullable=False),  # its end, to a webhook
    Index("jobs_by_stage", "stage", "priority", "position"),
)

leases = Table(
    "leases",
    metadata,
    Column("host", String(255), primary_key=True),
    Column("device", String(128), primary_key=True),
    Column("path", String(1024), ForeignKey("jobs.path"), nullable=False),
    Column("since", Float, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
