"""Runs: queued, acquired, parked, ended. Each change is one conditional UPDATE."""

from collections.abc import Collection
from typing import Any

from llama_index.core.llms import ChatMessage, MessageRole
from sqlalchemy import Connection, Select, bindparam, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from hitl.errors import Refused, RunLost
from hitl.journal import model_calls
from hitl.journal.dispatch import break_off, interrupt
from hitl.journal.requests import ask
from hitl.journal.rows import (
    as_value,
    changes,
    find,
    ids,
    new_id,
    now,
    touch_conversation,
    touch_run,
)
from hitl.journal.tables import WAITS, conversation, message, readable, run
from hitl.journal.tables import tool_request as request
from hitl.journal.values import ACTIVE, OPEN, UNSTARTED, ModelCall, Run, RunStatus, ToolCall

# Built once, as in `rows`.
HERE = run.c.conversation_id == bindparam("conversation")
ACTIVE_HERE = select(run).where(HERE, run.c.status.in_(ACTIVE))
BUSY_HERE = select(exists().where(HERE, run.c.status.in_((*ACTIVE, "queued"))))
OWNED = select(run.c.id).where(
    run.c.id == bindparam("run"), run.c.owner == bindparam("owner"), run.c.status == "working"
)


def add(
    tx: Connection,
    conversation_id: str,
    agent: str,
    text: str,
    *,
    by: str,
    status: RunStatus = "queued",
    config: dict[str, Any] | None = None,
    said: ChatMessage | None = None,
) -> str:
    """A new run at the end of the conversation, for one message; returns its id.

    Args:
        said: the message, where it is not a user's `text`.
    """
    run_id, at = new_id(), now()
    tx.execute(
        insert(run).values(
            id=run_id,
            conversation_id=conversation_id,
            agent=agent,
            status=status,
            text=text,
            by=by,
            config=config or {},
            created_at=at,
            turn=0,
            superseded=False,
            version=0,
        )
    )
    if text or said:
        say(tx, run_id, 0, said or ChatMessage(role=MessageRole.USER, content=readable(text)))
    touch_conversation(tx, conversation_id)
    return run_id


def add_call(
    tx: Connection,
    conversation_id: str,
    agent: str,
    call: ToolCall,
    *,
    by: str,
    config: dict[str, Any],
) -> str:
    """A new run that consists of one call, put through the gate by hand; returns its id."""
    run_id = add(tx, conversation_id, agent, "", by=by, config=config)
    tx.execute(update(run).where(run.c.id == run_id).values(turn=1))
    ask(tx, _get(tx, run_id), 1, [call])
    return run_id


def _get(tx: Connection, run_id: str) -> Run:
    found = find(tx, Run, run_id)
    assert found is not None
    return found


def say(tx: Connection, run_id: str, turn: int, said: ChatMessage) -> None:
    """Append a message to a run."""
    body = said.model_dump(mode="json")
    tx.execute(insert(message).values(run_id=run_id, turn=turn, body=body, at=now()))


def active(tx: Connection, conversation_id: str) -> Run | None:
    """The one run of the conversation that works or waits, if any."""
    row = tx.execute(ACTIVE_HERE, {"conversation": conversation_id}).one_or_none()
    return None if row is None else as_value(Run, row)


def get(tx: Connection, run_id: str) -> Run | None:
    """The run, or None."""
    return find(tx, Run, run_id)


def is_busy(tx: Connection, conversation_id: str) -> bool:
    """Whether a run of the conversation works, waits, or is about to start."""
    return bool(tx.execute(BUSY_HERE, {"conversation": conversation_id}).scalar())


def due(tx: Connection, agents: Collection[str], kinds: Collection[str]) -> list[str]:
    """Ids of runs that a segment should be started for now."""
    return ids(tx.execute(DUE, {"agents": [*agents], "kinds": [*kinds], "now": now()}))


def _due() -> Select[Any]:
    queued, busy = run.alias(), run.alias()
    blocked = exists().where(
        busy.c.conversation_id == run.c.conversation_id, busy.c.status.in_(ACTIVE)
    ) | exists().where(
        queued.c.conversation_id == run.c.conversation_id,
        queued.c.status == "queued",
        queued.c.position < run.c.position,
    )
    return (
        select(run.c.id)
        .join(conversation, conversation.c.id == run.c.conversation_id)
        .where(
            run.c.agent.in_(bindparam("agents", expanding=True)),
            conversation.c.kind.in_(bindparam("kinds", expanding=True)),
            run.c.status.in_(("queued", "ready", "working")),
            or_(
                run.c.status == "ready",
                (run.c.status == "working") & (run.c.lease < bindparam("now")),
                (run.c.status == "queued") & ~blocked,
            ),
        )
        .order_by(run.c.position)
    )


DUE = _due()


def acquire(tx: Connection, run_id: str, owner: str, lease: float) -> Run | None:
    """Take a due run for one segment: the run for its new owner, None for everybody else.

    What a dead owner had running becomes unknown; it is never run again by itself.
    """
    touch_run(tx, run_id)
    try:
        with tx.begin_nested():
            won = changes(
                tx,
                update(run)
                .where(
                    run.c.id == run_id,
                    or_(
                        run.c.status.in_(("queued", "ready")),
                        (run.c.status == "working") & (run.c.lease < now()),
                    ),
                )
                .values(status="working", owner=owner, lease=now() + lease),
            )
    except IntegrityError:  # another run of this conversation became active first
        return None
    if not won:
        return None
    tx.execute(
        update(run).where(run.c.id == run_id, run.c.started_at.is_(None)).values(started_at=now())
    )
    interrupt(tx, run_id, ending=False)
    found = find(tx, Run, run_id)
    if found is not None:
        _leave_failed_behind(tx, found.conversation_id)
    return found


def _leave_failed_behind(tx: Connection, conversation_id: str) -> None:
    """The conversation goes on without Retry: what failed runs kept for it will never start."""
    kept = exists().where(request.c.run_id == run.c.id, request.c.status.in_(UNSTARTED))
    failed = select(run.c.id).where(
        run.c.conversation_id == conversation_id, run.c.status == "failed", kept
    )
    for run_id in ids(tx.execute(failed)):
        touch_run(tx, run_id)
        interrupt(tx, run_id, ending=True)


def tighten(tx: Connection, run_row: Run, owner: str, tools: dict[str, str]) -> None:
    """Let a run that has not spoken yet start with another policy for its tools.

    Raises:
        RunLost: if the segment no longer owns the run.
    """
    _own(tx, run_row.id, owner)
    config = {**run_row.config, "tools": tools}
    tx.execute(update(run).where(run.c.id == run_row.id).values(config=config))


def renew(tx: Connection, run_ids: Collection[str], owner: str, lease: float) -> None:
    """Say that this owner still works on these runs; others that it had are let go."""
    tx.execute(
        update(run)
        .where(run.c.id.in_(run_ids), run.c.owner == owner, run.c.status == "working")
        .values(lease=now() + lease)
    )


def give_back(tx: Connection, kept: Collection[str], owner: str) -> None:
    """End this owner's leases of runs that it does not work on after all."""
    tx.execute(
        update(run)
        .where(run.c.owner == owner, run.c.status == "working", run.c.id.not_in(kept))
        .values(lease=0.0)
    )


def owners(tx: Connection) -> list[str]:
    """Who works on runs, dead or alive."""
    query = select(run.c.owner).where(run.c.status == "working", run.c.owner.is_not(None))
    return list(tx.execute(query.distinct()).scalars())


def release(tx: Connection, owner: str) -> None:
    """End the leases of an owner that is known to be dead."""
    tx.execute(update(run).where(run.c.owner == owner, run.c.status == "working").values(lease=0.0))


def _own(tx: Connection, run_id: str, owner: str) -> None:
    """Take the run, or say that this segment no longer owns it."""
    touch_run(tx, run_id)
    if tx.execute(OWNED, {"run": run_id, "owner": owner}).one_or_none() is None:
        raise RunLost(f"run {run_id} was stopped or taken over")


def speak(
    tx: Connection,
    run_row: Run,
    owner: str,
    said: ChatMessage,
    calls: list[ToolCall],
    call: ModelCall,
    parks: bool = False,
) -> None:
    """One turn of the model, whole or not at all: its message, its tool calls, and the record.

    Args:
        parks: let go of the run if now only people can move it on.

    Raises:
        RunLost: if the segment no longer owns the run, or the turn was already spoken.
    """
    _own(tx, run_row.id, owner)
    unsettled = exists().where(request.c.run_id == run_row.id, request.c.status.in_(OPEN))
    spoken = changes(
        tx,
        update(run)
        .where(run.c.id == run_row.id, run.c.turn == call.turn - 1, ~unsettled)
        .values(turn=call.turn),
    )
    if not spoken:
        raise RunLost(f"turn {call.turn} of run {run_row.id} was already spoken, or came too soon")
    say(tx, run_row.id, call.turn, said)
    ask(tx, run_row, call.turn, calls)
    model_calls.keep(tx, call)
    if not calls:
        _end(tx, run_row.id, "answered")
    elif parks:
        _let_go(tx, run_row.id)


def park(tx: Connection, run_id: str, owner: str) -> bool:
    """Let go of a run that only people can move on; False if there is more to do."""
    _own(tx, run_id, owner)
    return _let_go(tx, run_id)


def _let_go(tx: Connection, run_id: str) -> bool:
    of_run = request.c.run_id == run_id
    return changes(
        tx,
        update(run)
        .where(
            run.c.id == run_id,
            exists().where(of_run, or_(WAITS, request.c.status == "decided")),
            ~exists().where(of_run, request.c.status.in_(("approved", "running"))),
        )
        .values(status="waiting", owner=None, lease=None),
    )


def finish(tx: Connection, run_id: str, owner: str, status: RunStatus) -> None:
    """End a run that this owner works on; one that was stopped ends as that.

    Raises:
        RunLost: if the segment no longer owns it.
    """
    _own(tx, run_id, owner)
    interrupt(tx, run_id, ending=True)
    by = _get(tx, run_id).stopped_by
    if by is None:
        _end(tx, run_id, status)
    else:
        _end(tx, run_id, "cancelled", f"Stopped by {by}.")


def fail(tx: Connection, run_row: Run, owner: str, error: str) -> None:
    """End a run that could not go on, so that it can be retried.

    What waits or is approved in it stays so; messages that were queued behind it are held.

    Raises:
        RunLost: if the segment no longer owns it.
    """
    _own(tx, run_row.id, owner)
    interrupt(tx, run_row.id, ending=False)
    _end(tx, run_row.id, "failed", error)
    hold_queued(tx, run_row.conversation_id)


def hold_queued(tx: Connection, conversation_id: str) -> None:
    """Leave it to their authors whether messages that were queued are still to be sent."""
    queued = select(run.c.id).where(
        run.c.conversation_id == conversation_id, run.c.status == "queued"
    )
    for run_id in ids(tx.execute(queued)):
        move(tx, run_id, "queued", "held")


def _end(tx: Connection, run_id: str, status: RunStatus, error: str | None = None) -> None:
    tx.execute(
        update(run)
        .where(run.c.id == run_id)
        .values(status=status, error=error, owner=None, lease=None, ended_at=now())
    )


def stop(tx: Connection, run_id: str, by: str) -> bool:
    """End a run at a person's word: what waits is cancelled, what runs becomes unknown.

    A run with a call in doubt goes on waiting for somebody to say what came of that, and ends then;
    or at once, if it is stopped again.
    """
    touch_run(tx, run_id)
    found = find(tx, Run, run_id)
    if found is None or not found.is_active:
        return False
    if break_off(tx, run_id):
        tx.execute(
            update(run)
            .where(run.c.id == run_id)
            .values(status="waiting", stopped_by=by, owner=None, lease=None)
        )
        return True
    interrupt(tx, run_id, ending=True)
    _end(tx, run_id, "cancelled", f"Stopped by {found.stopped_by or by}.")
    return True


def retry(tx: Connection, run_id: str) -> None:
    """Continue a failed run where it failed. Nothing that has an outcome is done again.

    Raises:
        Refused: if it did not fail, or the conversation went on since.
    """
    touch_run(tx, run_id)
    found = find(tx, Run, run_id)
    if found is None or found.status != "failed":
        raise Refused("Only a failed run can be retried.")
    later = select(run.c.id).where(
        run.c.conversation_id == found.conversation_id,
        run.c.position > found.position,
        run.c.status.not_in(("held", "discarded")),
    )
    if tx.execute(later).first() is not None:
        raise Refused("The conversation went on since; send the message again instead.")
    tx.execute(
        update(run).where(run.c.id == run_id).values(status="ready", error=None, ended_at=None)
    )


def supersede(tx: Connection, run_id: str) -> None:
    """Let a run end, instead of speaking again, once its calls are settled."""
    touch_run(tx, run_id)
    tx.execute(update(run).where(run.c.id == run_id).values(superseded=True))


def move(tx: Connection, run_id: str, before: RunStatus, after: RunStatus) -> bool:
    """Move a message that has not started: queued → held, held or queued → discarded."""
    touch_run(tx, run_id)
    return changes(
        tx,
        update(run).where(run.c.id == run_id, run.c.status == before).values(status=after),
    )


def send_held(tx: Connection, run_id: str, config: dict[str, Any]) -> bool:
    """Queue a held message, as the conversation's last one, after all that was said meanwhile.

    Args:
        config: the agent's configuration now; the one it was typed under may be long gone.
    """
    found = find(tx, Run, run_id)
    if found is None or not move(tx, run_id, "held", "discarded"):
        return False
    add(tx, found.conversation_id, found.agent, found.text, by=found.by, config=config)
    return True
