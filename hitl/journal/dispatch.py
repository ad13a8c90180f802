"""Tool requests that start: claimed, settled, cut off; and what a person then says of them."""

import logging
from dataclasses import dataclass, replace
from typing import Any, assert_never

from sqlalchemy import Connection, select

from hitl.errors import Refused
from hitl.journal import grants
from hitl.journal.choices import ItDidNotHappen, ItWorked, Resolution, RunAgain, require_resolution
from hitl.journal.receipts import receipt_of
from hitl.journal.requests import (
    UNDECIDED,
    add,
    ask_after_all,
    change,
    move_on,
    next_id,
    substitute,
    with_receipt,
)
from hitl.journal.rows import fetch, find, now, touch_run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import (
    ACTIVE,
    UNSTARTED,
    RequestStatus,
    Run,
    ToolCall,
    ToolRequest,
    Verdict,
)

logger = logging.getLogger("hitl.audit")
REFUSED = "Not executed: what would have run is not what was approved."
IDEMPOTENT = "the tool, which declares that it may run again"
ENDED = "The run has ended, so this can't run again in it; send the message again instead."


@dataclass(frozen=True)
class Dispatch:
    """What would be executed at this moment, for comparing it with what was decided.

    Args:
        arguments: those that the tool would get.
        fingerprint: of the tool that would run; "" if there is none.
        changed: what changed since the request was asked, in words; None if nothing did.
        anew: the call as it would be asked now.
    """

    arguments: dict[str, Any]
    fingerprint: str
    changed: str | None
    anew: ToolCall


def claim(
    tx: Connection, request_id: str, owner: str, token: str, dispatch: Dispatch
) -> ToolRequest | None:
    """Take an approved call for execution: the request for the one who may start it, else None.

    Where its tool or its rules changed since it was asked it is void, and asked anew. Where what
    would run is not what was approved, it is refused.

    Args:
        token: who claims; a claim whose answer got lost can be repeated with the same token.
    """
    found = find(tx, ToolRequest, request_id)
    if found is None:
        return None
    touch_run(tx, found.run_id)
    of = find(tx, Run, found.run_id)
    found = find(tx, ToolRequest, request_id)
    if of is None or found is None or of.owner != owner or of.status != "working":
        return None
    if found.status == "running" and found.claim == token:
        return found
    if found.status != "approved":
        return None
    if found.grant_id is not None and not grants.holds(tx, found.grant_id):
        ask_after_all(tx, request_id)
        return None
    if dispatch.changed is not None:
        _void(tx, of, found, dispatch)
        return None
    fingerprint = dispatch.fingerprint if found.fingerprint else ""
    receipt, digest = receipt_of(found, of.agent, dispatch.arguments, fingerprint)
    if found.receipt_sha256 is not None and digest != found.receipt_sha256:
        _refuse(tx, found)
        return None
    change(
        tx,
        found,
        "started",
        request.c.status == "approved",
        status="running",
        owner=owner,
        claim=token,
        started_at=now(),
        receipt=receipt,
        receipt_sha256=digest,
    )
    return find(tx, ToolRequest, request_id)


def _void(tx: Connection, of: Run, found: ToolRequest, dispatch: Dispatch) -> None:
    approved = request.c.status == "approved"
    if change(tx, found, "void", approved, status="void", result=dispatch.changed, ended_at=now()):
        substitute(tx, of, found, dispatch.anew)


def _refuse(tx: Connection, found: ToolRequest) -> None:
    """End an approved call that is not what was approved."""
    logger.error("request %s: %s Look into it: python -m hitl verify", found.id, REFUSED)
    approved = request.c.status == "approved"
    change(tx, found, "refused", approved, status="failed", result=REFUSED, ended_at=now())


def settle(
    tx: Connection, request_id: str, owner: str, token: str, status: RequestStatus, result: str
) -> bool:
    """Write down what came of a claimed call; False if it was declared unknown meanwhile."""
    found = find(tx, ToolRequest, request_id)
    if found is None:
        return False
    touch_run(tx, found.run_id)
    mine = (request.c.status == "running", request.c.owner == owner, request.c.claim == token)
    return change(tx, found, status, *mine, status=status, result=result, ended_at=now())


def interrupt(tx: Connection, run_id: str, *, ending: bool) -> None:
    """Say what became of calls that nobody works on any more: unknown where one had started.

    Args:
        ending: the run ends too, so what had not started never will, and nobody is asked any more
            what came of the others.
    """
    for each in _with_status(tx, run_id, "running"):
        running = request.c.status == "running"
        change(tx, each, "unknown", running, status="unknown", ended_at=now())
    if not ending:
        return
    _cancel_unstarted(tx, run_id)
    for each in _with_status(tx, run_id, "unknown"):
        if each.is_in_doubt:
            change(tx, each, "left unknown", request.c.resolved_at.is_(None), resolved_at=now())


def break_off(tx: Connection, run_id: str) -> bool:
    """Stop what goes on in a run; whether a call that had started is in doubt since now."""
    had_started = bool(_with_status(tx, run_id, "running"))
    interrupt(tx, run_id, ending=False)
    _cancel_unstarted(tx, run_id)
    return had_started


def _cancel_unstarted(tx: Connection, run_id: str) -> None:
    for each in _with_status(tx, run_id, *UNSTARTED):
        same = request.c.status == each.status
        change(tx, each, "cancelled", same, status="cancelled", ended_at=now())
        if each.status == "decided":
            grants.take_back(tx, each.id, None, grants.STOPPED)


def _with_status(tx: Connection, run_id: str, *statuses: RequestStatus) -> list[ToolRequest]:
    query = select(request).where(request.c.run_id == run_id, request.c.status.in_(statuses))
    return fetch(tx, ToolRequest, query.order_by(request.c.turn, request.c.place))


# In doubt


def resolve(tx: Connection, request_id: str, resolution: Resolution, by: str) -> Verdict:
    """Say what came of a call whose outcome is unknown, or have it run again. One word counts.

    Raises:
        Refused: if it is to run again in a run that has ended.
        TypeError: if it is no resolution.
    """
    require_resolution(resolution)
    before = find(tx, ToolRequest, request_id)
    if before is None:
        return Verdict(False, None)
    touch_run(tx, before.run_id)
    of = find(tx, Run, before.run_id)
    assert of is not None
    match resolution:
        case RunAgain():
            if not _can_go_on(of):
                raise Refused(ENDED)
            values: dict[str, Any] = {"status": "repeated"}
        case ItWorked(told):
            values = {"status": "worked", "result": told}
        case ItDidNotHappen(told):
            values = {"status": "not_done", "result": told}
        case _:
            assert_never(resolution)
    unknown = request.c.status == "unknown"
    won = change(tx, before, values["status"], unknown, resolved_by=by, resolved_at=now(), **values)
    if won and isinstance(resolution, RunAgain):
        _approve_again(tx, of, before, by)
    if won:
        move_on(tx, of.id)
    return Verdict(won, find(tx, ToolRequest, request_id))


def _can_go_on(of: Run) -> bool:
    """Whether a call of this run could still be started."""
    return of.status in (*ACTIVE, "failed") and of.stopped_by is None


def _approve_again(tx: Connection, of: Run, before: ToolRequest, by: str) -> None:
    """Another request for the same, approved by whoever wants it to run again."""
    again = replace(
        before,
        id=next_id(tx, before),
        status="approved",
        asked_at=now(),
        started_at=None,
        ended_at=None,
        result=None,
        owner=None,
        claim=None,
        replaces=before.id,
        resolved_by=None,
        resolved_at=None,
    )
    if by != IDEMPOTENT:
        again = replace(again, decision="approve", decided_by=by, decided_at=now(), reason="")
        again = replace(again, grant_id=None)  # it is this person's word now
    elif again.grant_id is not None and not grants.holds(tx, again.grant_id):
        waiting = replace(again, status="pending", asks=True, grant_id=None, **UNDECIDED)
        add(tx, "run again", waiting)
        return
    add(tx, "run again", with_receipt(again, of.agent))
