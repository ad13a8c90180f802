"""`hitl.chat`: inside a running loop and without one, in memory and on a stored journal."""

import asyncio
import builtins
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hitl
from hitl.desk import Desk
from hitl.engine import Engine
from hitl.errors import Refused
from hitl.journal import Approve, Journal
from hitl.talk import APPROVE, MESSAGE
from tests.openai_server import Call
from tests.scripted import ScriptedModel, asks, scripted
from tests.stage import OneAgent, Till, agent

ROOT = Path(__file__).parent.parent

# Applied in a process of its own: nest_asyncio changes asyncio for good, also for other tests.
IN_A_LOOP = """
import asyncio, builtins, threading
from llama_index.core.tools import FunctionTool
import hitl
from tests.openai_server import Call
from tests.scripted import ScriptedModel, asks
from tests.stage import Till, agent

alive = threading.Event()

def answer(question):
    print(question, end="")
    alive.clear()
    assert alive.wait(10), "the loop stands still while a person is asked"
    return "y"

async def ticks():
    while True:
        alive.set()
        await asyncio.sleep(0.01)

async def main():
    ticking = asyncio.create_task(ticks())
    for amount in (5, 6):
        llm = ScriptedModel(asks(Call("pay", {"amount": amount}, "1")), "Done.")
        result = hitl.chat(agent(till.tool()), llm, user_msg="Pay")
        assert result["response"] == "Done.", result
        assert [m.role.value for m in result["chat_history"]] == [
            "user", "assistant", "tool", "assistant"]
        llm.check()
    ticking.cancel()

till = Till()
builtins.input = answer
asyncio.run(main())
assert till.paid == [5, 6]
print("all is well")
"""

NEVER_NESTED = """
import sys
import hitl, hitl.service, hitl.ui.server
from hitl import AgentConfig, HITLAgent, chat
from hitl.settings import Settings
desk = hitl.service.open_desk(Settings.from_env())
chat = desk.start("Addition Agent")
desk.send(chat, "hello", by="Ada")
desk.wait_until_idle(chat, 20)
assert desk.handler(chat, "Ada").result()["response"]
assert "nest_asyncio" not in sys.modules
print("all is well")
"""


def call(amount: int) -> Call:
    return Call("pay", {"amount": amount}, f"call-{amount}")


@pytest.fixture
def till() -> Till:
    return Till()


@pytest.fixture
def answers(monkeypatch) -> Callable[..., list[str]]:
    """`answers("y", …)`: what a person types, a text or a function; returns what was asked."""

    def start(*given: str | Callable[[], str]) -> list[str]:
        left, asked = list(given), []

        def answer(question: str) -> str:
            asked.append(question)
            if not left:
                raise EOFError
            said = left.pop(0)
            return said if isinstance(said, str) else said()

        monkeypatch.setattr(builtins, "input", answer)
        return asked

    return start


def python(code: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_inside_a_running_loop_the_loop_stays_alive_while_a_person_is_asked():
    done = python(IN_A_LOOP)
    assert done.stdout.endswith("all is well\n"), done.stderr
    assert done.stderr == ""


def test_neither_the_library_nor_the_server_nor_a_run_imports_nest_asyncio(tmp_path):
    done = python(NEVER_NESTED, HITL_DATA_DIR=str(tmp_path))
    assert done.stdout.endswith("all is well\n"), done.stderr


def test_one_message_is_one_round(till, answers, capsys):
    asked = answers("y")
    with scripted(asks(call(5), text="May I?"), "Done.") as llm:
        result = hitl.chat(agent(till.tool()), llm, user_msg="Pay")
    assert result["response"] == "Done."
    assert [said.role.value for said in result["chat_history"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert (asked, till.paid) == ([APPROVE], [5])
    shown = capsys.readouterr().out
    assert "│   amount: 5\n" in shown
    assert "#1 approved by Notebook" in shown


@pytest.mark.parametrize("leave", ["", "quit"])
def test_without_a_message_it_reads_messages_until_the_person_quits(till, answers, leave):
    asked = answers("Hi", "Pay", "too much", leave, "never read")
    with scripted("Hello.", asks(call(5)), "Then not.") as llm:
        result = hitl.chat(agent(till.tool()), llm)
    assert asked == [MESSAGE, MESSAGE, APPROVE, MESSAGE]
    assert result["response"] == "Then not."
    assert len(result["chat_history"]) == 6
    assert till.paid == []


def test_who_leaves_at_once_gets_an_empty_result(till, answers):
    answers()
    with scripted() as llm:
        assert hitl.chat(agent(till.tool()), llm) == {"response": None, "chat_history": []}


def test_the_initial_state_is_told_to_the_model(till, answers):
    with scripted("Hello.") as llm:
        hitl.chat(agent(till.tool()), llm, user_msg="Hi", initial_state={"user_name": "Logan"})
    assert "user_name: Logan" in str(llm.sent[0][0].content)


def test_a_model_that_can_not_call_functions_is_refused(till):
    with pytest.raises(ValueError, match="LLM must be a function calling model!"):
        hitl.chat(agent(till.tool()), ScriptedModel(calls_functions=False), user_msg="Hi")


def test_an_empty_message_is_refused(till):
    with pytest.raises(Refused, match="empty"):
        hitl.chat(agent(till.tool()), ScriptedModel(), user_msg=" ")


def test_without_any_model_the_demo_model_says_what_it_is(till, answers):
    result = hitl.chat(agent(till.tool()), user_msg="Hi")
    assert "I am the demo model" in result["response"]


def test_a_failed_message_has_no_response_and_can_be_retried(till, answers):
    asked = answers("n")
    with scripted(OSError("the line is dead")) as llm:
        assert hitl.chat(agent(till.tool()), llm, user_msg="Hi")["response"] is None
    assert len(asked) == 1
    answers("y")
    with scripted(OSError("the line is dead"), "Hello.") as llm:
        assert hitl.chat(agent(till.tool()), llm, user_msg="Hi")["response"] == "Hello."


def other_desk(journal: Journal) -> Desk:
    """A desk as in another process: its engine does nothing."""
    clerk = OneAgent(agent())
    return Desk(journal, Engine(journal, clerk, lambda _: ScriptedModel()), clerk)


def test_on_a_stored_journal_a_request_can_be_decided_on_the_approvals_page(
    till, answers, journal_url
):
    def decided_elsewhere() -> str:
        desk = other_desk(Journal(journal_url))
        assert desk.decide(desk.pending()[0].id, Approve(), by="Ada").accepted
        return "n"

    answers(decided_elsewhere)
    with scripted(asks(call(5)), "Done.") as llm:
        result = hitl.chat(agent(till.tool()), llm, user_msg="Pay", journal=journal_url)
    assert (result["response"], till.paid) == ("Done.", [5])


def test_the_app_never_runs_what_a_notebook_asked_for(till, answers, play):
    app = play(agent(till.tool()))  # an agent of the same name, and a model that says nothing

    def approved_in_the_app() -> str:
        assert app.desk.decide(app.desk.pending()[0].id, Approve(), by="Ada").accepted
        return "y"

    answers(approved_in_the_app)
    with scripted(asks(call(5)), "Done.") as llm:
        result = hitl.chat(agent(till.tool()), llm, user_msg="Pay", journal=app.journal)
    assert (result["response"], till.paid) == ("Done.", [5])
    assert app.desk.recent() == []
    assert app.journal.read(lambda tx: True)  # still open: it is not ours to close


def test_what_waits_when_a_person_leaves_is_cancelled(till, answers, journal_url, capsys):
    answers()
    with scripted(asks(call(5))) as llm:
        result = hitl.chat(agent(till.tool()), llm, user_msg="Pay", journal=journal_url)
    assert result["response"] is None
    assert other_desk(Journal(journal_url)).pending() == []
    assert "cancelled" in capsys.readouterr().out
    assert till.paid == []


def test_an_answer_that_comes_after_the_cell_was_interrupted_decides_nothing(
    till, monkeypatch, journal_url
):
    asked, may_answer = threading.Event(), threading.Event()

    def answer(_: str) -> str:
        asked.set()
        may_answer.wait(10)
        return "y"

    def interrupted(loop: Any, work: Callable[[], None]) -> None:
        thread.append(threading.Thread(target=work))
        thread[0].start()
        assert asked.wait(10)
        raise KeyboardInterrupt

    thread: list[threading.Thread] = []
    monkeypatch.setattr(builtins, "input", answer)
    monkeypatch.setattr("hitl.notebook._beside", interrupted)
    with scripted(asks(call(5))) as llm, contextlib.suppress(KeyboardInterrupt):
        hitl.chat(agent(till.tool()), llm, user_msg="Pay", journal=journal_url)
    may_answer.set()
    thread[0].join()
    desk = other_desk(Journal(journal_url))
    assert desk.count_pending() == 0
    assert till.paid == []


def test_a_chat_without_a_running_loop_leaves_asyncio_as_it_is(till, answers):
    with scripted("Hello.") as llm:
        hitl.chat(agent(till.tool()), llm, user_msg="Hi")
    assert not hasattr(asyncio, "_nest_patched")
