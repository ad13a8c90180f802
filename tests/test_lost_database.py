"""The database goes away for a while, at any moment, and comes back: nothing is lost or doubled."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from hitl.errors import JournalUnavailable
from hitl.journal import Approve, Journal, conversations, decisions, runs
from hitl.journal.journal import Watcher
from tests.openai_server import Call
from tests.postgres import Line
from tests.scripted import Gate, Said, ScriptedModel
from tests.stage import BY, Stage, Till, agent

PASSWORD = "correct-horse"
COMMIT = b"COMMIT\0"  # and not the isolation level of that name
PAY = Call("pay", {"amount": 1})


@pytest.fixture
def url(line: Line, postgres_url: str) -> str:
    """A journal on Postgres, by a line that can be cut."""
    return line.url_of(postgres_url)


@pytest.fixture
def play(url: str, line: Line) -> Iterator[Callable[..., Stage]]:
    """`play(agent, *replies)`: a stage on that journal, ended and checked after the test."""
    stages: list[Stage] = []

    def start(config: Any, *replies: Any) -> Stage:
        stages.append(Stage(url, config, ScriptedModel(*replies)))
        return stages[-1]

    yield start
    for stage in stages:
        stage.close()
        stage.model.check()


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    journal = Journal(url)
    yield journal
    journal.close()


@pytest.fixture
def direct(postgres_url: str) -> Iterator[Journal]:
    """The same journal, as somebody sees it whose line is not cut."""
    journal = Journal(postgres_url)
    yield journal
    journal.close()


def away(on: Stage, line: Line) -> None:
    """Cut the line, and wait until the engine has noticed."""
    line.cut()
    on.until(lambda: on.engine.trouble, "trouble")


def back(on: Stage, line: Line) -> None:
    line.restore()
    on.until(lambda: on.engine.trouble is None, "the end of the trouble")


# Engine and desk


def test_what_waits_is_decided_after_the_database_was_away(play: Any, line: Line):
    till = Till()
    on = play(agent(till.tool()), PAY, "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    away(on, line)
    back(on, line)
    assert on.approve(request)
    on.ended(run_id)
    assert till.paid == [1]


def test_a_decision_meanwhile_is_refused_clearly_and_changes_nothing(
    play: Any, line: Line, direct: Journal
):
    till = Till()
    on = play(agent(till.tool()), PAY, "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    away(on, line)
    with pytest.raises(JournalUnavailable):
        on.approve(request)
    assert direct.read(conversations.record, run_id).requests[0].status == "pending"
    back(on, line)
    assert on.waiting(run_id) == [request]
    assert on.approve(request)
    on.ended(run_id)
    assert till.paid == [1]


def test_a_decision_made_elsewhere_meanwhile_is_carried_out_when_it_is_back(
    play: Any, line: Line, direct: Journal
):
    till = Till()
    on = play(agent(till.tool()), PAY, "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    away(on, line)
    assert direct.write(decisions.decide, request.id, Approve(), "Grace").accepted
    line.restore()
    (done,) = on.until(lambda: requests_if_ended(on, run_id), "the end")
    assert (done.decided_by, done.status) == ("Grace", "succeeded")
    assert till.paid == [1]


def requests_if_ended(on: Stage, run_id: str) -> Any:
    try:
        record = on.run(run_id)
    except JournalUnavailable:
        return None
    return record.requests if record.run.has_ended else None


def test_an_answer_that_the_model_gives_meanwhile_is_kept(play: Any, line: Line):
    gate = Gate()
    on = play(agent(Till().tool()), Said("Hello Ada.", gate=gate))
    _, run_id = on.send("Hello")
    assert gate.was_reached()
    away(on, line)
    gate.open()
    back(on, line)
    record = on.ended(run_id)
    assert record.messages[1].content == "Hello Ada."
    assert len(on.model.sent) == 1


def test_a_call_that_the_model_asks_for_meanwhile_waits_when_it_is_back(play: Any, line: Line):
    gate, till = Gate(), Till()
    on = play(agent(till.tool()), Said(calls=[PAY], gate=gate), "Done.")
    _, run_id = on.send("Pay.")
    assert gate.was_reached()
    away(on, line)
    gate.open()
    back(on, line)
    (request,) = on.waiting(run_id)
    assert on.approve(request)
    on.ended(run_id)
    assert till.paid == [1]


def test_the_outcome_of_a_tool_that_ends_meanwhile_is_not_lost(play: Any, line: Line):
    gate, paid = Gate(), []

    def pay(amount: int) -> str:
        """Pay an amount."""
        gate.wait()
        paid.append(amount)
        return f"paid {amount}"

    on = play(agent(pay, free="pay"), PAY, "Done.")
    _, run_id = on.send("Pay.")
    assert gate.was_reached()
    away(on, line)
    gate.open()
    on.until(lambda: paid, "the effect")
    back(on, line)
    record = on.ended(run_id)
    assert [(each.status, each.result) for each in record.requests] == [("succeeded", "paid 1")]
    assert on.told() == ["paid 1"]
    assert paid == [1]


@pytest.mark.parametrize("was_heard", [True, False])
def test_whichever_commit_loses_its_answer_nothing_is_lost_and_nothing_is_done_twice(
    was_heard: bool, play: Any, line: Line, direct: Journal
):
    till, count = Till(), 8
    on = play(agent(till.tool(), free="pay"), *replies(count))
    conversation = on.start()
    for number in range(count):
        line.cut_at(COMMIT, after=2 * number, passes_on=was_heard)
        run_id = direct.write(runs.add, conversation, "Clerk", "Pay.", by=BY)
        on.until(lambda: line.is_cut, "the cut")
        line.restore()
        (done,) = on.until(lambda at=run_id: requests_if_ended(on, at), "the end")
        assert (done.status, done.result) == ("succeeded", f"paid {number}")
    assert till.paid == list(range(count))


def replies(count: int) -> list[Any]:
    pairs = [(Call("pay", {"amount": number}), "Done.") for number in range(count)]
    return [reply for pair in pairs for reply in pair]


# A single transaction


def test_a_connection_that_is_lost_before_the_commit_is_replaced_and_the_change_made_once(
    journal: Journal, line: Line
):
    journal.read(conversations.recent)
    tries = []

    def create(tx: Any) -> str:
        tries.append(1)
        if len(tries) == 1:
            line.cut()
            line.restore()
        return conversations.create(tx, "Clerk")

    made = journal.write(create)
    assert [each.id for each in journal.read(conversations.recent)] == [made]
    assert len(tries) == 2


@pytest.mark.parametrize("was_heard", [True, False])
def test_a_commit_whose_answer_is_lost_is_not_repeated_but_said_to_be_in_doubt(
    was_heard: bool, journal: Journal, line: Line, direct: Journal
):
    journal.read(conversations.recent)
    line.cut_at(COMMIT, passes_on=was_heard)
    with pytest.raises(JournalUnavailable, match="look whether this was done"):
        journal.write(conversations.create, "Clerk")
    line.restore()
    journal.write(conversations.create, "Other")
    made = {each.agent for each in direct.read(conversations.recent)}
    assert made == ({"Clerk", "Other"} if was_heard else {"Other"})


def test_a_commit_whose_answer_is_lost_in_a_run_does_nothing_twice(play: Any, line: Line):
    gate, till = Gate(), Till()
    on = play(agent(till.tool(), free="pay"), Said(calls=[PAY], gate=gate), "Done.")
    _, run_id = on.send("Pay.")
    assert gate.was_reached()
    line.cut_at(COMMIT, passes_on=True)
    gate.open()
    on.until(lambda: on.engine.trouble, "trouble")
    back(on, line)
    record = on.ended(run_id)
    assert [each.status for each in record.requests] == ["succeeded"]
    assert till.paid == [1]


def test_what_is_said_of_a_database_that_is_away_is_one_sentence_without_the_password(
    url: str, line: Line
):
    line.cut()
    secret = make_url(url).set(password=PASSWORD).render_as_string(hide_password=False)
    assert PASSWORD in secret
    with pytest.raises(JournalUnavailable) as caught:
        Journal(secret)
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres"])
def test_each_usual_form_of_a_postgres_address_is_understood(scheme: str, postgres_url: str):
    journal = Journal(postgres_url.replace("postgresql+psycopg", scheme))
    assert journal.engine.driver == "psycopg"
    journal.close()


# Word of others


def test_a_watcher_tells_after_a_lost_connection_what_changed_meanwhile(
    journal: Journal, line: Line, direct: Journal
):
    watcher = Watcher(journal)
    watcher.changed()
    line.cut()
    made = direct.write(conversations.create, "Clerk")
    with pytest.raises(JournalUnavailable):
        watcher.changed()
    line.restore()
    assert watcher.changed() == {made}
    assert watcher.changed() == set()
