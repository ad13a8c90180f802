"""What people do, as transactions: each happens whole, or not at all."""

from typing import Any

from sqlalchemy import Connection

from hitl.journal import conversations, requests, runs
from hitl.journal.rows import find
from hitl.journal.values import Conversation, Reject, Run, RunStatus, ToolCall

TITLE_LENGTH = 60


def send(
    tx: Connection, conversation: Conversation, text: str, by: str, config: dict[str, Any]
) -> str:
    """A message: held while requests wait, else queued. Returns its run's id."""
    waits = conversations.pending_count(tx, conversation.id) > 0
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
    for run in conversations.held(tx, conversation_id):
        runs.move(tx, run.id, "queued", "held")
    if present is None or not runs.stop(tx, present.id, by):
        return None
    return present.id


def reject_and_send(
    tx: Connection, run_id: str, request_ids: list[str], by: str
) -> tuple[int, str | None]:
    """Reject these requests with a held message as the reason; the message starts the next run.

    Returns:
        how many were still waiting, and the id of the run that they belonged to.
    """
    held = conversations.record(tx, run_id).run
    present = runs.active(tx, held.conversation_id)
    if not runs.send_held(tx, run_id):
        return 0, None
    rejected = 0
    for request_id in request_ids:
        found = requests.get(tx, request_id)
        if found is not None and found.conversation_id == held.conversation_id:
            verdict = requests.decide(tx, request_id, Reject(held.text), by)
            rejected += verdict.accepted
    if present is not None:
        runs.supersede(tx, present.id)
    return rejected, present.id if present else None


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
