"""A conversation as rows of plain text, and a question about each request that waits."""

import shutil
import string
import threading
from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Any

from hitl.agents import ToolFacts, facts_of
from hitl.desk import Desk
from hitl.errors import NotFound, Refused
from hitl.handler import LOOK_AGAIN_SECONDS
from hitl.journal import (
    Approve,
    Decision,
    ItDidNotHappen,
    ItWorked,
    Reject,
    Resolution,
    Run,
    RunAgain,
    RunRecord,
    ToolRequest,
)
from hitl.journal.values import REPLACED
from hitl.outcomes import outcome_text
from hitl.plain import Rows, value, visible
from hitl.secrecy import masked

YES, NO = ("y", "yes"), ("n", "no")
APPROVE, RETRY, MESSAGE = "approve? [y/n/reason] ", "retry? [y/n] ", "\nYou: "
REVEAL = "?"
RESOLVE = "run again, it worked, or it did not happen? [r/w/n] "
RESOLUTIONS: dict[str, Resolution] = {"r": RunAgain(), "w": ItWorked(), "n": ItDidNotHappen()}
IN_SENTENCE = 48
SHOWN_AGAIN = 3


class Talk:
    """One conversation, said and asked in plain text, in a terminal or a notebook.

    Shows what is new in the journal, whoever put it there, and asks about what waits.

    Args:
        desk: where to ask.
        agent: whom the conversation is with.
        by: who writes and decides here.
        ask: shows a question and returns the answer; raises EOFError if there is none.
        say: shows text, without adding a line's end.
        conversation_id: which conversation goes on; None starts one with the first message.
    """

    def __init__(
        self,
        desk: Desk,
        agent: str,
        *,
        by: str,
        ask: Callable[[str], str],
        say: Callable[[str], None],
        conversation_id: str | None = None,
    ) -> None:
        self.desk, self.agent, self.by, self.ask, self.say = desk, agent, by, ask, say
        self.conversation_id = conversation_id
        width = shutil.get_terminal_size().columns
        self.prose, self.note = Rows(say, "  ", width), Rows(say, "> ", width)
        self.card = Rows(say, "│ ", width, mark="↪ ")
        self._position = 0
        self._speaking = ""
        self._numbers: dict[str, int] = {}
        self._shown: set[Hashable] = set()

    def chat(self, leave_on: Collection[str] = ()) -> None:
        """Read messages and show what comes of them, until one of `leave_on` is the answer.

        Raises:
            EOFError: if there is nobody to ask any more.
        """
        while (message := self.ask(MESSAGE)).strip() not in leave_on:
            if message.strip():
                self.send(message)

    def send(self, message: str) -> None:
        """Send a message, and follow what comes of it."""
        if self.conversation_id is None:
            self.conversation_id = self.desk.start(self.agent)
        self._shown.add(self.desk.send(self.conversation_id, message, by=self.by))
        self.say("\n")
        self.follow()

    def recall(self) -> None:
        """Show the end of what was said before, and follow what goes on or waits."""
        assert self.conversation_id is not None
        records = self.desk.transcript(self.conversation_id, limit=SHOWN_AGAIN)
        for record in records:
            if record.run.has_ended:
                self._show(record, "")
                self._position = record.run.position
        self.follow()

    def follow(self) -> None:
        """Show, and ask, until nothing is left to do."""
        assert self.conversation_id is not None
        changed = threading.Event()
        unsubscribe = self.desk.engine.bus.subscribe(self.conversation_id, lambda *_: changed.set())
        try:
            while True:
                changed.clear()
                busy = self.desk.is_busy(self.conversation_id)
                newest = self._show_new(self.conversation_id)
                if busy:
                    changed.wait(LOOK_AGAIN_SECONDS)  # another process may have moved it on
                elif not self._goes_on(self.conversation_id, newest):
                    return
        finally:
            self.prose.end()
            unsubscribe()

    def _goes_on(self, conversation_id: str, newest: Run | None) -> bool:
        """What only the one who writes here can set going again."""
        if newest is not None and newest.status == "failed" and self._retry(newest):
            return True
        mine = [run for run in self.desk.held(conversation_id) if run.id in self._shown]
        for run in mine:
            self.desk.send_held(run.id)
        return bool(mine)

    def _retry(self, run: Run) -> bool:
        if not self._first(run.id, run.version, "asked to retry"):
            return False
        while (answer := self.ask(RETRY).strip().casefold()) not in (*YES, *NO):
            pass
        try:
            if answer in YES:
                self.desk.retry(run.id)
        except Refused as refused:  # somebody else retried, or wrote the next message
            self.note.line(str(refused))
        return answer in YES

    def _show_new(self, conversation_id: str) -> Run | None:
        """Show the runs that are new or not finished; returns the last one."""
        run = None
        for run in self.desk.runs_after(conversation_id, self._position):
            live = self.desk.engine.live_text(run.id)
            record = self.desk.record(run.id)
            self._show(record, live)
            run = record.run
            if run.has_ended and run.status != "failed":  # which can be taken up again
                self._position = run.position
        return run

    def _show(self, record: RunRecord, live: str) -> None:
        """Show what was not shown yet of a run.

        Args:
            live: what the model says just now; read before the record, which may have it already.
        """
        run, said = record.run, ""
        if self._first(run.id) and run.text:
            self.note.line(f"{run.by}: {run.text}")
        for turn in range(1, run.turn + 1):
            message = record.messages.get(turn)
            said = (message.content if message else None) or ""
            self._speak(run, turn, said, whole=True)
            for request in record.requests_of(turn):
                self._show_request(request, run)
        if run.is_active and not said.startswith(live):
            self._speak(run, run.turn + 1, live, whole=False)
        if run.has_ended and run.error and self._first(run.id, run.version, "ended"):
            self.prose.end()
            self.note.line(run.error)

    def _speak(self, run: Run, turn: int, text: str, *, whole: bool) -> None:
        """Show the model's words as far as they have come."""
        if (run.id, turn) in self._shown:
            return
        if not text.startswith(self._speaking):  # it broke off, and speaks anew
            self.prose.end()
            self._speaking = ""
        self.prose.write(text[len(self._speaking) :])
        self._speaking = text
        if whole:
            self.prose.end()
            self._speaking = ""
            self._shown.add((run.id, turn))

    def _show_request(self, request: ToolRequest, run: Run) -> None:
        """Show a request, ask about it if it waits, and tell what became of it."""
        number = self._numbers.setdefault(request.id, len(self._numbers) + 1)
        if self._first(request.id, "card"):
            self._draw_card(f"#{number} {request.tool}", request, self._facts(request, run))
        if request.status == "pending":
            request = self._decide(request)
        elif request.is_in_doubt and run.is_active:
            request = self._resolve(request)
        if request.decision and self._first(request.id, "decision"):
            self.card.line(f"#{number} {decided(request)}")
        told = request.status in (*REPLACED, "rejected") or request.is_open
        if not told and self._first(request.id, "outcome"):
            self.card.line(f"#{number} → {outcome_text(request)}")

    def _decide(self, request: ToolRequest) -> ToolRequest:
        """Ask about a request that waits; returns it as it then is, whoever was first."""
        present = self.desk.request(request.id) or request
        if present.status != "pending":  # decided elsewhere, while another one was asked about
            return present
        while (answer := self.ask(APPROVE).strip()) in ("", REVEAL):
            if answer == REVEAL:
                self._draw_arguments(request.final_arguments)
        verdict = self.desk.decide(request.id, decision_of(answer), by=self.by)
        if not verdict.accepted:
            self.note.line("Your answer did not count: this was settled elsewhere meanwhile.")
        return verdict.request or request

    def _resolve(self, request: ToolRequest) -> ToolRequest:
        """Ask what came of a call that was cut off; returns it as it then is."""
        self.card.line(f"#{self._numbers[request.id]} started, outcome unknown")
        while (answer := self.ask(RESOLVE).strip().casefold()) not in RESOLUTIONS:
            pass
        verdict = self.desk.resolve(request.id, RESOLUTIONS[answer], by=self.by)
        if not verdict.accepted:
            self.note.line("Your answer did not count: this was settled elsewhere meanwhile.")
        return verdict.request or request

    def _facts(self, request: ToolRequest, run: Run) -> ToolFacts:
        try:
            tool = self.desk.agent_of(run).tool(request.tool)
        except NotFound:  # its file is gone; what was asked is still shown whole
            return ToolFacts()
        return facts_of(tool) if tool else ToolFacts()

    def _draw_card(self, title: str, request: ToolRequest, facts: ToolFacts) -> None:
        arguments = request.final_arguments
        public = masked(arguments, {*request.secret, *facts.secret})
        self.say("\n")
        self.card.line(title)
        for before in self._past(request):
            self.card.line(before)
        if facts.sentence:
            self.card.line(sentence(facts, public))
        self._draw_arguments(public)
        if public != arguments:
            self.card.line(f"  ({REVEAL} shows what is hidden)")

    def _past(self, request: ToolRequest) -> Iterator[str]:
        """What a person should know of what was asked, and decided, before."""
        if request.earlier and (earlier := self.desk.request(request.earlier)):
            reason = earlier.reason or "no reason was given"
            yield f"{earlier.decided_by} rejected this before: {reason}"
        if request.replaces and (replaced := self.desk.request(request.replaces)):
            yield f"Asked anew. {replaced.result or 'It runs again.'}"

    def _draw_arguments(self, arguments: dict[str, Any]) -> None:
        for name, data in arguments.items():
            shown = visible(value(data))
            if "\n" in shown:
                shown = "\n" + "\n".join(f"    {line}" for line in shown.split("\n"))
            self.card.line(f"  {name}: {shown}")

    def _first(self, *what: Hashable) -> bool:
        """Whether this is shown for the first time."""
        key = what if len(what) > 1 else what[0]
        is_first = key not in self._shown
        self._shown.add(key)
        return is_first


def decision_of(answer: str) -> Decision:
    """What an answer to `approve? [y/n/reason]` means: only a plain yes approves."""
    word = answer.strip().casefold()
    if word in YES:
        return Approve()
    return Reject() if word in NO else Reject(answer.strip())


def decided(request: ToolRequest) -> str:
    """Who decided what about a request, and why."""
    reason = f": {request.reason}" if request.reason else ""
    match request.decision:
        case "approve":
            return f"approved by {request.decided_by}{reason}"
        case "answer":
            return f"answered by {request.decided_by} in its place, nothing was executed"
        case _:
            return f"rejected by {request.decided_by}, nothing was executed{reason}"


def sentence(facts: ToolFacts, arguments: dict[str, Any]) -> str:
    """The tool's sentence with the arguments set off; long ones are whole further below."""
    parts = []
    for literal, name, _, _ in string.Formatter().parse(facts.sentence or ""):
        parts.append(literal)
        if name is not None:
            shown = value(arguments.get(name))
            line = " ".join(visible(shown).split())
            parts.append(f"“{line if len(line) <= IN_SENTENCE else line[: IN_SENTENCE - 1] + '…'}”")
    return "".join(parts)
