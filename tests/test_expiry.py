"""A request that nobody answers in time ends as expired: no person's no, and nothing runs."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from hitl.journal import Approve, decisions, rows
from hitl.outcomes import EXPIRED
from hitl.verifying import verify
from tests.openai_server import Call
from tests.stage import BY, Stage, Till, agent

Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 1})


class Clock:
    """The journal's clock, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset, real = 0.0, rows.time.time
        monkeypatch.setattr("hitl.journal.rows.time.time", lambda: real() + self.offset)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def hasty(till: Till, **fields: Any) -> Any:
    return agent(till.tool()).model_copy(update={"expires_after": 60.0, **fields})


def test_it_expires_the_model_is_told_and_it_was_nobodys_no(play: Play, till: Till, clock: Clock):
    on = play(hasty(till), PAY, "Too late then.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    assert request.expires_at == pytest.approx(request.asked_at + 60)
    clock.offset = 61
    on.engine.look()
    record = on.ended(run_id)
    (expired,) = record.requests
    assert (expired.status, expired.decision, expired.decided_by) == ("expired", None, None)
    assert on.told() == [EXPIRED]
    assert till.paid == []
    on.journal.read(verify)


def test_a_tools_own_time_counts_more_than_its_agents(play: Play, till: Till, clock: Clock):
    on = play(hasty(till, expires={"pay": 3600.0}), PAY, "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    assert request.expires_at == pytest.approx(request.asked_at + 3600)
    clock.offset = 61
    assert on.approve(request)
    on.ended(run_id)
    assert till.paid == [1]


def test_a_decision_after_the_time_does_not_count_even_if_nobody_noticed_yet(
    play: Play, till: Till, clock: Clock
):
    on = play(hasty(till), PAY, starts=True)
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.engine.stop()
    clock.offset = 61
    verdict = on.desk.decide(request.id, Approve(), by=BY)
    assert not verdict.accepted
    assert verdict.request is not None
    assert verdict.request.status == "expired"
    assert till.paid == []


def test_deciding_while_it_expires_one_of_both_wins(play: Play, till: Till, clock: Clock):
    on = play(hasty(till), PAY, "Done.", PAY, "Done.", PAY, "Done.")
    for _ in range(3):
        clock.offset = 0
        _, run_id = on.send("Pay.")
        (request,) = on.waiting(run_id)
        start = threading.Barrier(2)

        def expire(request_id: str = request.id, start: Any = start) -> None:
            start.wait()
            clock.offset = 61
            on.journal.write(decisions.expire, request_id)

        racer = threading.Thread(target=expire)
        racer.start()
        start.wait()
        accepted = on.approve(request)
        racer.join()
        (settled,) = on.ended(run_id).requests
        assert settled.status == ("succeeded" if accepted else "expired")
    assert len(till.paid) <= 3
    on.journal.read(verify)


def test_without_a_time_it_waits_for_ever(play: Play, till: Till, clock: Clock):
    on = play(agent(till.tool()), PAY, "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    assert request.expires_at is None
    clock.offset = 10 * 365 * 24 * 3600
    on.engine.look()
    assert on.approve(request)
    on.ended(run_id)
