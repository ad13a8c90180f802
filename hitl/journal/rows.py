"""From rows to values, and the two things that every write does: take its run, and count up."""

import secrets
import time
from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, select, update

from hitl.journal.tables import conversation, readable, run, tool_grant, tool_request
from hitl.journal.values import Conversation, Grant, Run, ToolRequest

Value = TypeVar("Value", Conversation, Run, ToolRequest, Grant)
TABLE_OF: dict[type, Any] = {
    Conversation: conversation,
    Run: run,
    ToolRequest: tool_request,
    Grant: tool_grant,
}
# Statements of every cycle are built once: putting one together takes longer than running it.
BY_ID = {kind: select(of).where(of.c.id == bindparam("id")) for kind, of in TABLE_OF.items()}
COUNT_UP = update(conversation).values(
    version=conversation.c.version + 1, updated_at=bindparam("at")
)
COUNT_UP_ONE = COUNT_UP.where(conversation.c.id == bindparam("conversation"))
OF_RUN = select(run.c.conversation_id).where(run.c.id == bindparam("run")).scalar_subquery()
COUNT_UP_OF_RUN = COUNT_UP.where(conversation.c.id == OF_RUN).returning(conversation.c.id)
COUNT_UP_RUN = update(run).where(run.c.id == bindparam("run")).values(version=run.c.version + 1)


def new_id() -> str:
    """A random id: nobody finds a conversation by trying."""
    return secrets.token_hex(6)


def now() -> float:
    return time.time()


def fetch(tx: Connection, kind: type[Value], query: Select[Any], **parameters: Any) -> list[Value]:
    """The values that a query over the kind's table returns."""
    return [as_value(kind, row) for row in tx.execute(query, parameters)]


def as_value(kind: type[Value], row: Row[Any]) -> Value:
    return kind(**row._mapping)


def find(tx: Connection, kind: type[Value], identifier: str) -> Value | None:
    """The value with that id, or None."""
    row = tx.execute(BY_ID[kind], {"id": readable(identifier)}).one_or_none()
    return None if row is None else as_value(kind, row)


def touch_run(tx: Connection, run_id: str) -> None:
    """Take the run for this transaction, and count its change.

    The first statement of every write that concerns a run. Its row is the run's lock: whoever
    decides, claims, parks or stops at the same moment waits here and then sees the outcome. Its
    conversation's row is always taken before it, so that no two wait for each other.
    """
    counted = tx.execute(COUNT_UP_OF_RUN, {"run": run_id, "at": now()})
    conversation_id = counted.scalar_one_or_none()
    if conversation_id is not None:
        tx.execute(COUNT_UP_RUN, {"run": run_id})
        _tell(tx, conversation_id)


def touch_conversation(tx: Connection, conversation_id: str, **values: Any) -> None:
    """Count a conversation's change, and tell the listeners once it is committed."""
    counted = COUNT_UP_ONE.values(values) if values else COUNT_UP_ONE
    tx.execute(counted, {"conversation": conversation_id, "at": now()})
    _tell(tx, conversation_id)


def _tell(tx: Connection, conversation_id: str) -> None:
    tx.info.setdefault("touched", set()).add(conversation_id)


def changes(tx: Connection, statement: Any) -> bool:
    """Whether a conditional UPDATE changed its row: whoever gets True did it."""
    return bool(tx.execute(statement).rowcount)


def ids(rows: Iterable[Any]) -> list[str]:
    return [row.id for row in rows]
