"""Which errors of the database pass by themselves: the whole transaction may be tried again."""

import sqlite3

from sqlalchemy.exc import DBAPIError

# A deadlock, a serialization failure, a lock that was not given in time; and a row that somebody
# else inserted first, which a second look finds.
POSTGRES_CONFLICTS = ("40P01", "40001", "55P03", "23505")
SQLITE_CONFLICTS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_conflict(error: DBAPIError) -> bool:
    """Whether another transaction was in the way, so that this one was undone as a whole."""
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in SQLITE_CONFLICTS
    return getattr(error.orig, "sqlstate", None) in POSTGRES_CONFLICTS


def is_lost_connection(error: DBAPIError) -> bool:
    """Whether a connection that had been made was cut off."""
    return error.connection_invalidated
