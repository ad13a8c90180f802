"""The journal's files and transactions, and what happens when the database is away."""

import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hitl.errors import JournalUnavailable, NotFound, RunLost
from hitl.journal import (
    Approve,
    Journal,
    Reject,
    conversations,
    decisions,
    dispatch,
    requests,
    runs,
)
from hitl.journal.journal import Watcher
from hitl.journal.rows import touch_conversation
from hitl.journal.values import ToolCall
from tests.openai_server import Call
from tests.scripted import Gate, Said
from tests.stage import BY, Till, agent, sqlite_url

HOSTILE = "nul \0, half a character \ud800, ‮ bidi, <b>, 🙂"
READABLE = "nul \\x00, half a character \\ud800, ‮ bidi, <b>, 🙂"


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    journal = Journal(journal_url)
    yield journal
    journal.close()


def pragma(journal: Journal, name: str) -> Any:
    return journal.read(lambda tx: tx.exec_driver_sql(f"PRAGMA {name}").scalar())


def conversation_in(journal: Journal) -> str:
    return journal.write(conversations.create, "Clerk")


# The file


def test_the_file_and_its_companions_are_readable_by_their_owner_alone(tmp_path: Path):
    before = os.umask(0)
    try:
        journal = Journal(sqlite_url(tmp_path / "new" / "folder"))
        conversation_in(journal)
    finally:
        os.umask(before)
    files = list((tmp_path / "new" / "folder").iterdir())
    assert {file.name for file in files} >= {"hitl.sqlite", "hitl.sqlite-wal"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    journal.close()


def test_the_database_is_in_wal_mode_fully_synchronous_and_checks_its_keys(tmp_path: Path):
    journal = Journal(sqlite_url(tmp_path))
    assert pragma(journal, "journal_mode") == "wal"
    assert pragma(journal, "synchronous") == 2  # FULL
    assert pragma(journal, "foreign_keys") == 1
    with pytest.raises(IntegrityError):
        journal.write(runs.add, "no conversation", "Clerk", "Hi", by=BY)


def test_many_can_open_a_new_file_at_once(journal_url: str):
    with ThreadPoolExecutor(8) as threads:
        journals = list(threads.map(lambda _: Journal(journal_url), range(8)))
    assert all(conversation_in(each) for each in journals)
    for each in journals:
        each.close()


def test_a_journal_in_memory_is_one_for_all_threads():
    journal = Journal()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: conversation_in(journal), range(40)))
    assert {each.id for each in journal.read(conversations.recent)} <= set(made)
    assert len(set(made)) == 40
    other = Journal()
    assert other.read(conversations.recent) == []
    journal.close()
    other.close()


# Transactions


def test_a_writer_waits_for_another_instead_of_failing(journal_url: str):
    gate, first, second = Gate(), Journal(journal_url), Journal(journal_url)

    def slowly(tx: Any) -> str:
        made = conversations.create(tx, "Slow")
        gate.wait()
        return made

    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(first.write, slowly)
        assert gate.was_reached()
        quick = threads.submit(conversation_in, second)
        seen = {each.agent for each in second.read(conversations.recent)}
        assert "Slow" not in seen, "readers neither wait nor see it"
        gate.open()
        assert {slow.result(), quick.result()} == {
            each.id for each in first.read(conversations.recent)
        }
    first.close()
    second.close()


def test_two_journals_that_read_and_then_write_never_fail_nor_lose_a_change(journal_url: str):
    journals = [Journal(journal_url), Journal(journal_url)]
    conversation = conversation_in(journals[0])

    def count(tx: Any) -> None:
        touch_conversation(tx, conversation)  # takes the row, as every write begins
        found = conversations.get(tx, conversation)
        number = int(found.title or 0) + 1
        conversations.rename(tx, conversation, str(number))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: journals[n % 2].write(count), range(100)))
    assert journals[0].read(conversations.get, conversation).title == "100"
    for each in journals:
        each.close()


def test_what_fails_halfway_is_not_written_at_all(journal: Journal):
    def fail(tx: Any) -> None:
        conversations.create(tx, "Clerk")
        raise RuntimeError("halfway")

    heard: list[set[str]] = []
    journal.listen(heard.append)
    with pytest.raises(RuntimeError):
        journal.write(fail)
    assert journal.read(conversations.recent) == []
    assert heard == []


def test_listeners_hear_of_a_change_after_it_can_be_read(journal: Journal):
    seen: list[bool] = []
    journal.listen(
        lambda touched: seen.append(
            all(journal.read(conversations.get, each).id == each for each in touched)
        )
    )
    conversation_in(journal)
    assert seen == [True]


# Transitions


def asked(journal: Journal, count: int = 1) -> tuple[str, list[str]]:
    """A run of mine that asks for some calls; returns its id and theirs."""
    conversation = conversation_in(journal)
    run_id = journal.write(runs.add, conversation, "Clerk", "Pay.", by=BY)
    journal.write(runs.acquire, run_id, "me", 60.0)
    calls = [ToolCall("pay", {"amount": n}, f"p{n}") for n in range(count)]
    run = journal.read(conversations.record, run_id).run
    journal.write(requests.ask, run, 1, calls)
    return run_id, [f"{run_id}-1-{n}" for n in range(count)]


def claim(journal: Journal, request_id: str, owner: str, token: str = "token") -> Any:
    """Claim a call as the engine does, for a tool that has not changed."""
    asked = journal.read(requests.get, request_id)
    now = dispatch.Dispatch(asked.final_arguments, "", None, ToolCall("pay", {}, ""))
    return journal.write(dispatch.claim, request_id, owner, token, now)


def settle(journal: Journal, request_id: str, owner: str, result: str) -> bool:
    return journal.write(dispatch.settle, request_id, owner, "token", "succeeded", result)


def test_of_many_deciders_at_once_one_wins(journal: Journal):
    _, (request_id,) = asked(journal)
    start = threading.Barrier(8)

    def decide(n: int) -> bool:
        start.wait()
        decision = Approve() if n % 2 else Reject(str(n))
        return journal.write(decisions.decide, request_id, decision, str(n)).accepted

    with ThreadPoolExecutor(8) as threads:
        accepted = list(threads.map(decide, range(8)))
    assert accepted.count(True) == 1
    assert journal.read(requests.get, request_id).decided_by == str(accepted.index(True))


def test_of_many_who_claim_a_call_one_gets_it(journal: Journal):
    _, (request_id,) = asked(journal)
    assert claim(journal, request_id, "me") is None, "nobody approved it yet"
    journal.write(decisions.decide, request_id, Approve(), BY)
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda n: claim(journal, request_id, "me", str(n)), range(16)))
    assert len([claim for claim in claims if claim]) == 1


def test_a_call_of_a_run_that_somebody_else_works_on_cannot_be_claimed_or_settled(
    journal: Journal,
):
    run_id, (request_id,) = asked(journal)
    journal.write(decisions.decide, request_id, Approve(), BY)
    assert claim(journal, request_id, "somebody else") is None
    claim(journal, request_id, "me")
    assert not settle(journal, request_id, "somebody else", "!")
    journal.write(runs.stop, run_id, BY)
    assert not settle(journal, request_id, "me", "too late")
    assert journal.read(requests.get, request_id).status == "unknown"


def test_a_run_is_acquired_once_and_again_only_when_its_lease_is_over(journal: Journal):
    run_id, (first, second) = asked(journal, 2)
    journal.write(decisions.decide, first, Approve(), BY)
    claim(journal, first, "me")
    assert journal.write(runs.acquire, run_id, "you", 60.0) is None
    journal.write(runs.release, "me")
    assert journal.write(runs.acquire, run_id, "you", 60.0).owner == "you"
    assert journal.read(requests.get, first).status == "unknown"
    assert journal.read(requests.get, second).status == "pending"
    for action in (runs.park, runs.finish):
        arguments = ("answered",) if action is runs.finish else ()
        with pytest.raises(RunLost):
            journal.write(action, run_id, "me", *arguments)


def test_a_conversation_has_one_active_run(journal: Journal):
    conversation = conversation_in(journal)
    both = [journal.write(runs.add, conversation, "Clerk", "Hi", by=BY) for _ in range(2)]
    taken = [journal.write(runs.acquire, run_id, "me", 60.0) for run_id in both]
    assert [bool(each) for each in taken] == [True, False]


def test_a_lease_is_renewed_for_the_runs_that_are_worked_on_alone(journal: Journal):
    (kept, _), (dropped, _) = asked(journal), asked(journal)
    journal.write(runs.release, "me")
    journal.write(runs.renew, [kept], "me", 60.0)
    assert journal.read(runs.due, ["Clerk"], ["chat"]) == [dropped]


def test_a_run_is_parked_only_when_people_alone_can_move_it_on(journal: Journal):
    run_id, (first, _) = asked(journal, 2)
    journal.write(decisions.decide, first, Approve(), BY)
    assert not journal.write(runs.park, run_id, "me"), "there is a call to start"
    claim(journal, first, "me")
    assert not journal.write(runs.park, run_id, "me"), "a tool runs"
    settle(journal, first, "me", "ok")
    assert journal.write(runs.park, run_id, "me")


# Text


def test_hostile_text_is_stored_and_read_back(play: Any):
    till = Till()
    model_says = Said("Odd: ‮🙂 <b>", [Call("pay", {"amount": 1})])
    on = play(agent(till.tool(), system_prompt=HOSTILE.replace("\ud800", "")), model_says, "Ok.")
    conversation, run_id = on.send(HOSTILE)
    (request,) = on.waiting(run_id)
    on.desk.decide(request.id, Reject(HOSTILE), by=HOSTILE)
    record = on.ended(run_id)
    assert record.run.text == READABLE
    assert record.requests[0].reason == READABLE
    assert record.messages[1].content == "Odd: ‮🙂 <b>"
    assert record.messages[0].content == READABLE
    on.desk.stop(conversation, by=HOSTILE)
    assert on.desk.recent("half a char")[0].id == conversation
    assert on.desk.recent(HOSTILE)[0].id == conversation


@pytest.mark.parametrize("search", ["100%", "a_b", "ÄÖ", "'; DROP TABLE run; --", "\\"])
def test_a_search_finds_what_it_says_and_nothing_else(search: str, journal: Journal):
    for title in ("100 percent", "axb", "plain"):
        journal.write(conversations.create, "Clerk", title=title)
    wanted = journal.write(conversations.create, "Clerk", title=f"all of {search} here")
    assert [each.id for each in journal.read(conversations.recent, search=search)] == [wanted]


def test_a_long_message_is_stored_whole(journal: Journal):
    conversation = conversation_in(journal)
    long = "lang 🙂 " * 100_000
    run_id = journal.write(runs.add, conversation, "Clerk", long, by=BY)
    record = journal.read(conversations.record, run_id)
    assert record.run.text == record.messages[0].content == long


def test_an_unknown_id_is_not_found(journal: Journal):
    for read in (conversations.get, conversations.record):
        with pytest.raises(NotFound, match="nope"):
            journal.read(read, "nope")
    assert journal.read(requests.get, "nope") is None


# Noticing others


def test_a_clock_that_was_ahead_once_hides_no_later_change(journal: Journal, journal_url: str):
    quiet, busy = conversation_in(journal), conversation_in(journal)
    other = Journal(journal_url)
    watcher = Watcher(other)
    assert watcher.changed() == {quiet, busy}
    ahead = text("UPDATE conversation SET updated_at = updated_at + 3600, version = 1")
    journal.write(lambda tx: tx.execute(ahead))
    assert watcher.changed() == {quiet, busy}
    journal.write(conversations.rename, busy, "Changed")
    assert watcher.changed() == {busy}
    other.close()


# When the database is away


@pytest.fixture
def as_anybody() -> Iterator[Path]:
    """A folder of somebody without root's powers, which no permission could stop."""
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), os.geteuid() == 0
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        yield folder
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_folder_that_cannot_be_written_is_one_clear_sentence(as_anybody: Path):
    as_anybody.chmod(0o500)
    with pytest.raises(JournalUnavailable, match=r"can't be written.*Permission denied"):
        Journal(sqlite_url(as_anybody))


def test_a_file_that_cannot_be_written_is_one_clear_sentence(as_anybody: Path):
    Journal(sqlite_url(as_anybody)).close()
    (as_anybody / "hitl.sqlite").chmod(0o400)
    with pytest.raises(JournalUnavailable, match=r"can't be written.*Permission denied"):
        Journal(sqlite_url(as_anybody))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////dev/null/hitl.sqlite", "can't be written"),
        ("sqlite:////", "can't be written"),
        ("nonsense", "HITL_DATABASE_URL can't be used"),
        ("nonsense://host/db", "HITL_DATABASE_URL can't be used"),
        ("postgresql+nodriver://host/db", "HITL_DATABASE_URL can't be used"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_clear_sentence(url: str, said: str):
    with pytest.raises(JournalUnavailable) as caught:
        Journal(url)
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_clear_sentence(tmp_path: Path):
    (tmp_path / "hitl.sqlite").write_text("Dear diary, " * 100)
    with pytest.raises(JournalUnavailable, match="not a database") as caught:
        Journal(sqlite_url(tmp_path))
    assert "\n" not in str(caught.value)


def test_an_engine_survives_a_database_that_is_away_for_a_while(play: Any):
    till = Till()
    on = play(agent(till.tool()), Call("pay", {"amount": 1}), "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)

    def rename(old: str, new: str) -> None:
        on.journal.write(lambda tx: tx.execute(text(f"ALTER TABLE {old} RENAME TO {new}")))

    rename("run", "gone")
    on.engine.look()
    on.until(lambda: on.engine.trouble, "trouble")
    with pytest.raises(JournalUnavailable, match=r"no such table|does not exist"):
        on.desk.decide(request.id, Approve(), by=BY)
    rename("gone", "run")
    assert on.approve(request)
    on.ended(run_id)
    assert till.paid == [1]
    on.until(lambda: on.engine.trouble is None, "the end of the trouble")
