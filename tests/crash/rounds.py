"""One round: processes work on the same journal and are killed, one after the other; then a last
one brings everything to its end, and the books are checked."""

import contextlib
import multiprocessing
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from hitl.journal import Journal, RunRecord, ToolRequest, conversations
from hitl.verifying import verify
from tests.crash import points, world
from tests.crash.points import LABELS
from tests.stage import Stage

# A fork server has imported everything once, so that another process costs next to nothing.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.crash.rounds", "hitl.verifying"])
MOST_DEATHS = 3
LONGEST_LIFE_SECONDS = 1.5
PATIENCE_SECONDS = 30
RESOLUTIONS = ("RunAgain", "ItWorked", "ItDidNotHappen")


@dataclass(frozen=True)
class Death:
    """How a process dies: at a label, or, without one, after some time."""

    label: str | None
    visit: int = 1
    seconds: float = LONGEST_LIFE_SECONDS


def deaths_of(seed: int) -> list[Death]:
    """The deaths of a round; every label has its turn, and every third is a random moment."""
    chance = random.Random(seed)
    deaths = []
    for number in range(chance.randint(1, MOST_DEATHS)):
        if chance.random() < 0.3:
            deaths.append(Death(None, seconds=chance.uniform(0.05, 0.6)))
        else:
            label = LABELS[(seed + number * 7) % len(LABELS)]
            deaths.append(Death(label, visit=chance.choice([1, 1, 1, 2, 3])))
    return deaths


def live(url: str, ledger: str, death: Death, seed: int) -> None:
    """A process of the round: works and decides until it is killed."""
    os.environ[world.LEDGER] = ledger
    points.watch_writes()
    if death.label is not None:
        points.die_at(death.label, death.visit)
    stage = Stage(url, world.lab_agent(), world.lab_model())
    world.Person(stage.desk, seed).start()
    time.sleep(PATIENCE_SECONDS)  # it does not live that long


def play_round(url: str, ledger: Path, seed: int) -> list[str]:
    """Play a round on an empty journal. Returns what was wrong at its end: nothing."""
    os.environ[world.LEDGER] = str(ledger)
    ledger.touch()
    names = [f"{seed}a", f"{seed}b"]
    desk = Stage(url, world.lab_agent(), world.lab_model(), starts=False)
    for name in names:
        desk.send(f"Run {name}")
    for number, death in enumerate(deaths_of(seed)):
        _let_live_and_die(url, ledger, death, seed * 10 + number)
    desk.close()
    last = Stage(url, world.lab_agent(), world.lab_model())
    person = world.Person(last.desk, seed)
    person.start()
    try:
        _until_settled(last)
        person.over.set()
        person.join(PATIENCE_SECONDS)
        return [*problems(last.journal, ledger.read_text().splitlines()), *_unsettled(last)]
    finally:
        person.over.set()
        last.close()


def _let_live_and_die(url: str, ledger: Path, death: Death, seed: int) -> None:
    process: BaseProcess = PROCESSES.Process(
        target=live, args=(url, str(ledger), death, seed), daemon=True
    )
    process.start()
    process.join(death.seconds)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.join(PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:  # the fork server still has to bury it
        try:
            os.kill(process.pid or 0, 0)
        except ProcessLookupError:
            return
    raise RuntimeError("a killed process is still there")


def _unsettled(stage: Stage) -> list[str]:
    """What is not answered yet."""
    unsent = [
        f"message {run.text!r} is {run.status}"
        for each in stage.desk.recent()
        for run in stage.desk.held(each.id)
    ]
    return unsent + [
        f"run {record.run.id} is {record.run.status}: {record.run.error}"
        for record in _records(stage.journal)
        if record.run.status != "answered"
    ]


def _until_settled(stage: Stage) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _unsettled(stage) and time.monotonic() < deadline:
        stage._changed.wait(0.05)
        stage._changed.clear()


def _records(journal: Journal) -> list[RunRecord]:
    found: list[RunRecord] = []
    for each in journal.read(conversations.recent):
        found += journal.read(conversations.transcript, each.id, limit=100)
    return found


def problems(journal: Journal, ledger: list[str]) -> list[str]:
    """What the promises say can't be: by the journal, and by the ledger outside of it."""
    records = _records(journal)
    requests = [request for record in records for request in record.requests]
    found = [line for line in ledger if line.startswith("invalid")]
    found += _effects_too_many(requests, ledger)
    found += _decisions_lost(requests, ledger)
    found += _calls_lost(records)
    try:
        journal.read(verify)
    except Exception as error:
        found.append(f"verify: {error}")
    return found


def _effects_too_many(requests: list[ToolRequest], ledger: list[str]) -> list[str]:
    """Each request starts at most once; and what was not approved or free never."""
    effects = Counter(line.split()[1] for line in ledger if line.startswith("effect"))
    started: Counter[str] = Counter()
    for request in requests:
        arguments = request.final_arguments
        if request.started_at is not None:
            started[f"{request.tool}-{arguments['run']}-{arguments['n']}"] += 1
            if request.asks and request.decision != "approve":
                return [f"request {request.id} started without an approval"]
    return [
        f"{what} happened {times} times, and was started {started[what]} times"
        for what, times in effects.items()
        if times > started[what]
    ]


def _decisions_lost(requests: list[ToolRequest], ledger: list[str]) -> list[str]:
    by_id = {request.id: request for request in requests}
    found = [
        f"request {line.split()[1]} was seen waiting, and is lost"
        for line in ledger
        if line.startswith("seen") and line.split()[1] not in by_id
    ]
    for line in ledger:
        if line.startswith("acknowledged"):
            _, request_id, what = line.split()
            if not _is_kept(by_id[request_id], what):
                found.append(f"the acknowledged decision {what} of {request_id} is lost")
    return found


def _is_kept(request: ToolRequest, what: str) -> bool:
    if what in RESOLUTIONS:
        status = {"RunAgain": "repeated", "ItWorked": "worked", "ItDidNotHappen": "not_done"}
        return request.status == status[what]
    if what == "reject":
        return request.status == "rejected" and request.reason == f"no {request.id}"
    return request.decision == "approve" and (request.edited is not None) == (what == "edit")


def _calls_lost(records: list[RunRecord]) -> list[str]:
    """Each call that the model made has exactly one request that counts."""
    found = []
    for record in records:
        for turn, message in record.messages.items():
            calls = [block for block in message.blocks if block.block_type == "tool_call"]
            if turn and len(calls) != len(record.requests_of(turn)):
                found.append(f"run {record.run.id}, turn {turn}: a call has no request")
    return found
