"""Grants: "Always allow…". A person's word, spelled out, that answers in a person's place.

A grant is looked at twice: when a call is asked for, and again when it is about to start. So one
that is revoked counts for nothing from that moment on, also for what was queued under it.
"""

from dataclasses import asdict

from sqlalchemy import Connection, func, insert, select, update

from hitl.journal import audit
from hitl.journal.rows import changes, fetch, find, new_id, now
from hitl.journal.tables import tool_grant, tool_request
from hitl.journal.values import Grant, GrantUse, Run, Scope, ToolCall, ToolRequest, same

REVOKED = "revoked"
TAKEN_BACK = "the approval that it was given with was taken back"
STOPPED = "its run was stopped before the approval took effect"
TOOL_CHANGED = "the tool changed"


def give(tx: Connection, asked: ToolRequest, agent: str, scope: Scope, by: str) -> Grant:
    """Write down a grant for requests like this one."""
    grant = Grant(
        id=new_id(),
        agent=agent,
        tool=asked.tool,
        scope=scope,
        arguments=asked.final_arguments if scope == "call" else None,
        conversation_id=asked.conversation_id,
        fingerprint=asked.fingerprint,
        request_id=asked.id,
        granted_by=by,
        granted_at=now(),
    )
    tx.execute(insert(tool_grant).values(**asdict(grant)))
    audit.note_grant(tx, "granted", asked, asdict(grant))
    return grant


def covering(tx: Connection, of: Run, call: ToolCall) -> Grant | None:
    """A grant that answers for this call, if any. Those whose tool has changed end here."""
    query = (
        select(tool_grant)
        .where(
            tool_grant.c.agent == of.agent,
            tool_grant.c.tool == call.tool,
            tool_grant.c.ended_at.is_(None),
        )
        .order_by(tool_grant.c.granted_at, tool_grant.c.id)
        .with_for_update(read=True)  # whoever revokes it waits, and comes after
    )
    found = [grant for grant in fetch(tx, Grant, query) if _counts(tx, grant)]
    for outdated in [grant for grant in found if grant.fingerprint != call.fingerprint]:
        _end(tx, outdated, None, TOOL_CHANGED)
    present = [grant for grant in found if grant.fingerprint == call.fingerprint]
    return next((grant for grant in present if _covers(grant, of, call)), None)


def _counts(tx: Connection, grant: Grant) -> bool:
    """Whether the approval that it was given with has taken effect."""
    given_with = find(tx, ToolRequest, grant.request_id)
    return given_with is not None and given_with.status not in ("pending", "decided")


def _covers(grant: Grant, of: Run, call: ToolCall) -> bool:
    match grant.scope:
        case "call":
            return grant.arguments is not None and same(grant.arguments, call.arguments)
        case "conversation":
            return grant.conversation_id == of.conversation_id
        case "agent":
            return True


def holds(tx: Connection, grant_id: str) -> bool:
    """Whether the grant still answers, for as long as this transaction lasts."""
    query = select(tool_grant.c.ended_at).where(tool_grant.c.id == grant_id)
    row = tx.execute(query.with_for_update(read=True)).one_or_none()
    return row is not None and row.ended_at is None


def revoke(tx: Connection, grant_id: str, by: str) -> bool:
    """End a grant; False if it had ended.

    Takes no run: a claim holds its run and looks at the grant, so the other way round the two
    would wait for each other.
    """
    grant = get(tx, grant_id)
    return grant is not None and _end(tx, grant, by, REVOKED)


def take_back(tx: Connection, request_id: str, by: str | None, why: str = TAKEN_BACK) -> None:
    """End the grants that were given with an approval that never took effect."""
    for grant in fetch(tx, Grant, select(tool_grant).where(tool_grant.c.request_id == request_id)):
        _end(tx, grant, by, why)


def _end(tx: Connection, grant: Grant, by: str | None, why: str) -> bool:
    ended = {"ended_by": by, "ended_at": now(), "ended_why": why}
    still = (tool_grant.c.id == grant.id, tool_grant.c.ended_at.is_(None))
    if not changes(tx, update(tool_grant).where(*still).values(ended)):
        return False
    if asked := find(tx, ToolRequest, grant.request_id):
        audit.note_grant(tx, "grant ended", asked, {"id": grant.id, **ended})
    return True


def get(tx: Connection, grant_id: str) -> Grant | None:
    """The grant, or None."""
    return find(tx, Grant, grant_id)


def everything(tx: Connection) -> list[GrantUse]:
    """All grants with their use: those that hold first, the newest first."""
    used = (tool_request.c.grant_id, func.count(), func.max(tool_request.c.asked_at))
    by_grant = select(*used).where(tool_request.c.grant_id.is_not(None)).group_by(used[0])
    uses = {grant_id: (times, last_at) for grant_id, times, last_at in tx.execute(by_grant)}
    ended = tool_grant.c.ended_at.is_not(None)
    query = select(tool_grant).order_by(ended, tool_grant.c.granted_at.desc())
    return [GrantUse(grant, *uses.get(grant.id, (0, None))) for grant in fetch(tx, Grant, query)]


def queued(tx: Connection, grant_id: str) -> list[str]:
    """Ids of requests that the grant answered and that have not started yet."""
    query = select(tool_request.c.id).where(
        tool_request.c.grant_id == grant_id, tool_request.c.status == "approved"
    )
    return list(tx.execute(query).scalars())
