"""Another process with an engine on the same journal, which dies where it is told to."""

import os
import signal
from pathlib import Path
from typing import Any

from hitl.agents import AgentConfig
from hitl.journal import Approve
from tests.openai_server import Call
from tests.scripted import Reply, ScriptedModel, asks
from tests.stage import Stage, agent


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def clerk(effects: Path, *, dies: str = "") -> AgentConfig:
    """An agent whose tool `pay` asks and `note` doesn't; both leave a line outside of us."""

    # Not in the tool's own code, which has to be the same in every process.
    os.environ["DIES"] = dies

    def do(what: str) -> str:
        if os.environ["DIES"] == "before the effect":
            die()
        with effects.open("a") as file:
            file.write(f"{what}\n")
        if os.environ["DIES"] == "after the effect":
            die()
        return f"done: {what}"

    def pay(amount: int) -> str:
        """Pay an amount."""
        return do(f"paid {amount}")

    def note(text: str) -> str:
        """Write a note."""
        return do(f"noted {text}")

    return agent(pay, note, free="note")


def model(dies: str = "") -> ScriptedModel:
    """Pays what the message says; the same in every process, from the messages alone."""

    def script(messages: list[Any]) -> Reply:
        last = messages[-1]
        if last.role == "tool":
            if dies == "in the second model call":
                die()
            return "Done."
        if dies == "in the first model call":
            die()
        words = str(last.content).split()
        if words[0] == "Note":
            return Call("note", {"text": words[1]})
        return asks(*(Call("pay", {"amount": int(word)}) for word in words[1:]))

    return ScriptedModel(script=script)


def live(url: str, effects: Path, dies: str, ready: Any, go: Any, wins: Any) -> None:
    """Serve the journal until killed; once `go` is set, approve all that waits."""
    on = Stage(url, clerk(effects, dies=dies), model(dies))
    ready.set()
    go.wait()
    waiting = on.desk.pending()
    wins.put(sum(on.desk.decide(each.id, Approve(), by="child").accepted for each in waiting))
    go.clear()
    go.wait()
