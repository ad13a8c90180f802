"""What one workflow run works on: one run of the journal, from here until people must decide."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from llama_index.core.llms import LLM, ChatMessage, MessageRole

from hitl.agents import AgentConfig
from hitl.answers import Answer
from hitl.journal import (
    Journal,
    ModelCall,
    RunRecord,
    ToolRequest,
    conversations,
    model_calls,
    requests,
    runs,
)
from hitl.journal.values import RequestStatus, RunStatus
from hitl.toolcalls import assistant_message, chat_of, check_calls


@dataclass(frozen=True)
class Start:
    """These approved calls may start."""

    requests: list[ToolRequest]


@dataclass(frozen=True)
class Speak:
    """Every call has its outcome: it is the model's turn."""

    turn: int


@dataclass(frozen=True)
class WaitForTools:
    """Calls are running."""


@dataclass(frozen=True)
class WaitForPeople:
    """Only people can move the run on."""


@dataclass(frozen=True)
class End:
    """The run ends without another word of the model."""


@dataclass(frozen=True)
class Leave:
    """The run has ended, a moment ago or at somebody's word: nothing is left to do."""


Move = Start | Speak | WaitForTools | WaitForPeople | End | Leave


def next_move(record: RunRecord, *, speaks: bool = True) -> Move:
    """What may happen next in a run, from nothing but what the journal holds.

    Args:
        speaks: False for a call put through the gate by hand, which has no model.
    """
    if record.run.has_ended:
        return Leave()
    turn = record.run.turn
    waiting: dict[str, list[ToolRequest]] = {
        status: [] for status in ("pending", "approved", "running")
    }
    for request in record.requests_of(turn):
        waiting.get(request.status, []).append(request)
    if waiting["approved"]:
        return Start(waiting["approved"])
    if waiting["running"]:
        return WaitForTools()
    if waiting["pending"]:
        return WaitForPeople()
    if record.run.superseded or (turn > 0 and not speaks):
        return End()
    return Speak(turn + 1)


@dataclass(repr=False, eq=False)  # the workflow's tracing prints whatever travels through it
class Segment:
    """One run, its agent and model, and every write that the workflow's steps may make.

    Args:
        owner: who works on the run; writes of anybody else are refused by the journal.
        llm: the model; None if `make_model` is to make it.
        history: the conversation before this run.
        make_model: makes the model and reads the history, once the model is to speak. Whatever
            goes wrong with them then finds every call settled: no approval can be lost by it.
        parks: end when only people can move the run on, instead of waiting for their events.
        speaks: False for a call put through the gate by hand, which has no model.
    """

    journal: Journal
    run_id: str
    owner: str
    agent: AgentConfig
    llm: LLM | None = None
    history: Sequence[ChatMessage] = ()
    make_model: Callable[[], Awaitable[tuple[LLM, Sequence[ChatMessage]]]] | None = None
    parks: bool = False
    speaks: bool = True
    started: set[str] = field(default_factory=set)
    spoken: int = 0

    async def model(self) -> LLM:
        """The model; only a run that speaks has one, from when it first speaks."""
        if self.llm is None:
            assert self.make_model is not None
            self.llm, self.history = await self.make_model()
        return self.llm

    async def record(self) -> RunRecord:
        """The run as the journal holds it now."""
        return await self.journal.aread(conversations.record, self.run_id)

    def to_start(self, approved: list[ToolRequest]) -> list[ToolRequest]:
        """Those of the approved calls that this segment has not sent on their way yet."""
        fresh = [request for request in approved if request.id not in self.started]
        self.started.update(request.id for request in fresh)
        return fresh

    def may_speak(self, turn: int) -> bool:
        """Whether the model should be called for this turn; once per segment."""
        first, self.spoken = turn > self.spoken, max(turn, self.spoken)
        return first

    def messages(self, record: RunRecord) -> list[ChatMessage]:
        """What the model reads: system prompt, history, and this run so far."""
        return [self.system_message(), *self.history, *chat_of(record)]

    def system_message(self) -> ChatMessage:
        prompt = (self.agent.system_prompt or "").strip()
        state = "\n".join(f"{key}: {value}" for key, value in self.agent.state.items())
        content = f"{prompt}\n\nHere is the current user state:\n{state}".strip()
        return ChatMessage(role=MessageRole.SYSTEM, content=content)

    async def spoke(
        self, record: RunRecord, sent: list[ChatMessage], since: float, answer: Answer
    ) -> RunRecord:
        """Write down a turn of the model: its message, its calls, what was sent and received."""
        turn = record.run.turn + 1
        calls = check_calls(self.agent, answer.calls, turn)
        said = assistant_message(answer.text, answer.calls, calls)
        kept = self.model_call(turn, sent, since, answer=answer)
        await self.journal.awrite(runs.speak, record.run, self.owner, said, calls, kept)
        return await self.record()

    async def failed_to_speak(
        self, record: RunRecord, sent: list[ChatMessage], since: float, error: BaseException
    ) -> None:
        """Keep the record of a model call that brought no answer."""
        kept = self.model_call(record.run.turn + 1, sent, since, error=error)
        await self.journal.awrite(model_calls.keep, kept)

    def model_call(
        self,
        turn: int,
        sent: list[ChatMessage],
        since: float,
        *,
        answer: Answer | None = None,
        error: BaseException | None = None,
    ) -> ModelCall:
        """The record of one model call, for "Details" and for replaying it later."""
        model = getattr(self.llm, "model", None) or getattr(self.llm, "model_name", None)
        return ModelCall(
            run_id=self.run_id,
            turn=turn,
            started_at=since,
            ms=(time.time() - since) * 1000,
            config={
                **self.agent.snapshot(),
                "model": model,
                "temperature": getattr(self.llm, "temperature", None),
            },
            messages=[message.model_dump(mode="json") for message in sent],
            tools=[tool.metadata.to_openai_tool(True) for tool in self.agent.tools or []],
            reply=answer.as_data() if answer else None,
            error=f"{type(error).__name__}: {error}" if error else None,
            tokens_in=answer.tokens_in if answer else None,
            tokens_out=answer.tokens_out if answer else None,
        )

    async def claim(self, request_id: str) -> ToolRequest | None:
        """Take an approved call for execution; None if it may not start."""
        return await self.journal.awrite(requests.claim, request_id, self.owner)

    async def settle(self, request: ToolRequest, *, failed: bool, result: str) -> None:
        """Write down what came of a call."""
        status: RequestStatus = "failed" if failed else "succeeded"
        await self.journal.awrite(requests.settle, request.id, self.owner, status, result)

    async def park(self) -> bool:
        """Let go of the run; False if something happened meanwhile and there is more to do."""
        return await self.journal.awrite(runs.park, self.run_id, self.owner)

    async def end(self) -> None:
        """End the run without another word of the model."""
        status: RunStatus = "superseded" if self.speaks else "answered"
        await self.journal.awrite(runs.finish, self.run_id, self.owner, status)
