"""Limits end in a clear sentence instead of a collapse, and what was there stays whole."""

from collections.abc import Callable
from typing import Any

import pytest

from hitl.errors import Refused
from hitl.limits import Limits
from tests.openai_server import Call
from tests.scripted import Gate, asks
from tests.stage import BY, Stage, Till, agent

Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 1})


def echo(text: str) -> str:
    """Say it ten times."""
    return text * 10


def within(on: Stage, **limits: int) -> Stage:
    on.engine.limits = Limits(**limits)
    return on


def test_a_message_that_is_too_long_is_refused_with_both_numbers(play: Play, till: Till):
    on = within(play(agent(till.tool()), "Hi."), message=100)
    with pytest.raises(Refused, match=r"101 characters, and at most 100 .* HITL_MAX_MESSAGE"):
        on.send("x" * 101)
    on.ended(on.send("x" * 100)[1])


def test_arguments_that_are_too_long_are_told_to_the_model_and_ask_nobody(play: Play):
    on = within(play(agent(echo), Call("echo", {"text": "x" * 200}), "I see."), arguments=100)
    record = on.ended(on.send("Echo.")[1])
    assert record.requests[0].status == "failed"
    assert "at most 100 are taken" in on.told()[0]
    assert "Nothing was executed" in on.told()[0]


def test_a_long_result_is_cut_for_the_model_and_whole_in_the_journal(play: Play):
    text = "".join(f"line {number}\n" for number in range(100))
    on = play(agent(echo, free="echo"), Call("echo", {"text": text}), "Long.")
    within(on, result=2_000)
    record = on.ended(on.send("Echo.")[1])
    assert record.requests[0].result == text * 10
    (told,) = on.told()
    assert len(told) <= 2_000
    assert told.startswith("line 0\n")
    assert "left out" in told


def test_too_many_calls_at_once_fail_the_run_with_a_clear_message(play: Play, till: Till):
    on = within(play(agent(till.tool()), asks(*[PAY] * 6)), requests_per_turn=5)
    record = on.ended(on.send("Pay.")[1], "failed")
    assert "6 tool calls at once; at most 5" in (record.run.error or "")
    assert record.requests == ()
    assert till.paid == []


def test_a_run_that_goes_on_and_on_is_stopped_and_another_message_goes_on(play: Play):
    wants = Call("echo", {"text": "again"})
    on = within(play(agent(echo, free="echo"), wants, wants, wants, "Enough."), turns_per_run=3)
    conversation, run_id = on.send("Echo.")
    record = on.ended(run_id, "failed")
    assert "took 3 turns for one message" in (record.run.error or "")
    assert len(record.requests) == 3
    on.ended(on.send("Stop that.", conversation)[1])


def test_a_process_works_on_so_many_runs_at_once_and_the_others_wait_their_turn(
    play: Play, till: Till
):
    gate, present, most = Gate(), [], []

    def wait(n: int) -> str:
        """Wait."""
        present.append(n)
        most.append(len(present))
        gate.wait()
        present.remove(n)
        return "waited"

    def script(messages: list[Any]) -> Any:
        words = str(messages[-1].content)
        return "Done." if messages[-1].role == "tool" else Call("wait", {"n": int(words)})

    on = within(play(agent(wait, free="wait"), script=script), runs_at_once=2)
    runs = [on.send(str(number))[1] for number in range(5)]
    on.until(lambda: len(present) == 2)
    assert sum(on.run(run_id).run.status == "queued" for run_id in runs) == 3
    gate.open()
    for run_id in runs:
        on.ended(run_id)
    assert max(most) == 2


def test_a_conversation_has_one_run_at_a_time(play: Play, till: Till):
    on = play(agent(till.tool()), PAY, "Done.", "Hello.")
    conversation, first = on.send("Pay.")
    (request,) = on.waiting(first)
    _, second = on.send("Hello?", conversation)
    assert on.run(second).run.status == "held"
    on.approve(request)
    on.ended(first)
    on.desk.send_held(second)
    on.until(lambda: not on.desk.is_busy(conversation))
    assert on.desk.transcript(conversation, limit=9)[-1].run.by == BY
