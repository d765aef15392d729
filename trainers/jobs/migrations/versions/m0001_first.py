"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make jobs, leases and settings."""
    op.create_table(
        "jobs",
        sa.Column("path", sa.String(1024), primary_key=True),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("group_name", sa.String(128), nullable=False),
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("num_processes", sa.Integer(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("submitted", sa.Float(), nullable=False),
        sa.Column("claimed", sa.Float()),
        sa.Column("ended", sa.Float()),
        sa.Column("announced", sa.Boolean(), nullable=False),
    )
    op.create_index("jobs_by_stage", "jobs", ["stage", "priority", "position"])
    op.create_table(
        "leases",
        sa.Column("host", sa.String(255), primary_key=True),
        sa.Column("device", sa.String(128), primary_key=True),
        sa.Column("path", sa.String(1024), sa.ForeignKey("jobs.path"), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
