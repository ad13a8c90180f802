"""What a page holds for a conversation: LlamaIndex's `WorkflowHandler`, made to be let go of.

Holds no run and no state, only names them: safe from any thread, and a new one for the same
conversation, after a reload or in another process, is as good as the old.
"""

import queue
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llama_index.core.workflow import Event

from hitl.errors import Refused
from hitl.events import ToolRequestEvent
from hitl.journal import Decision, Resolution, ToolRequest, Verdict
from hitl.journal.choices import require_decision, require_resolution
from hitl.outcomes import chat_of

if TYPE_CHECKING:
    from hitl.desk import Desk

LOOK_AGAIN_SECONDS = 0.5


class ConversationHandler:
    """One conversation, from outside.

    Args:
        desk: where to ask.
        conversation_id: which conversation.
        by: who decides through this handler.
    """

    def __init__(self, desk: "Desk", conversation_id: str, by: str) -> None:
        self.desk, self.conversation_id, self.by = desk, conversation_id, by

    def pending(self) -> list[ToolRequest]:
        """What waits for a person, oldest first."""
        return self.desk.pending(conversation_id=self.conversation_id)

    def decide(self, request_id: str, decision: Decision) -> Verdict:
        """Approve or reject a request of this conversation; only one decision ever counts.

        Raises:
            InvalidArguments: if edited arguments don't fit the tool.
            TypeError: if it is neither `Approve` nor `Reject`.
        """
        require_decision(decision)
        request = self.desk.request(request_id)
        if request is None or request.conversation_id != self.conversation_id:
            return Verdict(False, None)
        return self.desk.decide(request_id, decision, by=self.by)

    def resolve(self, request_id: str, resolution: Resolution) -> Verdict:
        """Say what came of a call of this conversation whose outcome is unknown.

        Raises:
            Refused: if it is to run again in a run that has ended.
            TypeError: if it is no resolution.
        """
        require_resolution(resolution)
        request = self.desk.request(request_id)
        if request is None or request.conversation_id != self.conversation_id:
            return Verdict(False, None)
        return self.desk.resolve(request_id, resolution, by=self.by)

    def stop(self) -> None:
        """End the present run: what waits is cancelled, a running tool becomes unknown."""
        self.desk.stop(self.conversation_id, by=self.by)

    def is_busy(self) -> bool:
        """Whether a run works, waits, or is about to start."""
        return self.desk.is_busy(self.conversation_id)

    def stream_events(self) -> Iterator[Event]:
        """Requests that wait now, then events as they come, until nothing is left to do.

        Every call streams on its own; attaching late or again misses no pending request.
        """
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        unsubscribe = self.desk.engine.bus.subscribe(
            self.conversation_id, lambda _, event: events.put(event)
        )
        asked: set[str] = set()
        news = True  # of the journal, which alone says what waits and whether more will come
        try:
            while True:
                if news:
                    yield from self._not_yet_asked(asked)
                if news and events.empty():
                    if not self.is_busy():
                        return
                    news = False
                try:
                    event = events.get(timeout=LOOK_AGAIN_SECONDS)
                except queue.Empty:  # another process may have moved it on
                    event = None
                if event is None or isinstance(event, ToolRequestEvent):
                    news = True
                else:
                    yield event
        finally:
            unsubscribe()

    def _not_yet_asked(self, asked: set[str]) -> Iterator[ToolRequestEvent]:
        for request in self.pending():
            if request.id not in asked and request.status == "pending":
                asked.add(request.id)
                yield ToolRequestEvent(
                    prefix=f"Tool {request.tool} requires human approval.",
                    tool_name=request.tool,
                    tool_id=request.id,
                    tool_kwargs=request.final_arguments,
                )

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait for the newest run to end: `{"response": …, "chat_history": […]}`.

        Args:
            timeout: seconds; None waits for people as long as they take.

        Raises:
            TimeoutError: if it has not ended by then.
            Refused: if the run failed or was stopped; says why.
        """
        self.desk.wait_until_idle(self.conversation_id, timeout)
        newest = self.desk.transcript(self.conversation_id, limit=1)
        if not newest:
            raise Refused("Nothing was said in this conversation yet.")
        if newest[0].run.status != "answered":
            raise Refused(newest[0].run.error or f"The run was {newest[0].run.status}.")
        said = chat_of(newest[0])  # nothing, if a call was put through the gate by hand
        response = said[-1].content if said else None
        return {"response": response, "chat_history": self.desk.history(self.conversation_id)}
