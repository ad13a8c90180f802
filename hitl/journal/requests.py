"""Tool requests: asked, decided, claimed, settled. Each change is one conditional UPDATE."""

from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from hitl.journal.rows import changes, fetch, find, now, touch_run
from hitl.journal.tables import run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import (
    Approve,
    Decision,
    Reject,
    RequestStatus,
    ToolCall,
    ToolRequest,
    Verdict,
    require_decision,
)

POLICY = "the agent's policy"


def ask(tx: Connection, run_row: tuple[str, str], turn: int, calls: list[ToolCall]) -> None:
    """Write down the calls of one of the model's messages, in its order.

    Args:
        run_row: (run id, conversation id).
    """
    run_id, conversation_id = run_row
    at = now()
    rows = [
        {
            "id": f"{run_id}-{turn}-{place}",
            "run_id": run_id,
            "conversation_id": conversation_id,
            "turn": turn,
            "place": place,
            "provider_id": call.provider_id,
            "tool": call.tool,
            "arguments": call.arguments,
            "asks": call.asks,
            "status": _first_status(call),
            "asked_at": at,
            "decided_at": None if call.asks else at,
            "decided_by": None if call.asks else POLICY,
            "ended_at": at if call.problem else None,
            "result": call.problem,
        }
        for place, call in enumerate(calls)
    ]
    if rows:
        tx.execute(insert(request), rows)


def _first_status(call: ToolCall) -> RequestStatus:
    if call.problem:
        return "failed"
    return "pending" if call.asks else "approved"


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
    match decision:
        case Approve(arguments, reason):
            values: dict[str, Any] = {
                "status": "approved",
                "decision": "approve",
                "edited": arguments,
            }
        case Reject(reason):
            values = {"status": "rejected", "decision": "reject", "ended_at": now()}
    won = changes(
        tx,
        update(request)
        .where(request.c.id == request_id, request.c.status == "pending")
        .values(decided_at=now(), decided_by=by, reason=reason, **values),
    )
    if won:
        tx.execute(
            update(run)
            .where(run.c.id == before.run_id, run.c.status == "waiting")
            .values(status="ready")
        )
    return Verdict(won, find(tx, ToolRequest, request_id))


def claim(tx: Connection, request_id: str, owner: str) -> ToolRequest | None:
    """Take an approved call for execution: the request for the one who may start it, else None."""
    found = find(tx, ToolRequest, request_id)
    if found is None:
        return None
    touch_run(tx, found.run_id)
    mine = select(run.c.id).where(run.c.owner == owner, run.c.status == "working")
    won = changes(
        tx,
        update(request)
        .where(
            request.c.id == request_id, request.c.status == "approved", request.c.run_id.in_(mine)
        )
        .values(status="running", owner=owner, started_at=now()),
    )
    return find(tx, ToolRequest, request_id) if won else None


def settle(tx: Connection, request_id: str, owner: str, status: RequestStatus, result: str) -> bool:
    """Write down what came of a claimed call; False if it was declared unknown meanwhile."""
    found = find(tx, ToolRequest, request_id)
    if found is None:
        return False
    touch_run(tx, found.run_id)
    return changes(
        tx,
        update(request)
        .where(request.c.id == request_id, request.c.status == "running", request.c.owner == owner)
        .values(status=status, result=result, ended_at=now()),
    )


def interrupt(tx: Connection, run_id: str, *, ending: bool) -> None:
    """Say what became of calls that nobody works on any more: unknown where one had started.

    Args:
        ending: the run ends too, so what had not started never will.
    """
    of_run = request.c.run_id == run_id
    at = now()
    tx.execute(
        update(request)
        .where(of_run, request.c.status == "running")
        .values(status="unknown", ended_at=at)
    )
    if ending:
        tx.execute(
            update(request)
            .where(of_run, request.c.status.in_(("pending", "approved")))
            .values(status="cancelled", ended_at=at)
        )


def get(tx: Connection, request_id: str) -> ToolRequest | None:
    """The request, or None."""
    return find(tx, ToolRequest, request_id)


def of_runs(tx: Connection, run_ids: list[str]) -> dict[str, list[ToolRequest]]:
    """The requests of some runs, in the model's order."""
    grouped: dict[str, list[ToolRequest]] = {run_id: [] for run_id in run_ids}
    query = select(request).where(request.c.run_id.in_(run_ids))
    for each in fetch(tx, ToolRequest, query.order_by(request.c.turn, request.c.place)):
        grouped[each.run_id].append(each)
    return grouped


def pending(
    tx: Connection, *, conversation_id: str | None = None, limit: int | None = None, skip: int = 0
) -> list[ToolRequest]:
    """What waits for a person, oldest first, over all conversations or in one."""
    query = select(request).where(request.c.status == "pending")
    if conversation_id is not None:
        query = query.where(request.c.conversation_id == conversation_id)
    query = query.order_by(request.c.asked_at, request.c.id).limit(limit).offset(skip)
    return fetch(tx, ToolRequest, query)


def count_pending(tx: Connection) -> int:
    """How many requests wait for a person, over all conversations."""
    return int(tx.execute(select(func.count()).where(request.c.status == "pending")).scalar_one())
