"""All that a page, a terminal or a notebook can ask for. Answers at once; waits for nobody."""

import math
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from llama_index.core.workflow import Event

from hitl.edits import edited
from hitl.errors import JournalUnavailable, NotFound, Refused
from hitl.handler import ConversationHandler
from hitl.journal import (
    Approve,
    Decision,
    Resolution,
    Scope,
    Verdict,
    conversations,
    decisions,
    deeds,
    dispatch,
    grants,
    requests,
    runs,
)
from hitl.journal.choices import require_decision, require_resolution
from hitl.origins import by_hand
from hitl.toolcalls import checked_call
from hitl.views import Views


class Desk(Views):
    """The one door between people and the journal. Safe from any thread."""

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
            Refused: if the message is empty, or too long.
            NotFound: if the agent is gone.
        """
        self._check_message(text)
        config = self.agents.get(agent).changed(changes).snapshot()
        self.journal.write(deeds.begin, conversation_id, agent, changes, text, by, config)
        self.engine.look()

    def _check_message(self, text: str) -> None:
        longest = self.engine.limits.message
        if not text.strip():
            raise Refused("The message is empty.")
        if len(text) > longest:
            raise Refused(
                f"The message has {len(text)} characters, and at most {longest} are taken. "
                "Shorten it, or set HITL_MAX_MESSAGE."
            )

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
            Refused: if it is empty or too long, or the conversation takes no messages here.
            NotFound: if the conversation or its agent is gone.
        """
        self._check_message(text)
        conversation = self.conversation(conversation_id)
        if conversation.kind != self.kind:
            raise Refused("This conversation takes no messages; start a new chat instead.")
        config = self.agent_in(conversation).snapshot()
        run_id = self.journal.write(deeds.send, conversation, text, by, config)
        self.engine.look()
        return run_id

    def decide(self, request_id: str, decision: Decision, *, by: str) -> Verdict:
        """Approve or reject a request, or answer in its place; only one decision ever counts.

        It takes effect at once, or after `undo_seconds`.

        Raises:
            InvalidArguments: if edited arguments don't fit the tool, or its rules forbid them.
            Refused: if it is an answer without words.
            TypeError: if it is no decision.
        """
        require_decision(decision)
        request = self.request(request_id)
        if request is None:
            return Verdict(False, None)
        if isinstance(decision, Approve) and decision.arguments is not None:
            agent = self.present_agent_of(self.record(request.run_id).run)
            longest = self.engine.limits.arguments
            checked = edited(agent, request, decision.arguments, longest)
            decision = replace(decision, arguments=checked.arguments)
        verdict = self.journal.write(decisions.decide, request_id, decision, by, self.undo_seconds)
        self.engine.look(request.run_id)
        return verdict

    def undo(self, request_id: str, *, by: str) -> Verdict:
        """Take a decision back, if it has not taken effect yet."""
        verdict = self.journal.write(decisions.take_back, request_id, by)
        self.engine.look()
        return verdict

    def grant(self, request_id: str, scope: Scope, *, by: str) -> Verdict:
        """Approve a request, and let others like it run without asking from now on.

        Args:
            scope: "call" for exactly these arguments, "conversation" for the tool in this one,
                "agent" for the tool of this agent wherever it is used.

        Raises:
            Refused: if the tool's rules don't let anybody grant it.
        """
        request = self.request(request_id)
        if request is None:
            return Verdict(False, None)
        if refusal := self.why_no_grant(request):
            raise Refused(refusal)
        verdict = self.journal.write(deeds.grant, request_id, scope, by, self.undo_seconds)
        self.engine.look(request.run_id)
        return verdict

    def revoke(self, grant_id: str, *, by: str) -> bool:
        """End a grant; what was queued under it waits for a person. False if it had ended."""
        revoked = self.journal.write(grants.revoke, grant_id, by)
        with suppress(JournalUnavailable):  # it is revoked; whoever claims these sees that too
            for request_id in self.journal.read(grants.queued, grant_id):
                self.journal.write(requests.ask_after_all, request_id)
        self.engine.look()
        return revoked

    def resolve(self, request_id: str, resolution: Resolution, *, by: str) -> Verdict:
        """Say what came of a call whose outcome is unknown, or have it run again.

        Raises:
            Refused: if it is to run again in a run that has ended.
            TypeError: if it is no resolution.
        """
        require_resolution(resolution)
        request = self.request(request_id)
        if request is None:
            return Verdict(False, None)
        verdict = self.journal.write(dispatch.resolve, request_id, resolution, by)
        self.engine.look(request.run_id)
        return verdict

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
        if config.tool(tool) is None:
            raise NotFound(f"Agent {agent!r} has no tool {tool!r}.")
        call = checked_call(config, tool, arguments, "by-hand", by_hand)
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

        def note(_: str, event: Event | None) -> None:
            if event is None:  # the journal changed; a run's own events say nothing of its end
                changed.set()

        unsubscribe = self.engine.bus.subscribe(conversation_id, note)
        try:
            while self.is_busy(conversation_id):
                left = deadline - time.monotonic()
                if left <= 0 or not changed.wait(None if timeout is None else left):
                    raise TimeoutError(f"Conversation {conversation_id} is still busy.")
                changed.clear()
        finally:
            unsubscribe()
