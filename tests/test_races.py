"""Everybody at once: one decision wins, one execution happens, and every loser is told who won."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hitl.journal import Approve, Reject, decisions
from hitl.verifying import verify
from tests.deciders import cashier, decide_all
from tests.openai_server import Call
from tests.scripted import ScriptedModel, asks
from tests.stage import BY, Stage, Till, agent

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.deciders"])
REQUESTS, PEOPLE = 50, 8
Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 1})


def test_of_eight_people_in_two_processes_one_decides_each_of_fifty_requests(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ledger = tmp_path / "ledger"
    ledger.touch()
    monkeypatch.setenv("RACE_LEDGER", str(ledger))
    wanted = [Call("pay_into_the_ledger", {"amount": n}) for n in range(REQUESTS)]
    first = Stage(postgres_url, cashier(), ScriptedModel(asks(*wanted)))
    _, run_id = first.send("Pay.")
    first.waiting(run_id, REQUESTS)
    first.engine.stop()
    start, told = PROCESSES.Barrier(PEOPLE + 1), PROCESSES.Queue()
    over = PROCESSES.Barrier(3)
    halves = [
        PROCESSES.Process(
            target=decide_all,
            args=(postgres_url, str(ledger), name, PEOPLE // 2, start, told, over),
            daemon=True,
        )
        for name in ("left", "right")
    ]
    for each in halves:
        each.start()
    start.wait(60)
    answers = [told.get(timeout=60) for _ in range(REQUESTS * PEOPLE)]
    record = first.until(
        lambda: (found := first.run(run_id)).run.has_ended and found, "the run's end", 60
    )
    over.wait(60)
    for each in halves:
        each.join(60)
    winners = {request_id: who for who, request_id, accepted, _ in answers if accepted}
    assert len([each for each in answers if each[2]]) == REQUESTS == len(winners)
    assert all(winner == winners[request_id] for _, request_id, _, winner in answers)
    approved = {r.arguments["amount"] for r in record.requests if r.decision == "approve"}
    assert {r.id: r.decided_by for r in record.requests} == winners
    paid = Counter(int(line) for line in ledger.read_text().split())
    assert paid == Counter(dict.fromkeys(approved, 1))
    assert first.journal.read(verify).requests == REQUESTS
    first.close()


@pytest.mark.parametrize("other", ["stop", "reject", "approve"])
def test_deciding_while_somebody_stops_or_decides_leaves_one_truth(
    play: Play, till: Till, other: str
):
    on = play(agent(till.tool()), script=_pays_then_answers)
    for _ in range(5):
        conversation, run_id = on.send("Pay.")
        (request,) = on.waiting(run_id)
        start = threading.Barrier(2)
        accepted: list[bool] = []

        def elsewhere(
            start: Any = start,
            accepted: list[bool] = accepted,
            request_id: str = request.id,
            conversation: str = conversation,
        ) -> None:
            start.wait()
            if other == "stop":
                on.desk.stop(conversation, by="Eve")
            else:
                decision = Reject() if other == "reject" else Approve()
                accepted.append(on.desk.decide(request_id, decision, by="Eve").accepted)

        racer = threading.Thread(target=elsewhere)
        racer.start()
        start.wait()
        accepted.append(on.approve(request))
        racer.join()
        on.until(lambda conversation=conversation: _is_over(on, conversation))
        settled = on.desk.request(request.id)
        assert settled is not None
        assert accepted.count(True) <= 1
        if True in accepted:
            assert settled.decided_by in (BY, "Eve")
    executed = _statuses(on).count("succeeded")
    assert executed <= len(till.paid) <= 5
    on.journal.read(verify)


def _pays_then_answers(messages: list[Any]) -> Any:
    return PAY if messages[-1].role == "user" else "Done."


def _is_over(on: Stage, conversation: str) -> bool:
    for request in on.desk.pending(conversation_id=conversation):
        if request.is_in_doubt:
            on.desk.stop(conversation, by=BY)
    return not on.desk.is_busy(conversation)


def _statuses(on: Stage) -> list[str]:
    runs = [on.desk.transcript(each.id, limit=9) for each in on.desk.recent()]
    return [request.status for records in runs for each in records for request in each.requests]


def test_deciding_while_the_run_is_being_parked_never_leaves_it_asleep(play: Play, till: Till):
    """Whoever decides at once, on the first sight of a request, is heard."""
    on = play(agent(till.tool()), script=_pays_then_answers)
    for _ in range(20):
        _, run_id = on.send("Pay.")
        request = on.until(lambda run_id=run_id: on.run(run_id).requests)[0]
        assert on.approve(request)
        on.ended(run_id)
    assert len(till.paid) == 20


def test_deciding_while_the_tool_changes_runs_the_old_or_asks_anew_never_both(
    play: Play, till: Till
):
    other = Till()

    def pay(amount: int) -> str:
        """Pay, differently."""
        other.paid.append(amount)
        return f"paid {amount} differently"

    on = play(agent(till.tool()), script=_pays_then_answers)
    for number in range(6):
        on.agents.agent = agent(till.tool())
        _, run_id = on.send("Pay.")
        (request,) = on.waiting(run_id)
        start = threading.Barrier(2)

        def change(start: Any = start) -> None:
            start.wait()
            on.agents.agent = agent(pay)

        racer = threading.Thread(target=change)
        racer.start()
        start.wait()
        on.approve(request)
        racer.join()
        on.until(lambda run_id=run_id: _settled_or_anew(on, run_id))
        if on.status(request) == "void":
            assert len(till.paid) + len(other.paid) == number, "nothing ran on the old approval"
            (anew,) = on.waiting(run_id)
            on.approve(anew)
        on.ended(run_id)
        assert len(till.paid) + len(other.paid) == number + 1
    on.journal.read(verify)


def _settled_or_anew(on: Stage, run_id: str) -> bool:
    record = on.run(run_id)
    return record.run.has_ended or any(each.status == "void" for each in record.requests)


def test_two_who_expire_and_decide_in_the_journal_itself_never_both_win(journal_url: str):
    on = Stage(journal_url, agent(Till().tool()), ScriptedModel(PAY), starts=True)
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.engine.stop()
    assert on.approve(request)
    assert not on.journal.write(decisions.expire, request.id)
    assert on.status(request) == "approved"
    on.close()
