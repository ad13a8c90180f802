"""Another process full of people, all of whom decide about everything at the same moment."""

import os
import threading
from typing import Any

from hitl.agents import AgentConfig
from hitl.journal import Approve, Reject
from tests.scripted import ScriptedModel
from tests.stage import Stage, agent


def pay_into_the_ledger(amount: int) -> str:
    """Pay an amount."""
    file = os.open(os.environ["RACE_LEDGER"], os.O_WRONLY | os.O_APPEND)
    os.write(file, f"{amount}\n".encode())
    os.close(file)
    return f"paid {amount}"


def cashier() -> AgentConfig:
    return agent(pay_into_the_ledger)


def decide_all(
    url: str, ledger: str, name: str, count: int, start: Any, told: Any, over: Any
) -> None:
    """Let `count` people decide about all that waits, in the same order, all at once.

    Args:
        start: a barrier that all of them, in all processes, stand at.
        told: gets (who, request id, accepted, whose decision counts) for each.
        over: a barrier that is passed when everything was counted.
    """
    os.environ["RACE_LEDGER"] = ledger
    on = Stage(url, cashier(), ScriptedModel(script=lambda _: "Done."))
    waiting = [request.id for request in on.desk.pending()]

    def person(number: int) -> None:
        me = f"{name}{number}"
        start.wait()
        for request_id in waiting:
            decision = Approve() if number % 4 else Reject(me)
            verdict = on.desk.decide(request_id, decision, by=me)
            winner = verdict.request.decided_by if verdict.request else None
            told.put((me, request_id, verdict.accepted, winner))

    people = [threading.Thread(target=person, args=(number,)) for number in range(count)]
    for each in people:
        each.start()
    for each in people:
        each.join()
    over.wait()
    on.close()
