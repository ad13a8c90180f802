"""A journal of any earlier version opens, whole; one of a later version is left alone."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, inspect, select, text

from hitl.errors import JournalUnavailable
from hitl.journal import Journal, conversations, tables
from hitl.journal.connect import connect
from hitl.journal.migrations import HEAD, alembic_config
from tests.openai_server import Call
from tests.scripted import ScriptedModel
from tests.stage import Stage, agent, sqlite_url

VERSION_1 = Path(__file__).parent / "old_journals" / "version_1.sqlite"
KINDS = ("sqlite", "postgres")


@pytest.fixture(params=KINDS)
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A copy of the stored journal of the first version, on each database."""
    if request.param == "sqlite":
        shutil.copy(VERSION_1, tmp_path / "hitl.sqlite")
        yield sqlite_url(tmp_path)
        return
    postgres = request.getfixturevalue("postgres")
    url = postgres.new_database()
    in_transaction(url, make_version_1)
    in_transaction(url, copy_rows)
    yield url
    postgres.drop(url)


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    postgres = request.getfixturevalue("postgres")
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@pytest.fixture
def old_stage(old_url: str) -> Iterator[Stage]:
    """The first version's journal, served by the agent that it was made with."""

    def pay(amount: int) -> str:
        """Pay an amount."""
        return f"paid {amount}"

    def note(text: str) -> str:
        """Write a note."""
        return f"noted {text}"

    stage = Stage(old_url, agent(pay, note, free="note"), ScriptedModel(script=answer))
    yield stage
    stage.close()


def answer(messages: list[Any]) -> str | Call:
    last = messages[-1]
    return Call("pay", {"amount": 9}) if last.content == "Pay 9" else "Done."


def in_transaction(url: str, action: Callable[[Connection], Any]) -> Any:
    engine = connect(url)
    with engine.execution_options(writes=True).begin() as tx:
        result = action(tx)
    engine.dispose()
    return result


def make_version_1(tx: Connection) -> None:
    command.upgrade(alembic_config(tx), "0001")
    tx.execute(text("DROP TABLE alembic_version"))  # which the first version did not have


def copy_rows(tx: Connection) -> None:
    there = MetaData()
    there.reflect(tx)
    file = create_engine(f"sqlite:///{VERSION_1}")
    with file.connect() as source:
        for table in there.sorted_tables:
            if rows := [dict(row._mapping) for row in source.execute(select(table))]:
                tx.execute(table.insert(), rows)
    for name, key in (("run", "position"), ("message", "id"), ("model_call", "id")):
        sequence = f"pg_get_serial_sequence('{name}', '{key}')"
        tx.execute(text(f"SELECT setval({sequence}, (SELECT max({key}) FROM {name}))"))


def everything(tx: Connection) -> dict[str, Any]:
    """All tables with their columns, indexes and rows."""
    there, seen = MetaData(), inspect(tx)
    there.reflect(tx)
    return {
        table.name: (
            [(column["name"], str(column["type"])) for column in seen.get_columns(table.name)],
            sorted(index["name"] or "" for index in seen.get_indexes(table.name)),
            sorted(map(repr, tx.execute(select(table)))),
        )
        for table in there.sorted_tables
    }


def one(url: str, query: str) -> Any:
    return in_transaction(url, lambda tx: tx.execute(text(query)).scalar())


def all_of(url: str, query: str) -> list[Any]:
    return in_transaction(url, lambda tx: list(tx.execute(text(query))))


def differences(tx: Connection) -> list[Any]:
    """What Alembic would still have to migrate."""
    return compare_metadata(MigrationContext.configure(tx), tables.metadata)


# The first version


def test_what_was_said_and_done_in_the_first_version_is_all_there(old_url: str):
    before = in_transaction(old_url, everything)
    Journal(old_url).close()
    after = in_transaction(old_url, everything)
    for table in ("conversation", "message", "model_call"):
        assert after[table] == before[table]
    journal = Journal(old_url)
    for conversation in journal.read(conversations.recent, kinds=("chat", "try")):
        assert journal.read(conversations.transcript, conversation.id, limit=10) is not None
    journal.close()


def test_what_waited_in_the_first_version_is_decided_and_done_in_this_one(old_stage: Stage):
    four, five = [each for each in old_stage.desk.pending() if each.arguments["amount"] in (4, 5)]
    assert old_stage.approve(four)
    assert old_stage.reject(five, "enough")
    record = old_stage.ended(four.run_id)
    assert [each.status for each in record.requests] == ["succeeded", "rejected"]
    assert record.requests[0].result == "paid 4"


def test_what_was_approved_in_the_first_version_runs_as_approved(old_stage: Stage):
    (run_id,) = [run for run, status in runs_by_amount(old_stage, 7)]
    (request,) = old_stage.ended(run_id).requests
    assert (request.status, request.result) == ("succeeded", "paid 7")


def test_what_ran_when_the_first_version_died_is_in_doubt_and_waits_for_a_person(old_stage: Stage):
    (run_id,) = [run for run, status in runs_by_amount(old_stage, 6)]
    old_stage.until(lambda: old_stage.run(run_id).run.status == "waiting", "a parked run")
    (request,) = old_stage.run(run_id).requests
    assert request.status == "unknown"
    assert request.id in [each.id for each in old_stage.desk.pending()]


def test_a_run_that_failed_in_the_first_version_can_be_retried(old_stage: Stage):
    (failed,) = all_runs(old_stage, "failed")
    old_stage.desk.retry(failed)
    old_stage.ended(failed)


def test_a_conversation_of_the_first_version_goes_on(old_stage: Stage):
    answered = all_runs(old_stage, "answered")[0]
    conversation = old_stage.run(answered).run.conversation_id
    _, run_id = old_stage.send("Pay 9", conversation)
    (request,) = old_stage.waiting(run_id)
    assert old_stage.approve(request)
    old_stage.ended(run_id)


def all_runs(stage: Stage, status: str) -> list[str]:
    query = select(tables.run.c.id).where(tables.run.c.status == status)
    return stage.journal.read(lambda tx: list(tx.execute(query).scalars()))


def runs_by_amount(stage: Stage, amount: int) -> list[tuple[str, str]]:
    """The runs whose first request is about that amount, and what became of it."""
    request = tables.tool_request.c
    query = select(request.run_id, request.status, request.arguments)
    rows = stage.journal.read(lambda tx: tx.execute(query).all())
    return [(row.run_id, row.status) for row in rows if row.arguments.get("amount") == amount]


def test_requests_of_the_first_version_get_a_rule_and_a_salt_of_their_own(old_url: str):
    Journal(old_url).close()
    rows = all_of(old_url, "SELECT asks, rule, salt, fingerprint FROM tool_request")
    assert {(bool(row.asks), row.rule) for row in rows} == {(True, "ask"), (False, "allow")}
    assert len({row.salt for row in rows}) == len(rows)
    assert all(len(bytes.fromhex(row.salt)) == 16 for row in rows)
    assert {row.fingerprint for row in rows} == {""}


def test_nobody_is_asked_about_unknown_outcomes_of_runs_that_were_over(old_url: str):
    ended = "SELECT id FROM run WHERE status = 'answered'"
    unknown = f"UPDATE tool_request SET status = 'unknown' WHERE run_id IN ({ended})"
    changed = in_transaction(old_url, lambda tx: tx.execute(text(unknown)).rowcount)
    assert changed
    Journal(old_url).close()
    rows = all_of(
        old_url, "SELECT resolved_at, ended_at FROM tool_request WHERE status = 'unknown'"
    )
    assert len(rows) == changed
    assert all(row.resolved_at == row.ended_at for row in rows)


def test_the_audit_begins_with_every_request_of_the_first_version(old_url: str):
    Journal(old_url).close()
    requests = one(old_url, "SELECT count(*) FROM tool_request")
    assert one(old_url, "SELECT count(*) FROM audit") == requests
    assert one(old_url, "SELECT seq FROM audit_head") == requests


def test_many_can_open_a_journal_of_the_first_version_at_once(old_url: str):
    with ThreadPoolExecutor(8) as threads:
        journals = list(threads.map(lambda _: Journal(old_url), range(8)))
    for journal in journals:
        journal.close()
    assert one(old_url, "SELECT version_num FROM alembic_version") == HEAD
    assert one(old_url, "SELECT seq FROM audit_head") == one(old_url, "SELECT count(*) FROM audit")


# The tables


def test_the_first_migration_makes_the_tables_of_the_stored_file(tmp_path: Path):
    (tmp_path / "new").mkdir()
    shutil.copy(VERSION_1, tmp_path / "hitl.sqlite")
    made = sqlite_url(tmp_path / "new")
    in_transaction(made, make_version_1)

    def tables_of(tx: Connection) -> Any:
        return {name: shape[:2] for name, shape in everything(tx).items()}

    assert in_transaction(made, tables_of) == in_transaction(sqlite_url(tmp_path), tables_of)


def test_a_migrated_journal_has_the_tables_of_a_new_one(old_url: str):
    Journal(old_url).close()
    assert in_transaction(old_url, differences) == []


def test_a_new_journal_has_nothing_to_migrate(empty_url: str):
    Journal(empty_url).close()
    assert in_transaction(empty_url, differences) == []
    assert one(empty_url, "SELECT version_num FROM alembic_version") == HEAD


def test_every_migration_is_known_by_the_newest_name():
    names = sorted(path.name[:4] for path in migrations_folder().glob("0*.py"))
    assert names[-1] == HEAD
    assert len(set(names)) == len(names)


def migrations_folder() -> Path:
    from hitl.journal import migrations

    return migrations.FOLDER / "versions"


def test_the_chain_of_a_new_journal_begins_once_however_often_it_is_opened(empty_url: str):
    for _ in range(3):
        Journal(empty_url).close()
    assert all_of(empty_url, "SELECT id, seq, hash FROM audit_head") == [(1, 0, "")]


def test_a_journal_in_memory_has_the_same_tables():
    journal = Journal()
    assert journal.read(differences) == []
    assert journal.read(lambda tx: tx.execute(select(tables.audit_head)).all()) == [(1, 0, "")]
    journal.close()


def test_alembic_is_imported_only_where_there_is_something_to_migrate(tmp_path: Path):
    url = sqlite_url(tmp_path)
    script = f"import sys; from hitl.journal import Journal; Journal({url!r}); Journal({url!r})"
    shown = subprocess.run(
        [sys.executable, "-c", f"{script}; print('alembic' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "False"


# What can't be migrated


def test_a_journal_of_a_newer_version_is_refused_and_left_alone(empty_url: str):
    Journal(empty_url).close()
    in_transaction(empty_url, lambda tx: tx.execute(text("DROP TABLE audit")))
    in_transaction(
        empty_url, lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    )
    before = in_transaction(empty_url, everything)
    with pytest.raises(JournalUnavailable, match="newer version") as caught:
        Journal(empty_url)
    assert "'0999'" in str(caught.value)
    assert "HITL_DATABASE_URL" in str(caught.value)
    assert in_transaction(empty_url, everything) == before


def test_a_migration_that_fails_leaves_all_as_it_was(old_url: str):
    in_transaction(old_url, lambda tx: tx.execute(text("CREATE TABLE audit_head (mine INTEGER)")))
    before = in_transaction(old_url, everything)
    with pytest.raises(JournalUnavailable, match="audit_head"):
        Journal(old_url)
    assert in_transaction(old_url, everything) == before
    in_transaction(old_url, lambda tx: tx.execute(text("DROP TABLE audit_head")))
    Journal(old_url).close()
    assert one(old_url, "SELECT version_num FROM alembic_version") == HEAD
