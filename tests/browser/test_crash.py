"""The real server is killed at each labelled point once; afterwards everything is in its place."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hitl.journal import Approve, RunAgain, RunRecord, conversations
from hitl.verifying import verify
from tests.browser.app_server import ROOT, AppServer, until
from tests.browser.conftest import Visit
from tests.browser.visitor import approve, button, cards, conversation_id, say, waiting
from tests.crash.points import LABELS
from tests.openai_rules import violations_of_chat

AGENTS = ROOT / "tests" / "crash" / "agents"
BY = "Tester"
# Our own connection comes back after Streamlit's, which has then drawn the page already.
LATE_EARS = """
window.WebSocket = class extends WebSocket {
  constructor(where, ...more) {
    const late = window.late && String(where).includes("/api/live")
    super(late ? new URL("/nowhere", where) : where, ...more)
  }
}
"""


class Doomed(AppServer):
    """The real server with the laboratory's agent; dies at a label until it is told not to."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger"
        self.ledger.touch()
        env = {"HITL_AGENTS_DIR": str(AGENTS), "CRASH_LEDGER": str(self.ledger)}
        super().__init__(folder, env=env)

    def start_doomed(self, label: str) -> None:
        self.env["CRASH_AT"] = label
        self.start()

    def start_again(self, label: str = "") -> None:
        self.env["CRASH_AT"] = label
        self.start()

    def died(self) -> None:
        assert self.process is not None
        until(lambda: self.process and self.process.poll() is not None, "the server's death", 20)

    def runs(self) -> list[RunRecord]:
        found = self.desk.recent()
        return [
            each
            for conversation in found
            for each in self.desk.journal.read(conversations.transcript, conversation.id, limit=100)
        ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Doomed]:
    doomed = Doomed(tmp_path)
    yield doomed
    doomed.kill()


def settle(server: Doomed) -> None:
    """Decide whatever waits, until nothing is left to do."""

    def done() -> bool:
        for request in server.desk.pending():
            if request.is_in_doubt:
                server.desk.resolve(request.id, RunAgain(), by=BY)
            else:
                server.desk.decide(request.id, Approve(), by=BY)
        records = server.runs()
        return bool(records) and all(record.run.has_ended for record in records)

    until(done, "the end of all runs", 30)


def all_is_in_its_place(server: Doomed) -> None:
    records = server.runs()
    assert {record.run.status for record in records} <= {"answered", "superseded", "cancelled"}
    started: Counter[str] = Counter()
    for record in records:
        for request in record.requests:
            if request.started_at is not None:
                arguments = request.final_arguments
                started[f"{request.tool}-{arguments['run']}-{arguments['n']}"] += 1
    effects = Counter(
        line.split()[1]
        for line in server.ledger.read_text().splitlines()
        if line.startswith("effect")
    )
    assert all(times <= started[what] for what, times in effects.items()), (effects, started)
    assert effects["note-a-1"] >= 1
    for record in records:
        history = server.desk.history(record.run.conversation_id)
        assert not violations_of_chat(history)
    server.desk.journal.read(verify)


def waits_in_the_middle(server: Doomed, visit: Visit) -> None:
    """Get, in a browser, as far as a call whose outcome is unknown."""
    server.start_doomed("in the effect")
    page = visit(server.url)
    say(page, "Run a 1")
    server.died()


@pytest.mark.parametrize("label", LABELS)
def test_the_real_server_is_killed_there_and_nothing_is_lost_or_done_twice(
    server: Doomed, visit: Visit, label: str
) -> None:
    if label.endswith("resolve"):
        waits_in_the_middle(server, visit)
        server.start_again(label)
        page = visit(f"{server.url}/?chat={server.desk.recent()[0].id}")
        button(cards(page).first, "Run again").click()
    else:
        server.start_doomed(label)
        page = visit(server.url)
        say(page, "Run a 1")
        if label.endswith("finish"):
            until(server.desk.pending, "a request")
            conversation = server.desk.recent()[0].id
            held = server.desk.send(conversation, "No.", by=BY)
            asked = [each.id for each in server.desk.pending()]
            server.desk.reject_and_send(held, asked, by=BY)
        elif label.endswith("decide"):
            button(waiting(page).first, "Approve").click()
    server.died()
    page.close()
    server.start_again()
    settle(server)
    all_is_in_its_place(server)


@pytest.mark.parametrize("ears", ["in time", "late"])
def test_a_message_stored_just_before_the_end_is_what_the_open_page_comes_back_to(
    server: Doomed, visit: Visit, ears: str
) -> None:
    """The page had not been told yet that its chat had begun."""
    server.start_doomed("after begin")
    page = visit(server.url, script=LATE_EARS)
    page.evaluate("(late) => { window.late = late }", ears == "late")
    say(page, "Run a 1")
    server.died()
    server.start_again()
    approve(waiting(page).first)
    assert conversation_id(page) == server.desk.recent()[0].id
