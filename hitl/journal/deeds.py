"""What people do, as transactions: each happens whole, or not at all."""

from typing import Any

from sqlalchemy import Connection

from hitl.journal import conversations, decisions, grants, requests, runs, waiting
from hitl.journal.choices import Approve, Reject
from hitl.journal.rows import find
from hitl.journal.values import Conversation, Run, RunStatus, Scope, ToolCall, ToolRequest, Verdict

TITLE_LENGTH = 60


def send(
    tx: Connection, conversation: Conversation, text: str, by: str, config: dict[str, Any]
) -> str:
    """A message: held while requests wait, else queued. Returns its run's id."""
    waits = waiting.count_pending(tx, conversation.id) > 0
    status: RunStatus = "held" if waits else "queued"
    run_id = runs.add(
        tx, conversation.id, conversation.agent, text, by=by, status=status, config=config
    )
    if not conversation.title:
        title = " ".join(text.split())
        conversations.rename(tx, conversation.id, title[:TITLE_LENGTH])
    return run_id


def begin(
    tx: Connection,
    identifier: str,
    agent: str,
    changes: dict[str, Any],
    text: str,
    by: str,
    config: dict[str, Any],
) -> bool:
    """A new conversation with its first message; False if a second click came too late."""
    if find(tx, Conversation, identifier) is not None:
        return False
    conversations.create(tx, agent, changes=changes, identifier=identifier)
    send(tx, conversations.get(tx, identifier), text, by, config)
    return True


def stop(tx: Connection, conversation_id: str, by: str) -> str | None:
    """End the present run, and hold what was queued behind it. Returns the ended run's id."""
    present = runs.active(tx, conversation_id)
    runs.hold_queued(tx, conversation_id)
    if present is None or not runs.stop(tx, present.id, by):
        return None
    return present.id


def reject_and_send(
    tx: Connection, run_id: str, request_ids: list[str], by: str, config: dict[str, Any]
) -> list[ToolRequest]:
    """Reject these requests with a held message as the reason, and queue the message.

    The run whose requests were rejected says nothing more. A run that nothing was rejected in is
    left alone: the message waits for its end, like any other.

    Returns:
        those that were still waiting.
    """
    held = conversations.record(tx, run_id).run
    if not runs.send_held(tx, run_id, config):
        return []
    rejected = []
    for request_id in request_ids:
        found = requests.get(tx, request_id)
        if found is None or found.conversation_id != held.conversation_id:
            continue
        if decisions.decide(tx, request_id, Reject(held.text), by).accepted:
            rejected.append(found)
    for answered in {request.run_id for request in rejected}:
        runs.supersede(tx, answered)
    return rejected


def grant(tx: Connection, request_id: str, scope: Scope, by: str, undo: float) -> Verdict:
    """Approve a request and write down a grant for others like it; both, or neither."""
    verdict = decisions.decide(tx, request_id, Approve(), by, undo)
    if verdict.accepted and verdict.request is not None:
        of = conversations.record(tx, verdict.request.run_id).run
        grants.give(tx, verdict.request, of.agent, scope, by)
    return verdict


def fork(tx: Connection, conversation: Conversation, run: Run) -> str:
    """A new conversation that continues from before a run. Returns its id."""
    earlier = conversations.runs(tx, conversation.id, limit=1, before=run.position)
    return conversations.create(
        tx,
        conversation.agent,
        kind=conversation.kind,
        changes=conversation.changes,
        continues=earlier[0].id if earlier else None,
    )


def try_call(tx: Connection, agent: str, call: ToolCall, by: str, config: dict[str, Any]) -> str:
    """A conversation of one call, put through the gate by hand. Returns its id."""
    conversation_id = conversations.create(tx, agent, kind="try", title=f"Try {call.tool}")
    runs.add_call(tx, conversation_id, agent, call, by=by, config=config)
    return conversation_id
