"""Decisions about tool requests: made, taken back, in effect; and requests that nobody decided."""

from dataclasses import replace
from typing import Any, assert_never

from sqlalchemy import Connection, and_, bindparam, or_, select

from hitl.journal import grants
from hitl.journal.choices import Answer, Approve, Decision, Reject, require_decision
from hitl.journal.requests import UNDECIDED, change, move_on, with_receipt
from hitl.journal.rows import fetch, find, now, touch_run
from hitl.journal.tables import run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import RequestStatus, ToolRequest, Verdict, same

EFFECTS: dict[str | None, RequestStatus] = {
    "approve": "approved",
    "reject": "rejected",
    "answer": "answered",
}
OVERDUE = and_(request.c.expires_at <= bindparam("now"), request.c.status == "pending")
BY_THE_CLOCK = select(request).where(or_(OVERDUE, request.c.status == "decided"))
AGENT = select(run.c.agent).where(run.c.id == bindparam("run"))
DECIDING = (
    *("status", "decision", "edited", "decided_at", "decided_by", "reason", "result"),
    *("ended_at", "effective_at", "edited_before", "receipt", "receipt_sha256"),
)


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
    return str(tx.execute(AGENT, {"run": asked.run_id}).scalar_one())


def by_the_clock(tx: Connection) -> list[ToolRequest]:
    """Requests that nobody answered in time, and those whose decisions can still be taken back."""
    return fetch(tx, ToolRequest, BY_THE_CLOCK, now=now())


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
