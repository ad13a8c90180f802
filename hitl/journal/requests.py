"""Tool requests: asked, decided, expired. Each change is one conditional UPDATE.

Every change goes through `add` or `change`, which note it for the audit.
"""

import secrets
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from hitl.journal import audit
from hitl.journal.receipts import receipt_of
from hitl.journal.rows import changes, fetch, find, now, touch_run
from hitl.journal.tables import WAITS, run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import (
    Approve,
    Decision,
    Reject,
    RequestStatus,
    Run,
    ToolCall,
    ToolRequest,
    Verdict,
    require_decision,
)

POLICY = "the agent's policy"
EARLIER = "the earlier rejection"


# Asked


def ask(tx: Connection, of: Run, turn: int, calls: list[ToolCall]) -> None:
    """Write down the calls of one of the model's messages, in its order."""
    at = now()
    for place, call in enumerate(calls):
        add(tx, "asked", _asked(of, f"{of.id}-{turn}-{place}", turn, place, call, at))


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


def change(tx: Connection, before: ToolRequest, kind: str, *conditions: Any, **values: Any) -> bool:
    """Change a request if it is still as `conditions` say, and note that; whether it was."""
    won = changes(tx, update(request).where(request.c.id == before.id, *conditions).values(values))
    if won:
        audit.note(tx, kind, before, values)
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


def decide(tx: Connection, request_id: str, decision: Decision, by: str) -> Verdict:
    """The only way from `pending` to a person's yes or no. One decision wins; it is told so.

    Raises:
        TypeError: if it is neither `Approve` nor `Reject`.
    """
    require_decision(decision)
    before = find(tx, ToolRequest, request_id)
    if before is None:
        return Verdict(False, None)
    touch_run(tx, before.run_id)
    decided = _decided(before, decision, by, _agent_of(tx, before))
    names = ("status", "decision", "edited", "decided_at", "decided_by", "reason", "ended_at")
    values = {name: getattr(decided, name) for name in (*names, "receipt", "receipt_sha256")}
    in_time = or_(request.c.expires_at.is_(None), request.c.expires_at > now())
    won = change(tx, before, decided.status, request.c.status == "pending", in_time, **values)
    if won:
        move_on(tx, before.run_id)
    else:
        expire(tx, request_id)
    return Verdict(won, find(tx, ToolRequest, request_id))


def _decided(before: ToolRequest, decision: Decision, by: str, agent: str) -> ToolRequest:
    at = now()
    match decision:
        case Approve(arguments, reason):
            edited = before.edited if arguments is None else arguments
            decided = replace(before, status="approved", decision="approve", edited=edited)
        case Reject(reason):
            decided = replace(before, status="rejected", decision="reject", ended_at=at)
    decided = replace(decided, decided_at=at, decided_by=by, reason=reason)
    return with_receipt(decided, agent)


def _agent_of(tx: Connection, asked: ToolRequest) -> str:
    return str(tx.execute(select(run.c.agent).where(run.c.id == asked.run_id)).scalar_one())


def move_on(tx: Connection, run_id: str) -> None:
    """Let the next segment of a parked run start."""
    tx.execute(
        update(run).where(run.c.id == run_id, run.c.status == "waiting").values(status="ready")
    )


def overdue(tx: Connection) -> list[str]:
    """Ids of requests that nobody answered in time."""
    query = select(request.c.id).where(request.c.expires_at <= now(), request.c.status == "pending")
    return [row.id for row in tx.execute(query)]


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
    query = query.order_by(request.c.asked_at, request.c.id).limit(limit).offset(skip)
    return fetch(tx, ToolRequest, query)


def count_pending(tx: Connection, conversation_id: str | None = None) -> int:
    """How many requests wait for a person, over all conversations or in one."""
    query = select(func.count()).select_from(request).where(WAITS)
    if conversation_id is not None:
        query = query.where(request.c.conversation_id == conversation_id)
    return int(tx.execute(query).scalar_one())
