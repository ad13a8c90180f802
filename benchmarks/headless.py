"""The library without a page: approve cycles per second, the memory of waiting requests, history.

Each measurement runs in a process of its own (`python -m benchmarks.headless cycles`), so that
nothing else is in its memory. All that knows names of `hitl` is below the line *seam*.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.systems import ROOT, model_settings

AGENT, BY, PATIENCE = "Addition Agent", "Bench", 30.0


@dataclass(frozen=True)
class Stored:
    """A stored conversation: where a browser opens it, and the text that it shows last."""

    path: str
    last_text: str


@dataclass(frozen=True)
class Parked:
    """A stored conversation whose run waits for people: where it opens, its cards' selectors."""

    path: str
    cards: tuple[str, ...]


def measure(job: str, model_url: str, module: str = "benchmarks.headless") -> dict[str, Any]:
    """Run the job `cycles` or `waiting`, or a module, in a new process, on a new database."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        settings = model_settings(model_url)
        settings["HITL_DATABASE_URL"] = f"sqlite:///{folder}/bench.sqlite"
        command = [sys.executable, "-m", module, *([job] if job else [])]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, check=True
        )
    return json.loads(done.stdout)


def cycles(count: int = 200) -> dict[str, Any]:
    """Milliseconds of each: send, see the request, approve, have the answer. One at a time."""
    took = []
    with open_desk() as desk:
        for number in range(count + 10):
            began = time.perf_counter()
            answer = approve(desk, ask(desk, f"What is {number} + 1?"))
            took.append(1e3 * (time.perf_counter() - began))
            if answer != f"{number} + 1 is {number + 1}.":
                raise RuntimeError(f"asked for {number} + 1, the agent answered {answer!r}")
    measured = took[10:]  # the first ones fill caches
    return {"cycle_ms": measured, "cycles_per_second": 1e3 * count / sum(measured)}


def waiting(count: int = 1000) -> dict[str, Any]:
    """Megabytes that `count` waiting requests add to a process that has asked fifty before."""
    with open_desk() as desk:
        for number in range(50):
            ask(desk, f"What is {number} + 1?")
        before = _megabytes()
        for number in range(count):
            ask(desk, f"What is {number} + 2?")
        return {"requests": count, "added_mb": _megabytes() - before}


def _megabytes() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


# --- seam -----------------------------------------------------------------------------------------


@contextmanager
def open_desk() -> Iterator[Any]:
    """The desk on the database and the model of the environment, its engine running."""
    from hitl.service import open_desk
    from hitl.settings import Settings

    desk = open_desk(Settings.from_env())
    try:
        yield desk
    finally:
        desk.engine.stop()


def ask(desk: Any, text: str) -> tuple[Any, str]:
    """Send `text` in a new conversation; its handler, and the id of the request it leads to."""
    from hitl.events import ToolRequestEvent

    handler = desk.handler(desk.start(AGENT), BY)
    desk.send(handler.conversation_id, text, by=BY)
    requests = (e.tool_id for e in handler.stream_events() if isinstance(e, ToolRequestEvent))
    return handler, next(requests)


def approve(desk: Any, asked: tuple[Any, str]) -> str:
    """Approve what was asked; the answer."""
    from hitl.journal import Approve

    handler, request_id = asked
    handler.decide(request_id, Approve())
    return handler.result(PATIENCE)["response"]


def store(database_url: str, messages: int) -> Stored:
    """Store a conversation of `messages` messages, a person's and the agent's in turns."""
    from llama_index.core.llms import ChatMessage

    from hitl.journal import Journal, ModelCall, conversations, runs

    unknown = dict.fromkeys(("reply", "error", "tokens_in", "tokens_out"))

    def write(tx: Any) -> str:
        conversation = conversations.create(tx, AGENT, title=f"{messages} messages")
        for number in range(messages // 2):
            run_id = runs.add(tx, conversation, AGENT, f"What is {number} + 1?", by=BY)
            run = runs.acquire(tx, run_id, BY, PATIENCE)
            said = ChatMessage(f"{number} + 1 is {number + 1}.", role="assistant")
            call = ModelCall(run_id, 1, 0, 0, config={}, messages=[], tools=[], **unknown)
            runs.speak(tx, run, BY, said, [], call)
        return conversation

    journal = Journal(database_url)
    conversation = journal.write(write)
    journal.close()
    return Stored(f"/?chat={conversation}", f"{messages // 2 - 1} + 1 is {messages // 2}.")


def store_waiting(database_url: str, count: int) -> None:
    """Store `count` waiting requests, ten in a conversation."""
    from hitl.journal import Journal, ToolCall, conversations, requests, runs

    def write(tx: Any) -> None:
        for number in range(count // 10):
            conversation = conversations.create(tx, AGENT, title=f"Waits {number}")
            run_id = runs.add(tx, conversation, AGENT, "Add.", by=BY)
            run = runs.acquire(tx, run_id, BY, PATIENCE)
            calls = [ToolCall("add_two_numbers", {"a": n, "b": 1}, f"c{n}") for n in range(10)]
            requests.ask(tx, run, 1, calls)
            tx.execute(runs.update(runs.run).where(runs.run.c.id == run_id).values(turn=1))
            runs.park(tx, run_id, BY)

    journal = Journal(database_url)
    journal.write(write)
    journal.close()


def store_parked(database_url: str, counts: list[int]) -> list[Parked]:
    """Store a conversation for each of `counts`: the model has asked for so many sums at once."""
    from hitl.journal import Journal, ModelCall, conversations, runs
    from hitl.registry import Registry
    from hitl.toolcalls import RawCall, assistant_message, check_calls

    unknown = dict.fromkeys(("reply", "error", "tokens_in", "tokens_out"))
    config = Registry(ROOT / "agents").get(AGENT)

    def write(tx: Any, number: int, count: int) -> Parked:
        conversation = conversations.create(tx, AGENT, title=f"{count} wait, {number}")
        sums = [{"a": 1000 * number + each, "b": 1} for each in range(count)]
        text = "What is " + ", and ".join(f"{it['a']} + 1" for it in sums) + "?"
        run_id = runs.add(tx, conversation, AGENT, text, by=BY, config=config.snapshot())
        run = runs.acquire(tx, run_id, BY, PATIENCE)
        raw = [RawCall("add_two_numbers", it, f"call_{i}") for i, it in enumerate(sums)]
        calls = check_calls(config, raw, 1)
        call = ModelCall(run_id, 1, 0, 0, config={}, messages=[], tools=[], **unknown)
        runs.speak(tx, run, BY, assistant_message("", raw, calls), calls, call)
        runs.park(tx, run_id, BY)
        cards = (f".st-key-request-{run_id}-1-{place}" for place in range(count))
        return Parked(f"/?chat={conversation}", tuple(cards))

    journal = Journal(database_url)
    parked = [journal.write(write, number, count) for number, count in enumerate(counts)]
    journal.close()
    return parked


if __name__ == "__main__":
    jobs = {"cycles": cycles, "waiting": waiting}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.headless", description=__doc__)
    parser.add_argument("job", choices=jobs)
    print(json.dumps(jobs[parser.parse_args().job]()))
