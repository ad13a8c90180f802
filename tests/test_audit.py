"""The audit: shown = approved = executed, provable afterwards, and no tampering unnoticed."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from hitl import tool
from hitl.canonical import canonical
from hitl.journal import Journal, Reject, audit, decisions, requests, waiting
from hitl.journal.tables import audit as audit_table
from hitl.journal.tables import audit_head, tool_request
from hitl.verifying import Broken, read_export, verify, verify_entries
from tests.openai_server import Call
from tests.scripted import ScriptedModel, asks
from tests.stage import BY, Stage, Till, agent, sqlite_url

KEY = "a key that nobody knows"
CANARY = "hunter2-canary"
ROOT = Path(__file__).parents[1]


@tool(secret=["phrase"])
def unlock(door: str, phrase: str, options: dict[str, Any]) -> str:
    """Unlock a door."""
    return f"{door} is open to {phrase}"


def calls() -> list[Call]:
    pays = [Call("pay", {"amount": n}) for n in range(1, 4)]
    options = {"api_key": CANARY, "slow": True}
    return [*pays, Call("unlock", {"door": "left", "phrase": CANARY, "options": options})]


def history(url: str, key: str | None = None) -> Journal:
    """A journal in which calls were approved, edited, rejected and denied, and one waits."""
    till = Till()
    config = agent(till.tool(), unlock, rules={"pay": ["deny when amount == 13", "ask"]})
    model = ScriptedModel(asks(*calls()), "Done.", asks(Call("pay", {"amount": 13})), "No.")
    model.say_next(Call("pay", {"amount": 4}))
    on = Stage(url, config, model)
    on.journal.signing_key = key
    _, run_id = on.send("Pay.")
    first, second, third, door = on.waiting(run_id, 4)
    on.approve(first)
    on.approve(second, {"amount": 22})
    on.reject(third, "too much")
    on.approve(door)
    on.ended(run_id)
    on.ended(on.send("Pay 13.")[1])
    on.waiting(on.send("Pay 4.")[1])
    on.engine.stop()
    return on.journal


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Path]:
    files: dict[str | None, Path] = {}
    for key in (None, KEY):
        folder = tmp_path_factory.mktemp("audit")
        journal = history(sqlite_url(folder), key)
        journal.write(lambda tx: None)
        journal.close()
        files[key] = folder / "hitl.sqlite"
    return files


@pytest.fixture
def copied(template: dict[str | None, Path], tmp_path: Path) -> Callable[[str | None], Journal]:
    """`copied(key)`: a copy of the journal, open."""

    def copy(key: str | None) -> Journal:
        for file in template[key].parent.glob("hitl.sqlite*"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
        return Journal(sqlite_url(tmp_path), signing_key=key)

    return copy


def other(value: Any, column: str) -> Any:
    """Another value of the same kind."""
    match value:
        case None:
            others: dict[str, Any] = {"edited": {"amount": 5}, "policy": "allow"}
            numbers = ("_at",)
            return others.get(column, 5.0 if column.endswith(numbers) else "forged")
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}!" if column != "status" else "succeeded!"
        case dict():
            return {**value, "amount": 999}
        case list():
            return [*value, "more"]


# Nothing to complain of


def test_an_untouched_journal_is_in_order_on_both_databases(journal_url: str):
    journal = history(journal_url)
    found = journal.read(verify)
    assert found.requests == 6
    assert found.entries > 12
    assert not found.signed
    journal.close()


def test_a_signed_journal_is_in_order_and_says_so(copied: Any):
    found = copied(KEY).read(verify, key=KEY)
    assert found.signed
    with pytest.raises(Broken, match="signed with another key"):
        copied(KEY).read(verify, key="another key, as long")
    with pytest.raises(Broken, match="set HITL_SIGNING_KEY"):
        copied(KEY).read(verify)


def test_the_receipt_is_the_canonical_form_of_exactly_what_was_decided_about(copied: Any):
    journal = copied(None)
    rows = journal.read(lambda tx: tx.execute(select(tool_request)).all())
    edited = next(row for row in rows if row.edited is not None)
    receipt = json.loads(edited.receipt)
    assert receipt["arguments"] == {"amount": 22}
    assert receipt["asked"] == {"amount": 2}
    assert receipt["request"] == edited.id
    assert receipt["tool"] == "pay"
    assert receipt["agent"] == "Clerk"
    assert receipt["conversation"] == edited.conversation_id
    assert receipt["fingerprint"] == edited.fingerprint
    assert canonical(receipt) == edited.receipt
    assert hashlib.sha256(edited.receipt.encode()).hexdigest() == edited.receipt_sha256


def test_each_request_records_which_rule_asked_allowed_or_denied_it(copied: Any):
    journal = copied(None)
    rows = journal.read(lambda tx: tx.execute(select(tool_request)).all())
    rules = {row.arguments.get("amount", "door"): row.rule for row in rows}
    assert rules[13] == "deny when amount == 13"
    assert rules[1] == "ask"
    assert rules["door"] == "ask"


# Tampering


@pytest.mark.parametrize("key", [None, KEY], ids=["unsigned", "signed"])
@pytest.mark.parametrize("column", [column.name for column in tool_request.columns])
def test_every_changed_column_of_a_request_is_noticed(copied: Any, column: str, key: str | None):
    journal = copied(key)
    rows = journal.read(lambda tx: tx.execute(select(tool_request)).all())
    row = next(row for row in rows if row.edited is not None)
    value = other(getattr(row, column), column)

    def tamper(tx: Connection) -> None:
        tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        tx.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        tx.execute(update(tool_request).where(tool_request.c.id == row.id).values({column: value}))
        if column in ("run_id", "conversation_id"):
            tx.execute(_parent(column, value, tx))

    journal.write(tamper)
    with pytest.raises(Broken, match=r"request|audit"):
        journal.read(verify, key=key)


def _parent(column: str, value: str, tx: Connection) -> Any:
    """What a forged foreign key refers to."""
    from hitl.journal.tables import conversation, run

    table = run if column == "run_id" else conversation
    known = dict(tx.execute(select(table)).first()._mapping)  # type: ignore[union-attr]
    known.pop("position", None)
    return insert(table).values({**known, "id": value})


@pytest.mark.parametrize("key", [None, KEY], ids=["unsigned", "signed"])
@pytest.mark.parametrize("column", [column.name for column in audit_table.columns])
def test_every_changed_column_of_the_audit_is_noticed(copied: Any, column: str, key: str | None):
    journal = copied(key)
    rows = journal.read(lambda tx: tx.execute(select(audit_table)).all())
    row = rows[len(rows) // 2]
    value = 10_000 if column == "seq" else other(getattr(row, column), column)
    journal.write(
        lambda tx: tx.execute(
            update(audit_table).where(audit_table.c.seq == row.seq).values({column: value})
        )
    )
    with pytest.raises(Broken, match="audit row"):
        journal.read(verify, key=key)


@pytest.mark.parametrize("table", ["tool_request", "audit"])
def test_a_row_that_was_deleted_is_noticed(copied: Any, table: str):
    journal = copied(None)
    victim = delete(tool_request) if table == "tool_request" else delete(audit_table)
    where = tool_request.c.status == "rejected" if table == "tool_request" else None
    where = audit_table.c.seq == 4 if where is None else where
    journal.write(lambda tx: tx.execute(victim.where(where)))
    with pytest.raises(Broken, match=r"the journal does not|one is missing"):
        journal.read(verify)


def test_a_request_that_was_slipped_in_is_noticed(copied: Any):
    journal = copied(None)

    def slip_in(tx: Connection) -> None:
        row = dict(tx.execute(select(tool_request)).first()._mapping)  # type: ignore[union-attr]
        tx.execute(insert(tool_request).values({**row, "id": "forged", "place": 77}))

    journal.write(slip_in)
    with pytest.raises(Broken, match="request forged: the audit knows nothing of it"):
        journal.read(verify)


def rewrite(tx: Connection, keep: int | None = None) -> None:
    """Write the whole chain anew without the key, with one lie in it; perhaps without its end."""
    previous = audit.BEGINNING
    rows = tx.execute(select(audit_table).order_by(audit_table.c.seq)).all()[:keep]
    for row in rows:
        body = json.loads(row.body)
        body["signed"] = False
        if body["set"].get("decided_by") == BY:
            body["set"]["decided_by"] = "Eve"
        text = canonical(body)
        digest = audit.link(previous, text, None)
        values = {"body": text, "previous": previous, "hash": digest}
        tx.execute(update(audit_table).where(audit_table.c.seq == row.seq).values(values))
        previous = digest
    tx.execute(update(tool_request).where(tool_request.c.decided_by == BY).values(decided_by="Eve"))
    tx.execute(update(audit_head).values(hash=previous, seq=len(rows)))


def test_a_chain_that_was_rewritten_as_a_whole_is_noticed_with_a_key(copied: Any):
    journal = copied(KEY)
    journal.write(rewrite)
    with pytest.raises(Broken, match="not signed, though HITL_SIGNING_KEY is set"):
        journal.read(verify, key=KEY)


def test_without_a_key_a_rewritten_chain_is_noticed_only_against_a_head_from_before(copied: Any):
    journal = copied(None)
    head = journal.read(verify).head
    journal.write(rewrite)
    journal.read(verify)  # which is why there is a key
    with pytest.raises(Broken, match="does not contain the head"):
        journal.read(verify, head=head)


@pytest.mark.parametrize("key", [None, KEY], ids=["unsigned", "signed"])
def test_a_tail_that_was_cut_off_is_noticed_against_a_head_from_before(
    copied: Any, key: str | None
):
    journal = copied(key)
    head = journal.read(verify, key=key).head

    def cut(tx: Connection) -> None:
        """The last request disappears from everywhere."""
        last = tx.execute(select(audit_table).order_by(audit_table.c.seq.desc())).first()
        assert last is not None
        tx.execute(delete(audit_table).where(audit_table.c.seq == last.seq))
        tx.execute(delete(tool_request).where(tool_request.c.id == last.request_id))
        tx.execute(update(audit_head).values(seq=last.seq - 1, hash=last.previous))

    journal.write(cut)
    journal.read(verify, key=key)  # the chain itself can't tell
    with pytest.raises(Broken, match="its end was cut off"):
        journal.read(verify, key=key, head=head)


def test_a_head_that_is_none_is_refused(copied: Any):
    with pytest.raises(Broken, match="is no head"):
        copied(None).read(verify, head="last week's")


def test_changed_arguments_are_refused_when_they_are_to_start(journal_url: str, caplog: Any):
    till = Till()
    on = Stage(journal_url, agent(till.tool()), ScriptedModel(asks(Call("pay", {"amount": 1}))))
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.engine.stop()
    on.approve(request)
    tampered = update(tool_request).values(arguments={"amount": 1_000_000})
    on.journal.write(lambda tx: tx.execute(tampered))
    again = Stage(journal_url, agent(till.tool()), ScriptedModel("I see."))
    record = again.ended(run_id)
    assert record.requests[0].status == "failed"
    assert "not what was approved" in (record.requests[0].result or "")
    assert till.paid == []
    assert "not what was approved" in caplog.text
    on.close()
    again.close()


# Export


def test_an_export_is_verified_without_the_database(copied: Any):
    lines = copied(KEY).read(lambda tx: list(audit.export(tx)))
    found = verify_entries(read_export(lines), key=KEY)
    assert found.entries == len(lines)
    assert verify_entries(read_export(lines), key=KEY, head=found.head).head == found.head
    with pytest.raises(Broken, match="its end was cut off"):
        verify_entries(read_export(lines[:-1]), key=KEY, head=found.head)
    with pytest.raises(Broken, match="is missing"):
        verify_entries(read_export([*lines[:3], *lines[4:]]), key=KEY)
    with pytest.raises(Broken, match="changed, or signed"):
        verify_entries(read_export([each.replace(BY, "Eve") for each in lines]), key=KEY)
    with pytest.raises(Broken, match="is not JSON"):
        verify_entries(read_export([*lines, "{"]), key=KEY)
    with pytest.raises(Broken, match="malformed"):
        verify_entries(read_export(["{}"]))


def test_no_secret_is_in_the_audit_or_an_export(copied: Any):
    text = "\n".join(copied(None).read(lambda tx: list(audit.export(tx))))
    assert CANARY not in text
    assert '"concealed"' in text
    assert '"left"' in text


def python_hitl(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hitl", *arguments],
        cwd=ROOT,
        env={"HITL_DATA_DIR": str(folder), "PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_say_what_is_broken_and_exit_with_1(copied: Any, tmp_path: Path):
    journal = copied(KEY)
    fine = python_hitl(tmp_path, "verify", HITL_SIGNING_KEY=KEY)
    assert fine.returncode == 0, fine.stderr
    assert "are in order, signed. Head: " in fine.stdout
    head = fine.stdout.split()[-1]
    exported = python_hitl(tmp_path, "export")
    file = tmp_path / "audit.jsonl"
    file.write_text(exported.stdout)
    from_file = ("verify", "--file", str(file), "--head", head)
    assert python_hitl(tmp_path, *from_file, HITL_SIGNING_KEY=KEY).returncode == 0
    journal.write(lambda tx: tx.execute(update(tool_request).values(reason="forged")))
    broken = python_hitl(tmp_path, "verify", HITL_SIGNING_KEY=KEY)
    assert broken.returncode == 1
    assert "column reason: it is not what the audit says" in broken.stdout


def test_the_head_goes_to_the_log_with_a_key_alone(journal_url: str, caplog: Any):
    caplog.set_level("INFO", "hitl.audit")
    history(journal_url).close()
    assert "audit head" not in caplog.text


def test_with_a_key_each_head_goes_to_the_log(tmp_path: Path, caplog: Any):
    caplog.set_level("INFO", "hitl.audit")
    journal = history(sqlite_url(tmp_path), KEY)
    head = journal.read(verify, key=KEY).head
    assert f"audit head {head}" in caplog.text
    assert CANARY not in caplog.text
    journal.close()


def test_decisions_after_a_key_was_set_are_signed_and_stay_so(copied: Any):
    journal = copied(None)
    journal.signing_key = KEY
    (late,) = journal.read(waiting.pending)
    assert journal.write(decisions.decide, late.id, Reject("late"), BY).accepted
    assert journal.read(verify, key=KEY).signed
    journal.signing_key = None

    def forge(tx: Connection) -> None:
        row = requests.get(tx, late.id)
        assert row is not None
        audit.note(tx, "approved", row, {"status": "approved"})

    journal.write(forge)
    with pytest.raises(Broken, match="not signed, though the rows before it are"):
        journal.read(verify, key=KEY)


def test_a_tool_that_fails_with_a_secret_in_its_words_does_not_write_it_into_the_log(
    journal_url: str, caplog: Any
):
    @tool(secret=["phrase"])
    def refuse(phrase: str) -> str:
        """Refuse."""
        raise ValueError(f"{phrase} is wrong")

    caplog.set_level("DEBUG", "hitl")
    model = ScriptedModel(Call("refuse", {"phrase": CANARY}), "Sorry.")
    on = Stage(journal_url, agent(refuse, free="refuse"), model)
    on.ended(on.send("Refuse.")[1])
    on.close()
    assert "ValueError: •••••• is wrong" in caplog.text
    assert CANARY not in caplog.text
