"""From rows to values, and the two things that every write does: take its run, and count up."""

import secrets
import time
from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Update, select, update

from hitl.journal.tables import conversation, readable, run, tool_grant, tool_request
from hitl.journal.values import Conversation, Grant, Run, ToolRequest

Value = TypeVar("Value", Conversation, Run, ToolRequest, Grant)
TABLE_OF: dict[type, Any] = {
    Conversation: conversation,
    Run: run,
    ToolRequest: tool_request,
    Grant: tool_grant,
}


def new_id() -> str:
    """A random id: nobody finds a conversation by trying."""
    return secrets.token_hex(6)


def now() -> float:
    return time.time()


def fetch(tx: Connection, kind: type[Value], query: Select[Any]) -> list[Value]:
    """The values that a query over the kind's table returns."""
    return [as_value(kind, row) for row in tx.execute(query)]


def as_value(kind: type[Value], row: Row[Any]) -> Value:
    return kind(**row._mapping)


def find(tx: Connection, kind: type[Value], identifier: str) -> Value | None:
    """The value with that id, or None."""
    table = TABLE_OF[kind]
    row = tx.execute(select(table).where(table.c.id == readable(identifier))).one_or_none()
    return None if row is None else as_value(kind, row)


def touch_run(tx: Connection, run_id: str) -> None:
    """Take the run for this transaction, and count its change.

    The first statement of every write that concerns a run. Its row is the run's lock: whoever
    decides, claims, parks or stops at the same moment waits here and then sees the outcome. Its
    conversation's row is always taken before it, so that no two wait for each other.
    """
    of_run = select(run.c.conversation_id).where(run.c.id == run_id).scalar_subquery()
    conversation_id = tx.execute(
        _touched(conversation.c.id == of_run).returning(conversation.c.id)
    ).scalar_one_or_none()
    if conversation_id is not None:
        tx.execute(update(run).where(run.c.id == run_id).values(version=run.c.version + 1))
        _tell(tx, conversation_id)


def touch_conversation(tx: Connection, conversation_id: str, **values: Any) -> None:
    """Count a conversation's change, and tell the listeners once it is committed."""
    tx.execute(_touched(conversation.c.id == conversation_id, **values))
    _tell(tx, conversation_id)


def _touched(which: ColumnElement[bool], **values: Any) -> Update:
    return (
        update(conversation)
        .where(which)
        .values(version=conversation.c.version + 1, updated_at=now(), **values)
    )


def _tell(tx: Connection, conversation_id: str) -> None:
    tx.info.setdefault("touched", set()).add(conversation_id)


def changes(tx: Connection, statement: Any) -> bool:
    """Whether a conditional UPDATE changed its row: whoever gets True did it."""
    return bool(tx.execute(statement).rowcount)


def ids(rows: Iterable[Any]) -> list[str]:
    return [row.id for row in rows]
