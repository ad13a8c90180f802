"""What the laboratory's agent does, the ledger outside of all processes, and its person."""

import os
import random
import threading
from pathlib import Path
from typing import Any

from llama_index.core.tools import FunctionTool

from hitl import tool
from hitl.agents import AgentConfig
from hitl.desk import Desk
from hitl.errors import HitlError
from hitl.journal import Approve, ItDidNotHappen, ItWorked, Reject, RunAgain, ToolRequest
from tests.crash.points import MODEL, TOOL, point
from tests.openai_rules import violations_of_chat
from tests.openai_server import Call
from tests.scripted import Reply, ScriptedModel, asks
from tests.stage import agent

LEDGER = "CRASH_LEDGER"


def enter(*words: object) -> None:
    """Write a line into the ledger: whole, at once, and never lost with the process."""
    line = " ".join(map(str, words)) + "\n"
    file = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


def effect(what: str) -> str:
    """Something that can't be undone, with its points."""
    before, within, after = TOOL
    point(before)
    enter("effect", what)
    point(within)
    point(after)
    return f"done: {what}"


def pay(run: str, n: int) -> str:
    """Pay; asks."""
    return effect(f"pay-{run}-{n}")


def note(run: str, n: int) -> str:
    """Note; asks nobody."""
    return effect(f"note-{run}-{n}")


@tool(idempotent=True)
def stamp(run: str, n: int) -> str:
    """Stamp; may happen twice."""
    return effect(f"stamp-{run}-{n}")


def lab_agent() -> AgentConfig:
    tools = [FunctionTool.from_defaults(each) for each in (pay, note, stamp)]
    return agent(*tools, free="note stamp")


def lab_model() -> ScriptedModel:
    """Works on `Run <name>`: several calls at once, two more, one that asks alone, an answer."""

    def script(messages: list[Any]) -> Reply:
        point(MODEL)
        if refused := violations_of_chat(messages):
            enter("invalid", refused)
        start = max(i for i, each in enumerate(messages) if each.role == "user")
        name = str(messages[start].content).split()[1]
        turns = sum(each.role == "assistant" for each in messages[start:])
        if turns == 0:
            pays = [Call("pay", {"run": name, "n": n}) for n in (1, 2)]
            return asks(*pays, Call("note", {"run": name, "n": 3}))
        if turns == 1:
            return asks(
                Call("stamp", {"run": name, "n": 4}),
                Call("pay", {"run": name, "n": 5}),
            )
        if turns == 2:
            return asks(Call("pay", {"run": name, "n": 6}))
        return "Done."

    return ScriptedModel(script=script)


class Person(threading.Thread):
    """Decides whatever waits, as chance has it, and notes in the ledger what was acknowledged."""

    def __init__(self, desk: Desk, seed: int) -> None:
        super().__init__(daemon=True)
        self.desk, self.chance, self.over = desk, random.Random(seed), threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                for request in self.desk.pending():
                    self._settle(request)
            except HitlError as error:
                enter("trouble", type(error).__name__)
            self.over.wait(0.01)

    def _settle(self, request: ToolRequest) -> None:
        enter("seen", request.id)
        if request.is_in_doubt:
            self._resolve(request)
            return
        what = self.chance.choice(["approve", "approve", "edit", "reject"])
        if what == "reject":
            verdict = self.desk.decide(request.id, Reject(f"no {request.id}"), by="Person")
        else:
            other = {**request.arguments, "n": request.arguments["n"] + 100}
            edited = other if what == "edit" else None
            verdict = self.desk.decide(request.id, Approve(edited), by="Person")
        if verdict.accepted:
            enter("acknowledged", request.id, what)

    def _resolve(self, request: ToolRequest) -> None:
        word = self.chance.choice([RunAgain(), ItWorked("it did"), ItDidNotHappen("no")])
        try:
            if self.desk.resolve(request.id, word, by="Person").accepted:
                enter("acknowledged", request.id, type(word).__name__)
        except HitlError:
            return


def ledger_of(folder: Path) -> Path:
    return folder / "ledger"
