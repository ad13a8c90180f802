"""Processes die, and others take over: nothing is lost, and no tool runs a second time."""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from hitl.journal import Approve, ItDidNotHappen, ItWorked
from hitl.outcomes import NOT_DONE, WORKED
from tests.doomed import clerk, live, model
from tests.scripted import DEADLINE, Gate
from tests.stage import BY, Stage, agent

# A fork server has imported everything once, so that another process costs next to nothing.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.doomed"])


class Other:
    """Another process with an engine on the same journal."""

    def __init__(self, url: str, effects: Path, dies: str = "") -> None:
        self.ready, self._go, self._wins = (
            *(PROCESSES.Event(), PROCESSES.Event()),
            PROCESSES.Queue(),
        )
        arguments = (url, effects, dies, self.ready, self._go, self._wins)
        self.process: BaseProcess = PROCESSES.Process(target=live, args=arguments, daemon=True)
        self.process.start()

    def approve_all(self) -> None:
        self._go.set()

    def wins(self) -> int:
        return int(self._wins.get(timeout=DEADLINE))

    def died(self) -> None:
        """Wait until nothing is left of it, not even a zombie."""
        self.process.join(DEADLINE)
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid or 0, 0)
                continue
            return
        pytest.fail("the process did not die")

    def kill(self) -> None:
        self.process.kill()
        self.died()


@pytest.fixture
def effects(tmp_path: Path) -> Path:
    path = tmp_path / "effects"
    path.touch()
    return path


@pytest.fixture
def others(journal_url: str, effects: Path) -> Iterator[Any]:
    started: list[Other] = []

    def start(dies: str = "") -> Other:
        started.append(Other(journal_url, effects, dies))
        assert started[-1].ready.wait(DEADLINE * 3)
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.join(DEADLINE)


@pytest.fixture
def stages(journal_url: str, effects: Path) -> Iterator[Any]:
    started: list[Stage] = []

    def start(*, starts: bool = True, name: str = "Clerk") -> Stage:
        config = clerk(effects).model_copy(update={"name": name})
        started.append(Stage(journal_url, config, model(), starts=starts))
        return started[-1]

    yield start
    for each in started:
        each.close()


def lines(effects: Path) -> list[str]:
    return effects.read_text().splitlines()


# Killed


def test_killed_while_requests_wait_they_wait_on_and_can_be_approved(
    others: Any, stages: Any, effects: Path
):
    desk = stages(starts=False)
    other = others()
    _, run_id = desk.send("Pay 1 2")
    waiting = desk.waiting(run_id, 2)
    other.kill()
    on = stages()
    assert on.waiting(run_id, 2) == waiting
    for request in waiting:
        assert on.approve(request)
    on.ended(run_id)
    assert sorted(lines(effects)) == ["paid 1", "paid 2"]


@pytest.mark.parametrize("point", ["in the first model call", "in the second model call"])
def test_killed_in_a_model_call_it_is_called_again_and_no_tool_is(
    point: str, others: Any, stages: Any, effects: Path
):
    desk = stages(starts=False)
    other = others(point)
    _, run_id = desk.send("Note this")
    other.died()
    on = stages()
    record = on.ended(run_id)
    assert lines(effects) == ["noted this"]
    assert [request.status for request in record.requests] == ["succeeded"]


@pytest.mark.parametrize(
    ("point", "happened"), [("before the effect", []), ("after the effect", ["paid 1"])]
)
def test_killed_in_a_tool_its_outcome_is_unknown_and_it_never_runs_again(
    point: str, happened: list[str], others: Any, stages: Any, effects: Path
):
    desk = stages(starts=False)
    other = others(point)
    _, run_id = desk.send("Pay 1")
    (request,) = desk.waiting(run_id)
    assert desk.approve(request)
    other.died()
    assert desk.status(request) == "running"
    on = stages()
    started = time.monotonic()
    (in_doubt,) = on.waiting_in_doubt(run_id)
    assert time.monotonic() - started < 5, "a dead process's lease must not be waited for"
    assert in_doubt.status == "unknown"
    assert on.desk.resolve(in_doubt.id, ItWorked("The bank says so."), by=BY).accepted
    record = on.ended(run_id)
    assert [each.status for each in record.requests] == ["worked"]
    assert on.told() == [f"{WORKED} The bank says so."]
    assert lines(effects) == happened


def test_killed_in_a_tool_what_was_approved_beside_it_still_runs_and_what_waits_waits(
    others: Any, stages: Any, effects: Path
):
    desk = stages(starts=False)
    other = others("before the effect")
    _, run_id = desk.send("Pay 1 2 3")
    first, second, third = desk.waiting(run_id, 3)
    desk.approve(first)
    other.died()
    desk.approve(second)
    on = stages()
    on.until(lambda: lines(effects) == ["paid 2"])
    assert on.waiting(run_id, 1)[0].id == third.id
    on.reject(third)
    (in_doubt,) = on.waiting_in_doubt(run_id)
    assert on.desk.resolve(in_doubt.id, ItDidNotHappen(), by=BY).accepted
    record = on.ended(run_id)
    assert [each.status for each in record.requests] == ["not_done", "succeeded", "rejected"]


def test_an_approval_given_while_nobody_works_is_carried_out_once(
    stages: Any, others: Any, effects: Path
):
    desk = stages(starts=False)
    other = others()
    _, run_id = desk.send("Pay 1")
    (request,) = desk.waiting(run_id)
    other.kill()
    assert desk.approve(request)
    assert lines(effects) == []
    stages()
    desk.ended(run_id)
    assert lines(effects) == ["paid 1"]


def test_a_message_sent_while_nobody_works_is_answered_later(stages: Any, effects: Path):
    desk = stages(starts=False)
    _, run_id = desk.send("Note this")
    assert desk.run(run_id).run.status == "queued"
    stages()
    desk.ended(run_id)
    assert lines(effects) == ["noted this"]


def test_an_engine_that_stopped_is_followed_by_another_in_the_same_process(
    stages: Any, effects: Path
):
    first = stages()
    _, run_id = first.send("Pay 1")
    (request,) = first.waiting(run_id)
    first.engine.stop()
    second = stages()
    assert second.approve(request)
    second.ended(run_id)
    assert lines(effects) == ["paid 1"]


def test_an_engine_that_is_stopped_in_a_tool_leaves_its_outcome_unknown_to_the_next(
    journal_url: str, stages: Any, effects: Path
):
    gate = Gate()

    def pay(amount: int) -> str:
        """Pay."""
        gate.wait()
        return "paid after all"

    first = Stage(journal_url, agent(pay, free="pay"), model())
    _, run_id = first.send("Pay 1")
    assert gate.was_reached()
    first.engine.stop()
    second = stages()
    (in_doubt,) = second.waiting_in_doubt(run_id)
    gate.open()
    first.close()
    assert second.status(in_doubt) == "unknown"
    second.desk.resolve(in_doubt.id, ItDidNotHappen(), by=BY)
    second.ended(run_id)
    assert second.told() == [NOT_DONE]
    assert lines(effects) == []


def test_starting_again_and_again_repeats_nothing(stages: Any, effects: Path):
    for n in range(3):
        on = stages()
        _, run_id = on.send(f"Note {n}")
        on.ended(run_id)
        on.close()
    assert lines(effects) == ["noted 0", "noted 1", "noted 2"]


# Side by side


def test_a_decision_in_one_process_is_noticed_in_the_other_within_half_a_second(
    others: Any, stages: Any, effects: Path
):
    desk = stages(starts=False)
    others()
    taken = []
    for _ in range(4):
        _, run_id = desk.send("Pay 1")
        (request,) = desk.waiting(run_id)
        desk.approve(request)
        (done,) = desk.ended(run_id).requests
        taken.append(done.started_at - done.decided_at)
    assert sorted(taken)[1] < 0.5, taken


def test_a_page_in_one_process_hears_of_what_happens_in_the_other(
    others: Any, stages: Any, effects: Path
):
    page = stages(name="Somebody else")
    others()
    conversation = page.desk.start("Clerk")
    from hitl.journal import runs

    heard: list[str] = []
    page.engine.bus.subscribe(conversation, lambda about, _: heard.append(about))
    run_id = page.journal.write(runs.add, conversation, "Clerk", "Note it", by=BY)
    del heard[:]
    page.ended(run_id)
    page.until(lambda: heard, "word of the other process")


def test_two_processes_run_each_message_once(others: Any, stages: Any, effects: Path):
    on = stages()
    others()
    sent = [on.send(f"Note {n}")[1] for n in range(20)]
    for run_id in sent:
        on.ended(run_id)
    assert sorted(lines(effects)) == sorted(f"noted {n}" for n in range(20))


def test_twenty_requests_decided_in_two_processes_at_once_have_one_winner_and_one_effect_each(
    others: Any, stages: Any, effects: Path
):
    on = stages()
    other = others()
    sent = [on.send(f"Pay {n}")[1] for n in range(20)]
    waiting = [on.waiting(run_id)[0] for run_id in sent]

    def decide(request: Any) -> int:
        return int(on.desk.decide(request.id, Approve(), by="parent").accepted)

    with ThreadPoolExecutor(4) as threads:
        other.approve_all()
        mine = sum(threads.map(decide, [*waiting, *waiting]))
    for run_id in sent:
        on.ended(run_id)
    assert mine + other.wins() == 20
    assert sorted(lines(effects)) == sorted(f"paid {n}" for n in range(20))
    winners = [on.run(run_id).requests[0].decided_by for run_id in sent]
    assert winners.count("parent") == mine
    assert set(winners) <= {"parent", "child"}


def test_a_stop_in_one_process_ends_the_work_in_the_other(others: Any, stages: Any, effects: Path):
    desk = stages(starts=False)
    others()
    conversation, run_id = desk.send("Pay 1")
    (request,) = desk.waiting(run_id)
    desk.desk.stop(conversation, by=BY)
    desk.ended(run_id, "cancelled")
    assert not desk.approve(request)
    _, second = desk.send("Note more", conversation)
    desk.ended(second)
    assert lines(effects) == ["noted more"]
