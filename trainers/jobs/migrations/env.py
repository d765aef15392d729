"""Alembic's entry: migrate the connection that `trainers.jobs.store` hands over."""

from alembic import context

from trainers.jobs.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata
)
with context.begin_transaction():
    context.run_migrations()
