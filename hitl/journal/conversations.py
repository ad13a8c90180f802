"""Conversations: made, changed, listed, read back."""

from typing import Any

from llama_index.core.llms import ChatMessage
from sqlalchemy import BindParameter, Connection, Select, bindparam, exists, func, insert, select

from hitl.errors import NotFound
from hitl.journal.requests import of_runs
from hitl.journal.rows import fetch, find, new_id, now, touch_conversation
from hitl.journal.tables import WAITS, conversation, message, readable, run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import ACTIVE, ENDED, Conversation, Run, RunRecord

HIDDEN = ("held", "queued", "discarded")
# Built once, as in `rows`.
VERSION = select(run.c.version).where(run.c.id == bindparam("run"))
VERSIONS = select(run.c.id, run.c.version).where(run.c.conversation_id == bindparam("conversation"))
SAID = select(message).where(message.c.run_id.in_(bindparam("runs", expanding=True)))


def create(
    tx: Connection,
    agent: str,
    *,
    kind: str = "chat",
    title: str = "",
    changes: dict[str, Any] | None = None,
    continues: str | None = None,
    identifier: str | None = None,
) -> str:
    """A new conversation; returns its id."""
    identifier, at = identifier or new_id(), now()
    tx.execute(
        insert(conversation).values(
            id=identifier,
            agent=agent,
            kind=kind,
            title=title,
            changes=changes or {},
            continues=continues,
            created_at=at,
            updated_at=at,
            version=0,
        )
    )
    tx.info.setdefault("touched", set()).add(identifier)
    return identifier


def get(tx: Connection, conversation_id: str) -> Conversation:
    """The conversation.

    Raises:
        NotFound: if there is none with that id.
    """
    found = find(tx, Conversation, conversation_id)
    if found is None:
        raise NotFound(f"There is no conversation {conversation_id!r}.")
    return found


def change(tx: Connection, conversation_id: str, changes: dict[str, Any]) -> None:
    """Replace what differs from the agent's file, from the next message on."""
    get(tx, conversation_id)
    touch_conversation(tx, conversation_id, changes=changes)


def rename(tx: Connection, conversation_id: str, title: str) -> None:
    """Give the conversation a title."""
    touch_conversation(tx, conversation_id, title=title)


def recent(
    tx: Connection, *, search: str = "", kinds: tuple[str, ...] = ("chat",), limit: int = 30
) -> list[Conversation]:
    """Conversations, newest first, whose title, agent or a message contains `search`."""
    query = select(conversation).where(conversation.c.kind.in_(kinds))
    if search := readable(search):
        said = select(run.c.conversation_id).where(run.c.text.icontains(search, autoescape=True))
        query = query.where(
            conversation.c.title.icontains(search, autoescape=True)
            | conversation.c.agent.icontains(search, autoescape=True)
            | conversation.c.id.in_(said)
        )
    return fetch(tx, Conversation, query.order_by(conversation.c.updated_at.desc()).limit(limit))


def lineage(tx: Connection, conversation_id: str) -> list[tuple[str, int | None]]:
    """The conversation and those it continues: (id, the last run's position that belongs to it)."""
    line: list[tuple[str, int | None]] = []
    current, until = get(tx, conversation_id), None
    while True:
        line.append((current.id, until))
        last = find(tx, Run, current.continues) if current.continues else None
        if last is None:
            return line
        current, until = get(tx, last.conversation_id), last.position


def runs(
    tx: Connection, conversation_id: str, *, limit: int | None = None, before: int | None = None
) -> list[Run]:
    """The conversation's newest `limit` runs, oldest first, with those it continues.

    Args:
        before: only runs at lower positions.
    """
    parts = [
        (run.c.conversation_id == identifier)
        & (run.c.position <= until if until is not None else True)
        for identifier, until in lineage(tx, conversation_id)
    ]
    condition = parts[0]
    for part in parts[1:]:
        condition = condition | part
    query = select(run).where(condition, run.c.status.not_in(HIDDEN))
    if before is not None:
        query = query.where(run.c.position < before)
    newest = fetch(tx, Run, query.order_by(run.c.position.desc()).limit(limit))
    return newest[::-1]


def runs_after(tx: Connection, conversation_id: str, position: int) -> list[Run]:
    """The conversation's own runs after a position, oldest first, up to what starts next.

    A message that only waits for the run before it is not among them.
    """
    query = select(run).where(
        run.c.conversation_id == conversation_id,
        run.c.position > position,
        run.c.status.in_((*ACTIVE, *ENDED, "queued")),
    )
    found = fetch(tx, Run, query.order_by(run.c.position))
    busy = any(each.is_active for each in found)
    queued = [each for each in found if each.status == "queued"]
    later = queued if busy else queued[1:]
    return [each for each in found if each not in later]


def mark(tx: Connection, conversation_id: str) -> tuple[int, int, bool]:
    """What anybody could see, in short.

    Returns:
        the conversation's version, how many requests wait anywhere, and whether the conversation
        rests: nothing will change before a person does something.
    """
    row = tx.execute(MARK, {"conversation": conversation_id}).one()
    return row.version or 0, row.waiting, not row.moving


def _mark() -> Select[Any]:
    here: BindParameter[str] = bindparam("conversation")
    version = select(conversation.c.version).where(conversation.c.id == here)
    waiting = select(func.count()).select_from(request).where(WAITS)
    moves = run.c.status.in_(("queued", "ready", "working"))
    moving = select(exists().where(run.c.conversation_id == here, moves))
    return select(
        version.scalar_subquery().label("version"),
        waiting.scalar_subquery().label("waiting"),
        moving.scalar_subquery().label("moving"),
    )


MARK = _mark()


def records(tx: Connection, these: list[Run]) -> list[RunRecord]:
    """Runs with all that was said and asked in them."""
    run_ids = [each.id for each in these]
    said: dict[str, dict[int, ChatMessage]] = {run_id: {} for run_id in run_ids}
    for row in tx.execute(SAID, {"runs": run_ids}):
        said[row.run_id][row.turn] = ChatMessage.model_validate(row.body)
    asked = of_runs(tx, run_ids)
    return [RunRecord(each, said[each.id], tuple(asked[each.id])) for each in these]


def transcript(
    tx: Connection, conversation_id: str, *, limit: int, before: int | None = None
) -> list[RunRecord]:
    """The newest `limit` runs, oldest first, with all that was said and asked in them."""
    return records(tx, runs(tx, conversation_id, limit=limit, before=before))


def record(tx: Connection, run_id: str) -> RunRecord:
    """One run with all that was said and asked in it.

    Raises:
        NotFound: if there is no such run.
    """
    found = find(tx, Run, run_id)
    if found is None:
        raise NotFound(f"There is no run {run_id!r}.")
    return records(tx, [found])[0]


def record_since(tx: Connection, run_id: str, known: RunRecord | None) -> RunRecord:
    """The run's record; `known` itself if nothing of the run has changed since that was read.

    Raises:
        NotFound: if there is no such run.
    """
    version = tx.execute(VERSION, {"run": run_id}).scalar_one_or_none() if known else None
    return known if known and version == known.run.version else record(tx, run_id)


def versions(tx: Connection, conversation_id: str) -> dict[str, int]:
    """The version of each run of a conversation; another one with each change of the run."""
    rows = tx.execute(VERSIONS, {"conversation": conversation_id})
    return {row.id: row.version for row in rows}


def held(tx: Connection, conversation_id: str) -> list[Run]:
    """Messages that wait for their author, or for the conversation to be free."""
    query = select(run).where(
        run.c.conversation_id == conversation_id, run.c.status.in_(("held", "queued"))
    )
    return fetch(tx, Run, query.order_by(run.c.position))
