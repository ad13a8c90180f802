"""Tool requests: asked, decided, expired. Each change is one conditional UPDATE.

Every change goes through `add` or `change`, which note it for the audit.
"""

import secrets
from dataclasses import replace
from typing import Any, NamedTuple, assert_never

from sqlalchemy import Connection, and_, case, func, insert, or_, select, update

from hitl.journal import audit, grants
from hitl.journal.receipts import receipt_of
from hitl.journal.rows import changes, fetch, find, now, touch_run
from hitl.journal.tables import WAITS, run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import (
    Answer,
    Approve,
    Decision,
    Reject,
    RequestStatus,
    Run,
    ToolCall,
    ToolRequest,
    Verdict,
    require_decision,
    same,
)

POLICY = "the agent's policy"
SINCE = func.coalesce(request.c.ended_at, request.c.asked_at)  # it waits
UNDECIDED: dict[str, Any] = dict.fromkeys(
    ("decision", "decided_at", "decided_by", "receipt", "receipt_sha256", "effective_at")
)
EFFECTS: dict[str | None, RequestStatus] = {
    "approve": "approved",
    "reject": "rejected",
    "answer": "answered",
}
EARLIER = "the earlier rejection"
DECIDING = (
    *("status", "decision", "edited", "decided_at", "decided_by", "reason", "result"),
    *("ended_at", "effective_at", "edited_before", "receipt", "receipt_sha256"),
)


# Asked


def ask(tx: Connection, of: Run, turn: int, calls: list[ToolCall]) -> None:
    """Write down the calls of one of the model's messages, in its order."""
    at = now()
    for place, call in enumerate(calls):
        asked = _asked(of, f"{of.id}-{turn}-{place}", turn, place, call, at)
        if asked.status == "pending" and call.grantable and not call.earlier:
            asked = _under_a_grant(tx, of, call, asked)
        add(tx, "asked", asked)


def _under_a_grant(tx: Connection, of: Run, call: ToolCall, asked: ToolRequest) -> ToolRequest:
    """The request, answered by a grant if one covers it."""
    grant = grants.covering(tx, of, call)
    if grant is None:
        return asked
    granted = replace(
        asked,
        asks=False,
        status="approved",
        decided_at=asked.asked_at,
        decided_by=grant.granted_by,
        grant_id=grant.id,
    )
    return with_receipt(granted, of.agent)


def ask_after_all(tx: Connection, request_id: str) -> bool:
    """Put a request before a person whose grant ended before it started; whether it was one."""
    before = find(tx, ToolRequest, request_id)
    if before is None or before.grant_id is None or grants.holds(tx, before.grant_id):
        return False
    touch_run(tx, before.run_id)
    still = (request.c.status == "approved", request.c.grant_id == before.grant_id)
    values: dict[str, Any] = {"status": "pending", "asks": True, "grant_id": None, **UNDECIDED}
    if before.expires_at is not None:  # it has as long as if it had been asked now
        values["expires_at"] = now() + before.expires_at - before.asked_at
    return change(tx, before, "grant ended", *still, **values)


def _asked(
    of: Run, identifier: str, turn: int, place: int, call: ToolCall, at: float
) -> ToolRequest:
    """A call as a request: waiting, or settled by a rule or an earlier rejection."""
    status = _first_status(call)
    asked = ToolRequest(
        id=identifier,
        run_id=of.id,
        conversation_id=of.conversation_id,
        turn=turn,
        place=place,
        provider_id=call.provider_id,
        tool=call.tool,
        arguments=call.arguments,
        edited=None,
        asks=call.asks,
        status=status,
        asked_at=at,
        decided_at=None if status == "pending" else at,
        decided_by=None if status == "pending" else POLICY,
        decision=None,
        reason="",
        started_at=None,
        ended_at=None if status in ("pending", "approved") else at,
        result=call.problem,
        owner=None,
        fingerprint=call.fingerprint,
        policy=call.policy,
        rule=call.rule,
        secret=list(call.secret),
        salt=secrets.token_hex(16),
        expires_at=at + call.expires_after
        if call.expires_after is not None and status == "pending"
        else None,
        earlier=call.earlier,
        replaces=None,
        receipt=None,
        receipt_sha256=None,
        claim=None,
        resolved_by=None,
        resolved_at=None,
        origins=call.origins,
        grant_id=None,
        effective_at=None,
        edited_before=None,
    )
    if call.rejected_again is not None and status == "rejected":
        return replace(asked, decided_by=EARLIER, reason=call.rejected_again)
    return with_receipt(asked, of.agent) if status == "approved" else asked


def _first_status(call: ToolCall) -> RequestStatus:
    if call.problem:
        return "failed"
    if call.denied:
        return "denied"
    if call.rejected_again is not None:
        return "rejected"
    return "pending" if call.asks else "approved"


def with_receipt(asked: ToolRequest, agent: str) -> ToolRequest:
    """The request with the receipt of a decision about it, as it is now."""
    receipt, digest = receipt_of(asked, agent, asked.final_arguments, asked.fingerprint)
    return replace(asked, receipt=receipt, receipt_sha256=digest)


def add(tx: Connection, kind: str, asked: ToolRequest) -> None:
    """Add a request, and note that."""
    tx.execute(insert(request).values(**vars(asked)))
    audit.note(tx, kind, asked, vars(asked))


def change(
    tx: Connection,
    before: ToolRequest,
    kind: str,
    *conditions: Any,
    by: str | None = None,
    **values: Any,
) -> bool:
    """Change a request if it is still as `conditions` say, and note that; whether it was."""
    won = changes(tx, update(request).where(request.c.id == before.id, *conditions).values(values))
    if won:
        audit.note(tx, kind, before, values, by)
    return won


def substitute(
    tx: Connection, of: Run, old: ToolRequest, call: ToolCall, kind: str = "asked"
) -> ToolRequest:
    """A new request in the place of one that was made void; returns it."""
    new = replace(
        _asked(of, next_id(tx, old), old.turn, old.place, call, now()),
        replaces=old.id,
        earlier=old.earlier,
    )
    if old.edited is not None and not call.problem:
        new = replace(new, arguments=old.arguments, edited=call.arguments)
    add(tx, kind, new)
    return new


def next_id(tx: Connection, old: ToolRequest) -> str:
    """An id for a request that replaces another one."""
    same_place = (
        request.c.run_id == old.run_id,
        request.c.turn == old.turn,
        request.c.place == old.place,
    )
    count = tx.execute(select(func.count()).select_from(request).where(*same_place)).scalar_one()
    return f"{old.run_id}-{old.turn}-{old.place}-{count + 1}"


# Decided


def decide(
    tx: Connection, request_id: str, decision: Decision, by: str, undo: float = 0.0
) -> Verdict:
    """The only way from `pending` to a person's word. One decision wins; it is told so.

    Args:
        undo: seconds for which it can be taken back before it takes effect.

    Raises:
        TypeError: if it is no decision.
        Refused: if it is an answer without words.
    """
    require_decision(decision)
    before = find(tx, ToolRequest, request_id)
    if before is None:
        return Verdict(False, None)
    touch_run(tx, before.run_id)
    decided = _decided(before, decision, by, _agent_of(tx, before), undo)
    values = {name: getattr(decided, name) for name in DECIDING}
    in_time = or_(request.c.expires_at.is_(None), request.c.expires_at > now())
    won = change(tx, before, decided.status, request.c.status == "pending", in_time, **values)
    if not won:
        expire(tx, request_id)
    elif decided.status != "decided":
        move_on(tx, before.run_id)
    return Verdict(won, find(tx, ToolRequest, request_id))


def _decided(
    before: ToolRequest, decision: Decision, by: str, agent: str, undo: float
) -> ToolRequest:
    at = now()
    decided = replace(before, decided_at=at, decided_by=by)
    match decision:
        case Approve(arguments, reason):
            edited = before.edited if arguments is None else arguments
            if edited is not None and same(edited, before.arguments):
                edited = None
            decided = replace(decided, decision="approve", edited=edited, reason=reason)
        case Reject(reason):
            decided = replace(decided, decision="reject", reason=reason)
        case Answer(text):
            decided = replace(decided, decision="answer", result=text)
        case _:
            assert_never(decision)
    if undo > 0:
        decided = replace(
            decided, status="decided", effective_at=at + undo, edited_before=before.edited
        )
    else:
        decided = replace(decided, **_effect(decided, at))
    return with_receipt(decided, agent)


def _effect(decided: ToolRequest, at: float) -> dict[str, Any]:
    """The columns that a decision changes when it takes effect."""
    status = EFFECTS[decided.decision]
    return {"status": status, "ended_at": None if status == "approved" else at}


def take_effect(tx: Connection, request_id: str) -> bool:
    """Let a decision count that can't be taken back any more; False if that is not due."""
    before = find(tx, ToolRequest, request_id)
    if before is None or before.status != "decided" or (before.effective_at or 0) > now():
        return False
    touch_run(tx, before.run_id)
    effect = _effect(before, now())
    due = (request.c.status == "decided", request.c.effective_at <= now())
    won = change(tx, before, effect["status"], *due, **effect)
    if won:
        move_on(tx, before.run_id)
    return won


def take_back(tx: Connection, request_id: str, by: str) -> Verdict:
    """Take back a decision that has not taken effect yet: the request waits again."""
    before = find(tx, ToolRequest, request_id)
    if before is None:
        return Verdict(False, None)
    touch_run(tx, before.run_id)
    values = {"status": "pending", "reason": "", "result": None, **UNDECIDED}
    values |= {"edited": before.edited_before, "edited_before": None}
    in_time = (request.c.status == "decided", request.c.effective_at > now())
    won = change(tx, before, "taken back", *in_time, by=by, **values)
    if won:
        grants.take_back(tx, request_id, by)
    return Verdict(won, find(tx, ToolRequest, request_id))


def _agent_of(tx: Connection, asked: ToolRequest) -> str:
    return str(tx.execute(select(run.c.agent).where(run.c.id == asked.run_id)).scalar_one())


def move_on(tx: Connection, run_id: str) -> None:
    """Let the next segment of a parked run start."""
    tx.execute(
        update(run).where(run.c.id == run_id, run.c.status == "waiting").values(status="ready")
    )


def by_the_clock(tx: Connection) -> list[ToolRequest]:
    """Requests that nobody answered in time, and those whose decisions can still be taken back."""
    overdue = and_(request.c.expires_at <= now(), request.c.status == "pending")
    return fetch(
        tx, ToolRequest, select(request).where(or_(overdue, request.c.status == "decided"))
    )


def expire(tx: Connection, request_id: str) -> bool:
    """End a request that nobody answered in time; False if it is not overdue."""
    before = find(tx, ToolRequest, request_id)
    if before is None or before.status != "pending":
        return False
    if before.expires_at is None or before.expires_at > now():
        return False
    touch_run(tx, before.run_id)
    won = change(
        tx, before, "expired", request.c.status == "pending", status="expired", ended_at=now()
    )
    if won:
        move_on(tx, before.run_id)
    return won


# Seen


def get(tx: Connection, request_id: str) -> ToolRequest | None:
    """The request, or None."""
    return find(tx, ToolRequest, request_id)


def of_runs(tx: Connection, run_ids: list[str]) -> dict[str, list[ToolRequest]]:
    """The requests of some runs, in the model's order; one that replaces another comes after it."""
    grouped: dict[str, list[ToolRequest]] = {run_id: [] for run_id in run_ids}
    query = select(request).where(request.c.run_id.in_(run_ids))
    order = (request.c.turn, request.c.place, request.c.asked_at, request.c.id)
    for each in fetch(tx, ToolRequest, query.order_by(*order)):
        grouped[each.run_id].append(each)
    return grouped


def pending(
    tx: Connection, *, conversation_id: str | None = None, limit: int | None = None, skip: int = 0
) -> list[ToolRequest]:
    """What waits for a person, oldest first, over all conversations or in one."""
    query = select(request).where(WAITS)
    if conversation_id is not None:
        query = query.where(request.c.conversation_id == conversation_id)
    order = (request.c.asked_at, request.c.run_id, request.c.turn, request.c.place)
    query = query.order_by(*order).limit(limit).offset(skip)
    return fetch(tx, ToolRequest, query)


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
