"""The versions of the journal's tables: made new, recognized, brought up to date.

Each version is a migration of Alembic in `versions/`. Alembic itself, slow to import, is needed
only where there is something to migrate: a new journal is made as it should be, and marked so.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from hitl.errors import JournalUnavailable
from hitl.journal import audit, tables

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent
HEAD = "0003"
FIRST = "0001"
# Any number will do, if nothing else in the database locks the same.
LOCK = 0x1DEC1DE
_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def bring_up_to_date(tx: Connection) -> None:
    """Make the tables, or migrate those that are there; all in this one writing transaction.

    Raises:
        JournalUnavailable: if a newer version of the app wrote the journal. Nothing is changed.
    """
    _wait_for_others(tx)
    revision = _revision(tx)
    if revision is None:
        create(tx)
        _version.create(tx)
        tx.execute(insert(_version).values(version_num=HEAD))
    elif revision != HEAD:
        _migrate(tx, revision)


def create(tx: Connection) -> None:
    """Make the tables as they are in this version, in a database that has none of them."""
    tables.metadata.create_all(tx)
    tx.execute(insert(tables.audit_head).values(id=1, seq=0, hash=audit.BEGINNING))


def _wait_for_others(tx: Connection) -> None:
    """One process at a time: on SQLite a writing transaction is alone anyway."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("SET LOCAL lock_timeout = 0")  # a long migration is worth waiting for
        tx.exec_driver_sql("SET LOCAL statement_timeout = 0")
        tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def _revision(tx: Connection) -> str | None:
    """Which version the tables are; None where there are none."""
    there = inspect(tx)
    if there.has_table(_version.name):
        marked = tx.execute(select(_version.c.version_num)).scalar_one_or_none()
        if marked is not None:
            return str(marked)
    return FIRST if there.has_table(tables.run.name) else None


def _migrate(tx: Connection, revision: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config(tx)
    known = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    if revision not in known:
        raise JournalUnavailable(
            f"A newer version of this app wrote this journal: its schema is {revision!r}, and this "
            f"one knows none after {HEAD!r}. Start the newer version, or set HITL_DATABASE_URL to "
            "another database. Nothing was changed."
        )
    if not inspect(tx).has_table(_version.name):
        command.stamp(config, revision)
    command.upgrade(config, HEAD)
    if revision == FIRST:
        audit.adopt(tx)


def alembic_config(tx: Connection) -> "Config":
    """What Alembic's commands need in order to work on this connection, in its transaction."""
    from alembic.config import Config

    config = Config(attributes={"connection": tx})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
