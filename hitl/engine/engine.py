"""Wakes runs in this process: finds those that are due, and lets the workflow work on them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from llama_index.core.llms import LLM, ChatMessage
from llama_index.core.workflow import Event, StopEvent
from workflows.errors import WorkflowCancelledByUser
from workflows.handler import WorkflowHandler

from hitl.agents import AgentConfig
from hitl.engine.bus import Bus
from hitl.engine.loop import LoopThread
from hitl.engine.owner import is_dead, new_owner, retire
from hitl.errors import HitlError, JournalUnavailable, RunLost
from hitl.events import LookEvent, TextDeltaEvent
from hitl.journal import Journal, Run, conversations, decisions, runs
from hitl.journal.history import memory_of
from hitl.journal.journal import Watcher
from hitl.limits import DEFAULT_LIMITS, Limits
from hitl.segment import Segment
from hitl.validity import Agents, present_agent
from hitl.workflow import HITLAgent

LEASE_SECONDS = 10.0
HEARTBEAT_SECONDS = 2.0
WATCH_SECONDS = 0.3
DRAIN_SECONDS = 2.0
logger = logging.getLogger("hitl.engine")


class Engine:
    """One per process. Trusted for nothing: every step it takes is allowed by the journal.

    Args:
        journal: the truth.
        agents: the agents it knows; runs of others are left alone.
        choose_llm: the model for an agent.
        explain: an error of the model in plain words.
        kinds: the kinds of conversations it serves.
        limits: how many runs it works on at once, and how much each may take.
    """

    def __init__(
        self,
        journal: Journal,
        agents: Agents,
        choose_llm: Callable[[AgentConfig], LLM],
        *,
        explain: Callable[[Exception], str] = str,
        kinds: tuple[str, ...] = ("chat", "try"),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.journal, self.agents, self.kinds, self.limits = journal, agents, kinds, limits
        self.bus = Bus()
        self.owner = new_owner()
        self.trouble: str | None = None
        self._choose_llm, self._explain = choose_llm, explain
        self._workflow = HITLAgent()
        self._segments: dict[str, asyncio.Task[None]] = {}
        self._handlers: dict[str, WorkflowHandler] = {}
        self._conversation_of: dict[str, str] = {}
        self._live: dict[str, str] = {}
        self._pokes: set[asyncio.Task[None]] = set()
        self._thread: LoopThread | None = None
        self._stopping = self._has_strays = False
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Start the background loop; continue whatever an earlier process left."""
        self._thread = LoopThread()
        self.journal.listen(self._publish)
        self._thread.submit(self._serve())

    def stop(self) -> None:
        """End the background loop. What it worked on is continued by the next process."""
        if self._thread is not None and not self._stopping:
            self._stopping = True
            self._thread.submit(self._drain()).result(timeout=DRAIN_SECONDS + 2)
            self._thread.stop()
        retire(self.owner)

    @property
    def is_alive(self) -> bool:
        """Whether the background loop runs; without it nothing that is approved would start."""
        return self._thread is not None and self._thread.is_alive

    def look(self, run_id: str | None = None) -> None:
        """Say, from any thread, that a run may be due or, with its id, that it has news."""
        if self._thread is not None and self._thread.is_alive:
            self._thread.loop.call_soon_threadsafe(self._look_soon, run_id)

    def live_text(self, run_id: str) -> str:
        """What the model has said so far in the turn that it is speaking now."""
        return self._live.get(run_id, "")

    def live_length(self, conversation_id: str) -> int:
        """How much text streams in for a conversation, for noticing that there is more."""
        runs_here = [run for run, of in self._conversation_of.items() if of == conversation_id]
        return sum(len(self.live_text(run)) for run in runs_here)

    def _look_soon(self, run_id: str | None) -> None:
        if run_id in self._handlers:
            self._poke(run_id)
        else:
            self._wake.set()

    def _publish(self, conversation_ids: set[str]) -> None:
        for conversation_id in conversation_ids:
            self.bus.publish(conversation_id)

    async def _serve(self) -> None:
        await self._guarded(self._bury_the_dead)
        watch = asyncio.create_task(self._watch())
        beat = asyncio.create_task(self._beat())
        try:
            while True:
                self._wake.clear()
                await self._guarded(self._follow_the_clock)
                await self._guarded(self._start_due_runs)
                await self._wake.wait()
        finally:
            watch.cancel()
            beat.cancel()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Survive a database that is away: say so, and try again at the next beat."""
        try:
            await work()
            self._note_trouble(None)
        except JournalUnavailable as error:
            self._note_trouble(str(error))
        except Exception:
            logger.exception("the engine stumbled and goes on")

    def _note_trouble(self, trouble: str | None) -> None:
        """Keep, and tell once, that the database is away, or back."""
        changed = (trouble is None) != (self.trouble is None)
        self.trouble = trouble
        if changed and trouble:
            logger.error("%s", trouble)
        elif changed:
            logger.warning("the database is back")
        if changed:
            self.bus.publish("")

    async def _bury_the_dead(self) -> None:
        for owner in await self.journal.aread(runs.owners):
            if is_dead(owner):
                await self.journal.awrite(runs.release, owner)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self._segments:
                await self._guarded(self._renew)
            if self._has_strays:
                await self._guarded(self._give_back)
            self._wake.set()

    async def _give_back(self) -> None:
        """Let runs be taken up again whose segments ended without knowing what was stored."""
        await self.journal.awrite(runs.give_back, [*self._segments], self.owner)
        self._has_strays = False

    async def _renew(self) -> None:
        await self.journal.awrite(runs.renew, [*self._segments], self.owner, LEASE_SECONDS)

    async def _watch(self) -> None:
        watcher = Watcher(self.journal)
        while True:
            await self._guarded(lambda: self._notice(watcher))
            await asyncio.sleep(WATCH_SECONDS)

    async def _notice(self, watcher: Watcher) -> None:
        changed = await asyncio.to_thread(watcher.changed)
        self._publish(changed)
        for run_id in [run for run, of in self._conversation_of.items() if of in changed]:
            self._poke(run_id)
        if changed:
            self._wake.set()

    async def _drain(self) -> None:
        """Let what runs come to its end, for a moment: a tool cut off here would be unknown."""
        if self._segments:
            await asyncio.wait(self._segments.values(), timeout=DRAIN_SECONDS)

    async def _follow_the_clock(self) -> None:
        """End what nobody answered in time; let count what can't be taken back any more."""
        for request in await self.journal.aread(decisions.by_the_clock):
            left = (request.effective_at or 0) - time.time()
            if request.status == "pending":
                await self.journal.awrite(decisions.expire, request.id)
            elif left > 0:
                asyncio.get_running_loop().call_later(left, self._wake.set)
            elif await self.journal.awrite(decisions.take_effect, request.id):
                self._poke(request.run_id)

    async def _start_due_runs(self) -> None:
        if self._stopping:
            return
        names = await asyncio.to_thread(self.agents.names)  # may import modules, for seconds
        for run_id in await self.journal.aread(runs.due, names, self.kinds):
            if len(self._segments) >= self.limits.runs_at_once:
                return  # whoever ends makes this look again
            if run_id not in self._segments:
                task = asyncio.create_task(self._work_on(run_id))
                self._segments[run_id] = task

    async def _work_on(self, run_id: str) -> None:
        try:
            run = await self.journal.awrite(runs.acquire, run_id, self.owner, LEASE_SECONDS)
            if run is not None:
                await self._work_on_own(run)
        except JournalUnavailable as error:
            logger.error("run %s goes on when the database is back: %s", run_id, error)
            self._has_strays = True
        finally:
            for kept in (self._segments, self._handlers, self._conversation_of, self._live):
                kept.pop(run_id, None)
            self._wake.set()

    async def _work_on_own(self, run: Run) -> None:
        try:
            segment = await self._segment(run)
            handler = self._workflow.run(segment=segment)
            self._handlers[run.id] = handler
            self._conversation_of[run.id] = run.conversation_id
            async for event in handler.stream_events():
                self._pass_on(run, event)
            await handler
        except (RunLost, WorkflowCancelledByUser) as error:
            logger.info("run %s: %s", run.id, error)
            self._has_strays = True
        except JournalUnavailable:
            raise
        except Exception as error:
            await self._fail(run, error)

    async def _fail(self, run: Run, error: Exception) -> None:
        said = str(error) if isinstance(error, HitlError) else self._explain(error)
        logger.warning("run %s failed: %s", run.id, said)
        logger.debug("run %s failed", run.id, exc_info=error)
        try:
            await self.journal.awrite(runs.fail, run, self.owner, said)
        except RunLost as lost:
            logger.info("run %s: %s", run.id, lost)

    async def _segment(self, run: Run) -> Segment:
        conversation = await self.journal.aread(conversations.get, run.conversation_id)
        found = await asyncio.to_thread(self.agents.get, run.agent, run.config.get("version"))
        agent = found.changed(run.config)
        if run.turn == 0:
            agent = await self._tightened(run, agent, conversation.changes)
        return Segment(
            self.journal,
            run.id,
            self.owner,
            agent,
            make_model=lambda: self._make_model(run, agent),
            parks=True,
            speaks=conversation.kind != "try",
            present=lambda: self._present(run, agent),
            limits=self.limits,
        )

    async def _present(self, run: Run, agent: AgentConfig) -> AgentConfig:
        """The agent with the tools that it has now, and never laxer rules than it had."""
        conversation = await self.journal.aread(conversations.get, run.conversation_id)
        return await asyncio.to_thread(present_agent, self.agents, run, agent, conversation.changes)

    async def _tightened(
        self, run: Run, agent: AgentConfig, changes: dict[str, Any]
    ) -> AgentConfig:
        """The agent as the message was sent to it; but what asks by now asks in this run too."""
        strict = await asyncio.to_thread(present_agent, self.agents, run, agent, changes)
        tools = strict.snapshot()["tools"]
        if tools != agent.snapshot()["tools"]:
            await self.journal.awrite(runs.tighten, run, self.owner, tools)
        return strict

    async def _make_model(self, run: Run, agent: AgentConfig) -> tuple[LLM, list[ChatMessage]]:
        llm = await asyncio.to_thread(self._choose_llm, agent)
        memory = memory_of(
            self.journal,
            run.conversation_id,
            llm,
            before=run.position,
            longest_result=self.limits.result,
        )
        return llm, await memory.aget()

    def _pass_on(self, run: Run, event: Event) -> None:
        """Hand an event of the run to whoever looks on; keep the text that streams in."""
        if isinstance(event, TextDeltaEvent):
            self._live[run.id] = self._live.get(run.id, "") + event.delta
        elif not isinstance(event, StopEvent):
            self._live.pop(run.id, None)
        self.bus.publish(run.conversation_id, event)

    def _poke(self, run_id: str) -> None:
        """Let a live segment look again; end it if the run is no longer ours."""
        task = asyncio.create_task(self._guarded(lambda: self._poke_or_cancel(run_id)))
        self._pokes.add(task)
        task.add_done_callback(self._pokes.discard)

    async def _poke_or_cancel(self, run_id: str) -> None:
        run = await self.journal.aread(runs.get, run_id)
        handler = self._handlers.get(run_id)
        if handler is None or run is None:
            self._wake.set()
        elif run.owner == self.owner and run.status == "working":
            handler.ctx.send_event(LookEvent())
        else:
            await handler.cancel_run()
