"""What there is to see in the journal, for a page, a terminal or a notebook. Changes nothing."""

from collections.abc import Hashable

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import AgentConfig
from hitl.engine import Engine
from hitl.errors import NotFound
from hitl.fingerprints import fingerprint
from hitl.journal import (
    Conversation,
    Grant,
    GrantUse,
    Journal,
    ModelCall,
    Run,
    RunRecord,
    ToolRequest,
    conversations,
    grants,
    model_calls,
    requests,
    runs,
    waiting,
)
from hitl.journal.history import JournalChatStore
from hitl.validity import Agents, present_agent


class Views:
    """The readable half of the desk. Safe from any thread.

    Args:
        kind: the kind of conversations that are started here.
        undo_seconds: how long a decision can be taken back before it takes effect.
    """

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        agents: Agents,
        *,
        kind: str = "chat",
        undo_seconds: float = 0.0,
    ) -> None:
        self.journal, self.engine, self.agents, self.kind = journal, engine, agents, kind
        self.undo_seconds = undo_seconds

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

    def versions(self, conversation_id: str) -> dict[str, int]:
        """The version of each run of a conversation; another one with each change of the run."""
        return self.journal.read(conversations.versions, conversation_id)

    def held(self, conversation_id: str) -> list[Run]:
        """Messages that wait for their author, or for the conversation to be free."""
        return self.journal.read(conversations.held, conversation_id)

    def pending(
        self, *, conversation_id: str | None = None, limit: int | None = None, skip: int = 0
    ) -> list[ToolRequest]:
        """What waits for a person, oldest first, over all conversations or in one."""
        return self.journal.read(
            waiting.pending, conversation_id=conversation_id, limit=limit, skip=skip
        )

    def count_pending(self) -> int:
        """How many requests wait for a person, over all conversations."""
        return self.journal.read(waiting.count_pending)

    def waits(self) -> waiting.Waits:
        """How many requests wait for a person, the newest and the first to expire, in numbers."""
        return self.journal.read(waiting.waits)

    def glance(self, most: int = 10) -> waiting.Glance:
        """What waits for a person, in short: the newest, and what expires first, by name."""
        return self.journal.read(waiting.glance, most)

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
        return self.journal.read(runs.is_busy, conversation_id)

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

    def present_agent_of(self, run: Run) -> AgentConfig:
        """The agent with the tools that it has now, and never laxer rules than the run began with.

        Raises:
            NotFound: if its file is gone or broken.
        """
        conversation = self.conversation(run.conversation_id)
        return present_agent(self.agents, run, self.agent_of(run), conversation.changes)

    def grants(self) -> list[GrantUse]:
        """All grants with their use: those that hold first, the newest first."""
        return self.journal.read(grants.everything)

    def grant_of(self, request: ToolRequest) -> Grant | None:
        """The grant that answered a request in a person's place, if one did."""
        return self.journal.read(grants.get, request.grant_id) if request.grant_id else None

    def why_no_grant(self, request: ToolRequest) -> str | None:
        """Why no grant can be given for requests like this one; None if one can."""
        try:
            agent = self.present_agent_of(self.record(request.run_id).run)
        except NotFound:
            return "The agent is gone, so nobody can grant this."
        tool = agent.tool(request.tool)
        if tool is None or fingerprint(tool) != request.fingerprint:
            return "The tool changed since this was asked, so nobody can grant it."
        ruling = agent.policy(request.tool).ruling(request.final_arguments, request.origins)
        if ruling.verb != "allow" and not ruling.grantable:
            return f"The agent's rules let nobody grant this: {ruling.rule}."
        return None

    def tool_of(self, request: ToolRequest) -> AsyncBaseTool | None:
        """The tool that a request is for, as it is now; None if it is not known here.

        Another program's tool of the same name is not this one.
        """
        if self.conversation(request.conversation_id).kind not in self.engine.kinds:
            return None
        try:
            return self.present_agent_of(self.record(request.run_id).run).tool(request.tool)
        except NotFound:
            return None

    def can_run(self, request: ToolRequest) -> bool:
        """Whether the engine here would carry out an approval of this request.

        Raises:
            NotFound: if its conversation is gone.
        """
        conversation = self.conversation(request.conversation_id)
        known = conversation.kind in self.engine.kinds
        return known and conversation.agent in self.agents.names()
