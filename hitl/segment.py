"""What one workflow run works on: one run of the journal, from here until people must decide."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from llama_index.core.llms import LLM, ChatMessage, MessageRole
from llama_index.core.tools import AsyncBaseTool
from sqlalchemy import Connection

from hitl import window
from hitl.agents import AgentConfig, facts_of
from hitl.answers import Answer
from hitl.errors import JournalUnavailable, ModelError
from hitl.journal import (
    Journal,
    ModelCall,
    RunAgain,
    RunRecord,
    ToolRequest,
    conversations,
    dispatch,
    model_calls,
    requests,
    runs,
)
from hitl.journal.dispatch import IDEMPOTENT
from hitl.journal.values import RequestStatus, RunStatus
from hitl.limits import DEFAULT_LIMITS, Limits
from hitl.origins import sources_of
from hitl.outcomes import chat_of
from hitl.repeats import marked, most_repeats
from hitl.toolcalls import assistant_message, check_calls
from hitl.validity import dispatch_of

P = ParamSpec("P")
T = TypeVar("T")
LONGEST_PAUSE_SECONDS = 2.0


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
    present = record.requests_of(turn)
    if approved := [request for request in present if request.status == "approved"]:
        return Start(approved)
    if any(request.status == "running" for request in present):
        return WaitForTools()
    if any(request.waits or request.status == "decided" for request in present):
        return WaitForPeople()
    ends = record.run.superseded or record.run.stopped_by is not None
    if ends or (turn > 0 and not speaks):
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
        present: the agent as it is at this moment, its rules never laxer than when the run began.
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
    present: Callable[[], Awaitable[AgentConfig]] | None = None
    limits: Limits = DEFAULT_LIMITS
    started: set[str] = field(default_factory=set)
    spoken: int = 0
    known: RunRecord | None = None

    async def model(self) -> LLM:
        """The model; only a run that speaks has one, from when it first speaks."""
        if self.llm is None:
            assert self.make_model is not None
            made: tuple[LLM, Sequence[ChatMessage]] = await self._patiently(self.make_model)
            self.llm, self.history = made
        return self.llm

    async def record(self) -> RunRecord:
        """The run as the journal holds it now; read whole only if it has changed."""
        self.known = await self._patiently(
            lambda: self.journal.aread(conversations.record_since, self.run_id, self.known),
        )
        return self.known

    async def _write(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._patiently(lambda: self.journal.awrite(action, *args, **kwargs))

    async def _write_and_look(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> RunRecord:
        """Write, and read the run as it is then, in one transaction."""

        @wraps(action)
        def both(tx: Connection) -> RunRecord:
            action(tx, *args, **kwargs)
            return conversations.record(tx, self.run_id)

        self.known = await self._write(both)
        return self.known

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it, however long the database is away: what is known by now must not be lost."""
        pause = 0.05
        while True:
            try:
                return await work()
            except JournalUnavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def take_up(self) -> RunRecord:
        """Begin: what was cut off runs again by itself, if it is declared to bear that."""
        record = await self.record()
        doubtful = [each for each in record.requests_of(record.run.turn) if each.is_in_doubt]
        if not doubtful or record.run.stopped_by is not None:
            return record
        for request in doubtful:
            await self._repeat_if_idempotent(record, request)
        return await self.record()

    async def _repeat_if_idempotent(self, record: RunRecord, request: ToolRequest) -> None:
        tool = (await self.present_agent()).tool(request.tool)
        place = (request.turn, request.place)
        attempts = [each for each in record.requests if (each.turn, each.place) == place]
        bears_it = tool is not None and facts_of(tool).idempotent
        if bears_it and len(attempts) < self.limits.idempotent_attempts:
            await self._write(dispatch.resolve, request.id, RunAgain(), IDEMPOTENT)

    async def present_agent(self) -> AgentConfig:
        """The agent with its tools and rules as they are now."""
        if self.present is not None:
            self.agent = await self._patiently(self.present)
        return self.agent

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
        """What the model reads: system prompt, history, and this run so far, as far as it fits.

        Raises:
            ModelError: if this run alone is too long for the model.
        """
        assert self.llm is not None
        longest = self.limits.result
        return window.fit(
            self.system_message(),
            window.cut_results(self.history, longest),
            window.cut_results(chat_of(record), longest),
            tools=self.agent.tools or [],
            window=self.llm.metadata.context_window,
        )

    def system_message(self) -> ChatMessage:
        prompt = (self.agent.system_prompt or "").strip()
        state = "\n".join(f"{key}: {value}" for key, value in self.agent.state.items())
        content = f"{prompt}\n\nHere is the current user state:\n{state}".strip()
        return ChatMessage(role=MessageRole.SYSTEM, content=content)

    async def spoke(
        self, record: RunRecord, sent: list[ChatMessage], since: float, answer: Answer
    ) -> RunRecord:
        """Write down a turn of the model: its message, its calls, what was sent and received.

        If only people can move the run on then, it is parked in the same transaction; but not
        where the model may be about to be stopped.
        """
        turn = record.run.turn + 1
        agent = await self.present_agent()
        sources = sources_of(record, self.history)
        calls = marked(record, check_calls(agent, answer.calls, turn, self.limits, sources))
        said = assistant_message(answer.text, answer.calls, calls)
        kept = self.model_call(turn, sent, since, answer=answer)
        parks = self.parks and all(call.rejected_again is None for call in calls)
        return await self._write_and_look(
            runs.speak, record.run, self.owner, said, calls, kept, parks=parks
        )

    def stop_if_it_insists(self, record: RunRecord) -> None:
        """End the run of a model that asks again and again for what was rejected.

        Raises:
            ModelError: if it has done so too often.
        """
        if (times := most_repeats(record)) >= self.limits.repeats:
            raise ModelError(
                f"The model asked {times} times more for a call that was rejected, so it was "
                "stopped. Nothing of that was executed. Say what it should do instead."
            )

    def stop_if_endless(self, turn: int) -> None:
        """End a run that goes on and on.

        Raises:
            ModelError: if it has taken more turns than the limits allow.
        """
        if turn > self.limits.turns_per_run:
            raise ModelError(
                f"The agent took {turn - 1} turns for one message, which is the limit, and was "
                "stopped. Write that it should go on, or set HITL_MAX_TURNS."
            )

    async def failed_to_speak(
        self, record: RunRecord, sent: list[ChatMessage], since: float, error: BaseException
    ) -> None:
        """Keep the record of a model call that brought no answer."""
        kept = self.model_call(record.run.turn + 1, sent, since, error=error)
        with suppress(JournalUnavailable):  # it is only the record of a failure
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

    async def claim(self, request_id: str) -> tuple[ToolRequest, AsyncBaseTool | None] | None:
        """Take an approved call for execution, with the tool to execute; None if it may not start.

        What is compared with the approval is the very tool that is returned.
        """
        request = await self._patiently(lambda: self.journal.aread(requests.get, request_id))
        if request is None:
            return None
        agent = await self.present_agent()
        now = dispatch_of(agent, request)
        token = secrets.token_hex(8)
        claimed = await self._write(dispatch.claim, request_id, self.owner, token, now)
        return None if claimed is None else (claimed, agent.tool(request.tool))

    async def settle(self, request: ToolRequest, *, failed: bool, result: str) -> RunRecord:
        """Write down what came of a call, unless it was declared unknown meanwhile."""
        status: RequestStatus = "failed" if failed else "succeeded"
        token = request.claim or ""
        return await self._write_and_look(
            dispatch.settle, request.id, self.owner, token, status, result
        )

    async def park(self) -> bool:
        """Let go of the run; False if something happened meanwhile and there is more to do."""
        return await self._write(runs.park, self.run_id, self.owner)

    async def end(self) -> None:
        """End the run without another word of the model."""
        status: RunStatus = "superseded" if self.speaks else "answered"
        await self._write(runs.finish, self.run_id, self.owner, status)
