"""What waits for a person: whole, counted, or at a glance."""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, case, func, select

from hitl.journal.rows import fetch, now
from hitl.journal.tables import WAITS, run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import RequestStatus, ToolRequest

# Built once, as in `rows`.
WAITING = (
    select(request)
    .where(WAITS)
    .order_by(request.c.asked_at, request.c.run_id, request.c.turn, request.c.place)
)
WAITING_HERE = WAITING.where(request.c.conversation_id == bindparam("conversation"))
SINCE = func.coalesce(request.c.ended_at, request.c.asked_at)  # it waits


def pending(
    tx: Connection, *, conversation_id: str | None = None, limit: int | None = None, skip: int = 0
) -> list[ToolRequest]:
    """What waits for a person, oldest first, over all conversations or in one."""
    query = WAITING if conversation_id is None else WAITING_HERE
    if limit is not None or skip:
        query = query.limit(limit).offset(skip)
    here = {} if conversation_id is None else {"conversation": conversation_id}
    return fetch(tx, ToolRequest, query, **here)


def count_pending(tx: Connection, conversation_id: str | None = None) -> int:
    """How many requests wait for a person, over all conversations or in one."""
    query = select(func.count()).select_from(request).where(WAITS)
    if conversation_id is not None:
        query = query.where(request.c.conversation_id == conversation_id)
    return int(tx.execute(query).scalar_one())


class Waits(NamedTuple):
    """How many requests wait, since when the newest does, and when the first of them expires."""

    waiting: int
    newest: float | None
    expires: float | None


def waits(tx: Connection) -> Waits:
    """What a change in what waits for a person, in any conversation, can be told by."""
    expires = case((request.c.status == "pending", request.c.expires_at))
    columns = (func.count(), func.max(SINCE), func.min(expires))
    return Waits(*tx.execute(select(*columns).select_from(request).where(WAITS)).one())


class Waiting(NamedTuple):
    """A request that waits for a person, in short.

    Args:
        since: when it began to; of one that was cut off, when that was noticed.
    """

    id: str
    tool: str
    agent: str
    status: RequestStatus
    since: float
    asked_at: float
    expires_at: float | None


class Glance(NamedTuple):
    """How many requests wait for a person, the newest of them, and those that expire first."""

    waiting: int
    newest: tuple[Waiting, ...]
    expiring: tuple[Waiting, ...]


def glance(tx: Connection, most: int) -> Glance:
    """What waits for a person in short, over all conversations.

    Args:
        most: how many of the newest, and of those that expire first, are named.
    """
    agent = select(run.c.agent).where(run.c.id == request.c.run_id).scalar_subquery()
    named = (request.c.id, request.c.tool, agent, request.c.status, SINCE)
    query = select(*named, request.c.asked_at, request.c.expires_at).where(WAITS).limit(most)
    in_time = (request.c.status == "pending", request.c.expires_at > now())
    newest = tx.execute(query.order_by(SINCE.desc(), request.c.id.desc()))
    expiring = tx.execute(query.where(*in_time).order_by(request.c.expires_at, request.c.id))
    return Glance(
        count_pending(tx),
        tuple(Waiting(*row) for row in newest),
        tuple(Waiting(*row) for row in expiring),
    )
