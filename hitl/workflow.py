"""HITLAgent: the notebook's workflow, on a journal. Each step looks, does one thing, looks again.

Steps may be repeated and come in any order: every change is a conditional one in the journal.
"""

import logging
import time
import traceback
from dataclasses import dataclass
from typing import Any

from llama_index.core.tools import AsyncBaseTool, ToolSelection
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step

from hitl.answers import ask_model
from hitl.events import (
    LLMCallEvent,
    LookEvent,
    ProgressEvent,
    TextDeltaEvent,
    ToolApprovedEvent,
    ToolCallEvent,
    ToolCallResultEvent,
    ToolRequestEvent,
)
from hitl.execution import in_words, run_tool
from hitl.journal import RunRecord, ToolRequest
from hitl.journal.values import REPLACED
from hitl.library import decide, start_in_memory
from hitl.outcomes import FAILED, NO_SUCH_TOOL, chat_of, tool_message
from hitl.secrecy import masked, without_secrets
from hitl.segment import (
    End,
    Leave,
    Segment,
    Speak,
    Start,
    WaitForPeople,
    WaitForTools,
    next_move,
)

logger = logging.getLogger("hitl.workflow")


@dataclass(frozen=True)
class Parked:
    """The result of a segment that ended because only people can move its run on."""

    run_id: str


class HITLAgent(Workflow):
    """An agent whose tool calls wait for a person's approval.

    As a library: `HITLAgent().run(agent_config=…, user_msg=…, chat_history=…, initial_state=…,
    llm=…)`; answer each `ToolRequestEvent` with a `ToolApprovedEvent`. Waiting has no timeout.
    The app gives `segment=…` instead, a run of its journal.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"timeout": None, **options})

    @step
    async def setup(
        self, ctx: Context, ev: StartEvent
    ) -> LLMCallEvent | ToolCallEvent | LookEvent | None:
        """Take up a run of the journal, or make a new one in memory, and begin.

        Raises:
            ValueError: if something required is None, or the LLM can't call functions.
        """
        segment = ev.get("segment") or await start_in_memory(ev)
        await ctx.store.set("segment", segment)
        move = next_move(await segment.take_up(), speaks=segment.speaks)
        return _go_on(ctx, segment, move) if isinstance(move, Start | Speak) else LookEvent()

    @step
    async def speak_with_agent(
        self, ctx: Context, ev: LLMCallEvent
    ) -> ToolRequestEvent | LookEvent | StopEvent:
        """Let the model speak; write down what it said and asked for."""
        segment: Segment = await ctx.store.get("segment")
        llm = await segment.model()
        record = await segment.record()
        segment.stop_if_endless(record.run.turn + 1)
        sent, since = segment.messages(record), time.time()
        try:
            answer = await ask_model(
                llm,
                segment.agent.tools or [],
                sent,
                lambda delta: ctx.write_event_to_stream(TextDeltaEvent(delta=delta)),
            )
        except BaseException as error:  # a call that a person stopped is kept too
            await segment.failed_to_speak(record, sent, since, error)
            raise
        record = await segment.spoke(record, sent, since, answer)
        ctx.write_event_to_stream(LookEvent())  # what streamed in is in the journal now
        for request in record.requests_of(record.run.turn):
            _announce(ctx, request)
        if record.run.status == "answered":
            return StopEvent(result=_result(segment, record))
        if record.run.status == "waiting":
            return StopEvent(result=Parked(segment.run_id))
        segment.stop_if_it_insists(record)
        return LookEvent()

    @step
    async def handle_tool_approval(self, ctx: Context, ev: ToolApprovedEvent) -> LookEvent:
        """Put a person's answer to the journal, which alone decides whether it counts."""
        segment: Segment = await ctx.store.get("segment")
        if refusal := await decide(segment, ev):
            logger.warning("refused an approval of %s: %s", ev.tool_id, refusal)
            ctx.write_event_to_stream(ProgressEvent(msg=f"Approval refused: {refusal}"))
        return LookEvent()

    @step(num_workers=4)
    async def handle_tool_call(
        self, ctx: Context, ev: ToolCallEvent
    ) -> ToolCallResultEvent | LookEvent:
        """Run a call if, and only if, the journal gives it to us; write down what came of it."""
        segment: Segment = await ctx.store.get("segment")
        claimed = await segment.claim(ev.tool_call.tool_id)
        if claimed is None:
            return await _announce_anew(segment, ctx, ev.tool_call.tool_id)
        request, tool = claimed
        failed, result = await _execute(tool, request, ctx)
        record = await segment.settle(request, failed=failed, result=result)
        settled = next(each for each in record.requests if each.id == request.id)
        if settled.is_open:  # somebody else will say what became of it
            return LookEvent()
        _announce(ctx, settled)
        return ToolCallResultEvent(chat_message=tool_message(settled))

    @step(num_workers=1)
    async def aggregate_tool_results(
        self, ctx: Context, ev: ToolCallResultEvent | LookEvent
    ) -> LLMCallEvent | ToolCallEvent | LookEvent | StopEvent | None:
        """Look at the journal and do what comes next."""
        segment: Segment | None = await ctx.store.get("segment", default=None)
        if segment is None:  # somebody had news before the run was taken up; that looks anyway
            return None
        match next_move(await segment.record(), speaks=segment.speaks):
            case Start() | Speak() as move:
                return _go_on(ctx, segment, move)
            case WaitForTools() | Leave():
                return None
            case WaitForPeople():
                return await self._wait(segment)
            case End():
                await segment.end()
                return StopEvent(result=_result(segment, await segment.record()))

    async def _wait(self, segment: Segment) -> LookEvent | StopEvent | None:
        """In the app, park: nothing waits in memory for a person. In the library, wait."""
        if not segment.parks:
            return None
        return StopEvent(result=Parked(segment.run_id)) if await segment.park() else LookEvent()


def _go_on(ctx: Context, segment: Segment, move: Start | Speak) -> LLMCallEvent | None:
    """Send calls on their way, or let the model speak; each once, however often it is asked for."""
    if isinstance(move, Speak):
        return LLMCallEvent() if segment.may_speak(move.turn) else None
    for request in segment.to_start(move.requests):
        ctx.send_event(_tool_call(request))
    return None


async def _announce_anew(segment: Segment, ctx: Context, request_id: str) -> LookEvent:
    """Tell the stream what is asked in the place of a request that turned out to be void."""
    for request in (await segment.record()).requests:
        if request.replaces == request_id:
            _announce(ctx, request)
        elif request.id == request_id and request.status == "pending":  # its grant has ended
            segment.started.discard(request_id)
    return LookEvent()


async def _execute(
    tool: AsyncBaseTool | None, request: ToolRequest, ctx: Context
) -> tuple[bool, str]:
    """Run the tool; what goes wrong in it is an answer to the model. Returns (failed, result)."""
    if tool is None:
        return True, NO_SUCH_TOOL.format(request.tool)
    try:
        return False, await run_tool(tool, request.final_arguments, ctx)
    except Exception as error:
        told = without_secrets(traceback.format_exc(), request.final_arguments, request.secret)
        logger.info("tool %s of request %s failed\n%s", request.tool, request.id, told)
        return True, f"{FAILED}{in_words(error)}"


def _tool_call(request: ToolRequest) -> ToolCallEvent:
    return ToolCallEvent(
        tool_call=ToolSelection(
            tool_id=request.id, tool_name=request.tool, tool_kwargs=request.final_arguments
        )
    )


def _announce(ctx: Context, request: ToolRequest) -> None:
    """Tell the stream what a request asks, or what came of it."""
    if request.status == "pending":
        ctx.write_event_to_stream(
            ToolRequestEvent(
                prefix=f"Tool {request.tool} requires human approval.",
                tool_name=request.tool,
                tool_id=request.id,
                tool_kwargs=request.final_arguments,
            )
        )
    elif not request.is_open and request.status not in REPLACED:
        shown = masked(request.final_arguments, request.secret)
        ctx.write_event_to_stream(
            ProgressEvent(
                msg=f"Tool {request.tool} called with {shown} "
                f"returned {tool_message(request).content}"
            )
        )


def _result(segment: Segment, record: RunRecord) -> dict[str, Any] | None:
    """What `await handler` returns. Where the journal is stored, it alone tells."""
    if segment.parks:
        return None
    chat = [*segment.history, *chat_of(record)]
    return {"response": chat[-1].content if chat else None, "chat_history": chat}
