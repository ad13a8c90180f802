"""Tool requests: asked, and asked anew. Each change is one conditional UPDATE.

Every change goes through `add` or `change`, which note it for the audit.
"""

import secrets
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from hitl.journal import audit, grants
from hitl.journal.receipts import receipt_of
from hitl.journal.rows import changes, fetch, find, now, touch_run
from hitl.journal.tables import run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import RequestStatus, Run, ToolCall, ToolRequest

POLICY = "the agent's policy"
UNDECIDED: dict[str, Any] = dict.fromkeys(
    ("decision", "decided_at", "decided_by", "receipt", "receipt_sha256", "effective_at")
)
EARLIER = "the earlier rejection"
OF_RUNS = (  # built once, as in `rows`
    select(request)
    .where(request.c.run_id.in_(bindparam("runs", expanding=True)))
    .order_by(request.c.turn, request.c.place, request.c.asked_at, request.c.id)
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
    waits = status == "pending"
    asked = ToolRequest(
        id=identifier,
        run_id=of.id,
        conversation_id=of.conversation_id,
        turn=turn,
        place=place,
        provider_id=call.provider_id,
        tool=call.tool,
        arguments=call.arguments,
        asks=call.asks,
        status=status,
        asked_at=at,
        decided_at=None if waits else at,
        decided_by=None if waits else POLICY,
        ended_at=None if status in ("pending", "approved") else at,
        result=call.problem,
        fingerprint=call.fingerprint,
        policy=call.policy,
        rule=call.rule,
        secret=list(call.secret),
        salt=secrets.token_hex(16),
        expires_at=at + call.expires_after if waits and call.expires_after is not None else None,
        earlier=call.earlier,
        origins=call.origins,
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


def move_on(tx: Connection, run_id: str) -> None:
    """Let the next segment of a parked run start."""
    tx.execute(
        update(run).where(run.c.id == run_id, run.c.status == "waiting").values(status="ready")
    )


# Seen


def get(tx: Connection, request_id: str) -> ToolRequest | None:
    """The request, or None."""
    return find(tx, ToolRequest, request_id)


def of_runs(tx: Connection, run_ids: list[str]) -> dict[str, list[ToolRequest]]:
    """The requests of some runs, in the model's order; one that replaces another comes after it."""
    grouped: dict[str, list[ToolRequest]] = {run_id: [] for run_id in run_ids}
    for each in fetch(tx, ToolRequest, OF_RUNS, runs=run_ids):
        grouped[each.run_id].append(each)
    return grouped
