"""Answer instead: the agent gets a person's words in the tool's place, and is told that it does."""

from collections.abc import Callable

import pytest

from hitl.errors import Refused
from hitl.journal import Answer
from hitl.outcomes import ANSWERED, read_outcome
from hitl.verifying import verify
from tests.openai_server import Call
from tests.scripted import asks
from tests.stage import BY, Stage, Till, agent

Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 1})
WORDS = "The customer says the parcel arrived."


def test_the_agent_is_told_the_answer_as_a_persons_and_nothing_runs(play: Play, till: Till):
    """The tool message says that the tool was not executed, and who answered."""
    on = play(agent(till.tool()), asks(PAY), "Good.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    verdict = on.desk.decide(request.id, Answer(WORDS), by=BY)
    assert verdict.accepted
    on.ended(run_id)
    assert on.told() == [f"{ANSWERED} {WORDS}"]
    assert till.paid == []
    (settled,) = on.run(run_id).requests
    assert (settled.status, settled.decision, settled.decided_by) == ("answered", "answer", BY)
    assert (settled.result, settled.started_at) == (WORDS, None)
    assert on.journal.read(verify).requests == 1


def test_an_answer_is_one_decision_like_any_other(play: Play, till: Till):
    """Whoever comes later is told that somebody answered; nothing is decided twice."""
    on = play(agent(till.tool()), asks(PAY), "Good.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.desk.decide(request.id, Answer(WORDS), by=BY)
    assert not on.approve(request)
    assert not on.reject(request)
    on.ended(run_id)
    assert till.paid == []


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_an_answer_without_words_decides_nothing(play: Play, till: Till, empty: str):
    """The request goes on waiting, and the person is told why."""
    on = play(agent(till.tool()), asks(PAY), "Good.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    with pytest.raises(Refused, match="needs words"):
        on.desk.decide(request.id, Answer(empty), by=BY)
    assert on.status(request) == "pending"
    on.reject(request)
    on.ended(run_id)


def test_what_was_rejected_is_asked_anew_once_a_person_answered_something(play: Play, till: Till):
    """The agent learned something since, so the same call is worth a new look."""

    def look(order: int) -> str:
        """Look an order up."""
        raise AssertionError("it was answered instead")

    on = play(
        agent(till.tool(), look), asks(PAY), asks(Call("look", {"order": 5})), asks(PAY), "Done."
    )
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.reject(request, "look it up first")
    (lookup,) = on.waiting(run_id)
    on.desk.decide(lookup.id, Answer("It is unpaid."), by=BY)
    (again,) = on.waiting(run_id)
    assert again.earlier == request.id
    on.approve(again)
    on.ended(run_id)
    assert till.paid == [1]


@pytest.mark.parametrize("words", [WORDS, "two\nlines", " blanks ", "Reason: none", "{}"])
def test_what_the_model_reads_can_be_read_back(words: str):
    """So that the demo model, and a page, know an answer from a result."""
    reading = read_outcome(f"{ANSWERED} {words}")
    assert (reading.status, reading.text) == ("answered", words)
