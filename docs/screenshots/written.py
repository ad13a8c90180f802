"""What no click brings about is written into the journal, as the engine writes it."""

from dataclasses import replace
from typing import Any

from llama_index.core.llms import ChatMessage
from sqlalchemy import Connection
from studio import Studio

from hitl.journal import ToolCall, ToolRequest, conversations, requests, runs
from hitl.journal.rows import now
from hitl.journal.values import ModelCall
from hitl.toolcalls import checked_call

AGENT, ME = "Back Office", "the photographer"
SAID = "I looked at everything, and ask for this."


def call(studio: Studio, tool: str, arguments: dict[str, Any], **more: Any) -> ToolCall:
    """A call of a tool of Back Office, as its rules have it but for `more`."""
    return replace(checked_call(studio.app.desk.agents.get(AGENT), tool, arguments, tool), **more)


def conversation(studio: Studio, *calls: ToolCall, text: str = "See to order 1042.") -> str:
    """A conversation whose agent waits for a person to decide about these calls; its id."""
    agent = studio.app.desk.agents.get(AGENT)

    def write(tx: Connection) -> str:
        identifier = conversations.create(tx, AGENT, title=text)
        config = agent.snapshot()
        run_id = runs.add(tx, identifier, AGENT, text, by=ME, config=config)
        run = runs.acquire(tx, run_id, ME, 60)
        assert run is not None
        said = ChatMessage(role="assistant", content=SAID)
        runs.speak(tx, run, ME, said, list(calls), _model_call(run_id))
        assert runs.park(tx, run_id, ME)
        return identifier

    return studio.app.desk.journal.write(write)


def _model_call(run_id: str) -> ModelCall:
    return ModelCall(
        run_id=run_id,
        turn=1,
        started_at=now(),
        ms=1.0,
        config={"model": "demo"},
        messages=[],
        tools=[],
        reply={},
        error=None,
        tokens_in=None,
        tokens_out=None,
    )


def asked(studio: Studio, conversation_id: str, place: int = 0) -> ToolRequest:
    """A request of a conversation, by its place."""

    def read(tx: Connection) -> ToolRequest:
        (run,) = conversations.runs(tx, conversation_id)
        return requests.of_runs(tx, [run.id])[run.id][place]

    return studio.app.desk.journal.read(read)


def change(studio: Studio, conversation_id: str, place: int = 0, **values: Any) -> None:
    """Change a request as only time, or a crash, does."""
    before = asked(studio, conversation_id, place)
    studio.app.desk.journal.write(requests.change, before, "changed", **values)
