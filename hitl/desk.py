"""All that a page, a terminal or a notebook can ask for. Answers at once; waits for nobody."""

import math
import threading
import time
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from llama_index.core.llms import ChatMessage

from hitl.agents import AgentConfig
from hitl.engine import Engine
from hitl.engine.engine import Agents
from hitl.errors import NotFound, Refused
from hitl.handler import ConversationHandler
from hitl.journal import (
    Approve,
    Conversation,
    Decision,
    Journal,
    ModelCall,
    Run,
    RunRecord,
    ToolCall,
    ToolRequest,
    Verdict,
    conversations,
    deeds,
    model_calls,
    requests,
    runs,
)
from hitl.journal.history import JournalChatStore
from hitl.journal.values import require_decision
from hitl.library import edited
from hitl.toolcalls import validate


class Desk:
    """The one door between people and the journal. Safe from any thread.

    Args:
        kind: the kind of conversations that are started here.
    """

    def __init__(
        self, journal: Journal, engine: Engine, agents: Agents, *, kind: str = "chat"
    ) -> None:
        self.journal, self.engine, self.agents, self.kind = journal, engine, agents, kind

    # What there is to see

    def recent(self, search: str = "") -> list[Conversation]:
        """Conversations, newest first, that contain `search`."""
        return self.journal.read(conversations.recent, search=search, kinds=(self.kind,))

    def conversation(self, conversation_id: str) -> Conversation:
        """The conversation.

        Raises:
            NotFound: if there is none with that id.
        """
        return self.journal.read(conversations.get, conversation_id)

    def transcript(
        self, conversation_id: str, *, limit: int, before: int | None = None
    ) -> list[RunRecord]:
        """The newest `limit` runs, oldest first, with all that was said and asked in them."""
        return self.journal.read(
            conversations.transcript, conversation_id, limit=limit, before=before
        )

    def runs_after(self, conversation_id: str, position: int) -> list[Run]:
        """The conversation's runs after a position, oldest first; nothing that was not sent."""
        return self.journal.read(conversations.runs_after, conversation_id, position)

    def mark(self, conversation_id: str) -> tuple[Hashable, bool]:
        """What anybody could see of a conversation, and of the inbox, in short.

        Returns:
            the mark, which changes when that changes; and whether the conversation rests, so that
            nothing will change before a person does something.
        """
        version, waiting, rests = self.journal.read(conversations.mark, conversation_id)
        return (version, waiting, self.engine.live_length(conversation_id)), rests

    def record(self, run_id: str) -> RunRecord:
        """One run with all that was said and asked in it.

        Raises:
            NotFound: if there is none with that id.
        """
        return self.journal.read(conversations.record, run_id)

    def held(self, conversation_id: str) -> list[Run]:
        """Messages that wait for their author, or for the conversation to be free."""
        return self.journal.read(conversations.held, conversation_id)

    def pending(
        self, *, conversation_id: str | None = None, limit: int | None = None, skip: int = 0
    ) -> list[ToolRequest]:
        """What waits for a person, oldest first, over all conversations or in one."""
        return self.journal.read(
            requests.pending, conversation_id=conversation_id, limit=limit, skip=skip
        )

    def count_pending(self) -> int:
        """How many requests wait for a person, over all conversations."""
        return self.journal.read(requests.count_pending)

    def request(self, request_id: str) -> ToolRequest | None:
        """The request as it stands now, or None."""
        return self.journal.read(requests.get, request_id)

    def details(self, run_id: str) -> list[ModelCall]:
        """Every call of the model in a run: what was sent, what came back."""
        return self.journal.read(model_calls.of_run, run_id)

    def history(self, conversation_id: str) -> list[ChatMessage]:
        """The messages of the conversation's ended runs."""
        return JournalChatStore(self.journal).get_messages(conversation_id)

    def active(self, conversation_id: str) -> Run | None:
        """The run that works or waits, if any."""
        return self.journal.read(runs.active, conversation_id)

    def is_busy(self, conversation_id: str) -> bool:
        """Whether a run works, waits, or is about to start."""
        queued = any(run.status == "queued" for run in self.held(conversation_id))
        return queued or self.active(conversation_id) is not None

    def agent_of(self, run: Run) -> AgentConfig:
        """The agent as the run started with it.

        Raises:
            NotFound: if its file is gone or broken.
        """
        return self.agents.get(run.agent, run.config.get("version")).changed(run.config)

    def agent_in(self, conversation: Conversation) -> AgentConfig:
        """The agent as the conversation's next message will find it.

        Raises:
            NotFound: if its file is gone or broken.
        """
        return self.agents.get(conversation.agent).changed(conversation.changes)

    # What can be done

    def start(self, agent: str, *, changes: dict[str, Any] | None = None) -> str:
        """A new conversation; returns its id."""
        return self.journal.write(conversations.create, agent, kind=self.kind, changes=changes)

    def begin(
        self, conversation_id: str, agent: str, text: str, *, changes: dict[str, Any], by: str
    ) -> None:
        """A new conversation with its first message, once, however often it is asked for.

        Args:
            conversation_id: chosen by whoever begins; `[a-z0-9]+`, and hard to guess.

        Raises:
            Refused: if the message is empty.
            NotFound: if the agent is gone.
        """
        if not text.strip():
            raise Refused("The message is empty.")
        config = self.agents.get(agent).changed(changes).snapshot()
        self.journal.write(deeds.begin, conversation_id, agent, changes, text, by, config)
        self.engine.look()

    def handler(self, conversation_id: str, by: str) -> ConversationHandler:
        """A handler for the conversation.

        Raises:
            NotFound: if there is none with that id.
        """
        self.conversation(conversation_id)
        return ConversationHandler(self, conversation_id, by)

    def send(self, conversation_id: str, text: str, *, by: str) -> str:
        """Send a message; returns the id of its run.

        While requests wait it is held for its author; while the agent works it is queued.

        Raises:
            Refused: if it is empty, or the conversation is none that takes messages here.
            NotFound: if the conversation or its agent is gone.
        """
        if not text.strip():
            raise Refused("The message is empty.")
        conversation = self.conversation(conversation_id)
        if conversation.kind != self.kind:
            raise Refused("This conversation takes no messages; start a new chat instead.")
        config = self.agent_in(conversation).snapshot()
        run_id = self.journal.write(deeds.send, conversation, text, by, config)
        self.engine.look()
        return run_id

    def decide(self, request_id: str, decision: Decision, *, by: str) -> Verdict:
        """Approve or reject a request; only one decision ever counts.

        Raises:
            InvalidArguments: if edited arguments don't fit the tool.
            TypeError: if it is neither `Approve` nor `Reject`.
        """
        require_decision(decision)
        request = self.request(request_id)
        if request is None:
            return Verdict(False, None)
        if isinstance(decision, Approve) and decision.arguments is not None:
            agent = self.agent_of(self.record(request.run_id).run)
            checked = edited(agent, request.tool, request.arguments, decision.arguments)
            decision = replace(decision, arguments=checked.arguments)
        verdict = self.journal.write(requests.decide, request_id, decision, by)
        self.engine.look(request.run_id)
        return verdict

    def can_run(self, request: ToolRequest) -> bool:
        """Whether the engine here would carry out an approval of this request.

        Raises:
            NotFound: if its conversation is gone.
        """
        conversation = self.conversation(request.conversation_id)
        known = conversation.kind in self.engine.kinds
        return known and conversation.agent in self.agents.names()

    def stop(self, conversation_id: str, *, by: str) -> None:
        """End the present run; messages that were queued behind it are held for their author."""
        stopped = self.journal.write(deeds.stop, conversation_id, by)
        if stopped is not None:
            self.engine.look(stopped)
        self.engine.look()

    def retry(self, run_id: str) -> None:
        """Continue a failed run at the model call that failed.

        Raises:
            Refused: if it did not fail, or the conversation went on since.
        """
        self.journal.write(runs.retry, run_id)
        self.engine.look()

    def send_held(self, run_id: str) -> None:
        """Send a held message as soon as the conversation is free, to the agent as it is now.

        Raises:
            NotFound: if the message or the agent is gone.
        """
        self.journal.write(runs.send_held, run_id, self._present_config(run_id))
        self.engine.look()

    def discard(self, run_id: str) -> None:
        """Throw a message away that was not sent yet."""
        if not self.journal.write(runs.move, run_id, "held", "discarded"):
            self.journal.write(runs.move, run_id, "queued", "discarded")

    def reject_and_send(self, run_id: str, request_ids: list[str], *, by: str) -> int:
        """Reject these requests with a held message as the reason, and send it like `send_held`.

        The run that they belong to says nothing more; no other run is cut short.

        Returns:
            how many of them were still waiting.

        Raises:
            NotFound: if the message or the agent is gone.
        """
        config = self._present_config(run_id)
        rejected = self.journal.write(deeds.reject_and_send, run_id, request_ids, by, config)
        for request in rejected:
            self.engine.look(request.run_id)
        self.engine.look()
        return len(rejected)

    def _present_config(self, run_id: str) -> dict[str, Any]:
        """The configuration that the run's conversation has now."""
        conversation = self.conversation(self.record(run_id).run.conversation_id)
        return self.agent_in(conversation).snapshot()

    def change(self, conversation_id: str, changes: dict[str, Any]) -> None:
        """Replace what differs from the agent's file, from the next message on."""
        self.journal.write(conversations.change, conversation_id, changes)

    def run_again(self, run_id: str, conversation_id: str, *, by: str) -> str:
        """Send a run's message again, in a new conversation that continues from before it.

        Args:
            conversation_id: where the message was seen; its present configuration is used.

        Returns:
            the new conversation's id.

        Raises:
            Refused: if the run has no message.
        """
        old = self.record(run_id).run
        if not old.text:
            raise Refused("Only a message can be run again.")
        conversation = self.conversation(conversation_id)
        self.agent_in(conversation)
        new_id = self.journal.write(deeds.fork, conversation, old)
        self.send(new_id, old.text, by=by)
        return new_id

    def try_tool(self, agent: str, tool: str, arguments: dict[str, Any], *, by: str) -> str:
        """Put one call through the gate, without a model; returns its conversation's id.

        Raises:
            NotFound: if there is no such agent or tool.
            InvalidArguments: if the arguments don't fit the tool.
        """
        config = self.agents.get(agent)
        found = config.tool(tool)
        if found is None:
            raise NotFound(f"Agent {agent!r} has no tool {tool!r}.")
        call = ToolCall(tool, validate(found, arguments), "by-hand", asks=config.asks(tool))
        conversation_id = self.journal.write(
            deeds.try_call, config.name, call, by, config.snapshot()
        )
        self.engine.look()
        return conversation_id

    def wait_until_idle(self, conversation_id: str, timeout: float | None) -> None:
        """Wait until no run of the conversation works or waits.

        Raises:
            TimeoutError: if that takes longer than `timeout` seconds.
        """
        changed = threading.Event()
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        unsubscribe = self.engine.bus.subscribe(conversation_id, lambda *_: changed.set())
        try:
            while self.is_busy(conversation_id):
                left = deadline - time.monotonic()
                if left <= 0 or not changed.wait(None if timeout is None else left):
                    raise TimeoutError(f"Conversation {conversation_id} is still busy.")
                changed.clear()
        finally:
            unsubscribe()
