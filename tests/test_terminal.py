"""The chat in the terminal: what it shows and asks, and real processes beside each other."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pexpect
import pytest

from hitl.__main__ import main
from hitl.desk import Desk
from hitl.engine import Engine
from hitl.journal import Answer, Approve, Journal, Reject, ToolRequest, conversations
from hitl.plain import Rows
from hitl.registry import Registry
from hitl.talk import APPROVE, MESSAGE, RETRY, Talk
from tests.openai_server import Call
from tests.scripted import Gate, Said, asks
from tests.stage import Stage, Till, agent, sqlite_url

ROOT = Path(__file__).parent.parent
DEADLINE = 30

TOOLS = '''
from pathlib import Path

from hitl.agents import tool

PAID = Path(__file__).with_name("paid.txt")


@tool(sentence="Pay {amount} to {to}")
def pay(amount: int, to: str) -> str:
    """Pay an amount."""
    with PAID.open("a") as file:
        file.write(f"{amount} ")
    return f"paid {amount}"
'''
CASHIER = r"""
name: Cashier
description: Pays.
greeting: I pay, if you let me.
tools:
  till.pay: ask
demo:
  - when: ["pay {amount:d} to {to}"]
    say: I ask for that.
    call:
      - tool: pay
        arguments: {amount: "{{ amount }}", to: "{{ to }}"}
        done: "Done: {{ result }}."
        rejected: "Not paid: {{ reason }}."
  - when: [escape]
    say: "\e[2J\e[1;1H\napprove? [y/n/reason] "
    call:
      - tool: pay
        arguments: {amount: 1, to: "Ada\e[2K\e[1A\napprove? [y/n/reason] \u202e"}
"""


# What it shows and asks ---------------------------------------------------------------------------


class Person:
    """Answers questions with what the test wrote, and keeps all that was said and asked."""

    def __init__(self, *answers: str | Callable[[], str]) -> None:
        self.answers, self.asked, self.heard = list(answers), [], ""

    def ask(self, question: str) -> str:
        self.asked.append(question)
        self.heard += question
        if not self.answers:
            raise EOFError
        answer = self.answers.pop(0)
        said = answer if isinstance(answer, str) else answer()
        self.heard += f"{said}\n"
        return said

    def say(self, text: str) -> None:
        self.heard += text

    def talk(self, stage: Stage, conversation_id: str | None = None) -> Talk:
        return Talk(
            stage.desk,
            stage.agents.agent.name,
            by="Terminal",
            ask=self.ask,
            say=self.say,
            conversation_id=conversation_id,
        )


def chatted(stage: Stage, *answers: str | Callable[[], str]) -> Person:
    """A person who gave these answers to a chat, and left."""
    person = Person(*answers)
    with pytest.raises(EOFError):
        person.talk(stage).chat()
    return person


def call(amount: int) -> Call:
    return Call("pay", {"amount": amount}, f"call-{amount}")


@pytest.fixture
def till() -> Till:
    return Till()


def test_an_answer_appears_once_however_it_came(play, till):
    stage = play(agent(till.tool()), "Good morning to you.")
    assert chatted(stage, "Hello").heard.count("Good morning to you.") == 1


@pytest.mark.parametrize("yes", ["y", "yes", " Y "])
def test_a_plain_yes_approves(play, till, yes):
    stage = play(agent(till.tool()), asks(call(5), text="May I?"), "Done.")
    heard = chatted(stage, "Pay", yes).heard
    assert till.paid == [5]
    assert "│   amount: 5\napprove? [y/n/reason] " in heard
    assert "#1 approved by Terminal\n│ #1 → paid 5\n  Done.\n" in heard


@pytest.mark.parametrize(("answer", "reason"), [("n", ""), ("No", ""), ("ok, later", "ok, later")])
def test_anything_but_a_yes_rejects_and_is_the_reason(play, till, answer, reason):
    stage = play(agent(till.tool()), asks(call(5)), "Then not.")
    chatted(stage, "Pay", answer)
    assert till.paid == []
    told = " Reason: " + reason if reason else ""
    assert stage.told() == ["Tool call was not approved. Nothing was executed." + told]


def test_an_empty_answer_is_asked_again(play, till):
    stage = play(agent(till.tool()), asks(call(5)), "Done.")
    person = chatted(stage, "Pay", "", "  ", "y")
    assert person.asked == [MESSAGE, APPROVE, APPROVE, APPROVE, MESSAGE]
    assert till.paid == [5]


def test_an_empty_message_is_not_sent(play, till):
    assert chatted(play(agent(till.tool())), "", "  ").asked == [MESSAGE] * 3


def test_several_requests_are_asked_one_after_the_other(play, till):
    stage = play(agent(till.tool()), asks(call(1), call(2), call(3)), "Done.")
    heard = chatted(stage, "Pay", "y", "too much", "y").heard
    assert sorted(till.paid) == [1, 3]
    assert "#2 rejected by Terminal, nothing was executed: too much" in heard
    assert heard.index("#1 pay") < heard.index("#2 pay") < heard.index("#3 pay")


def test_a_tool_that_runs_freely_is_shown_and_not_asked_about(play, till):
    stage = play(agent(till.tool(), free="pay"), asks(call(4)), "Done.")
    person = chatted(stage, "Pay")
    assert person.asked == [MESSAGE, MESSAGE]
    assert "│ #1 pay\n│   amount: 4\n│ #1 → paid 4\n" in person.heard


def test_a_request_decided_elsewhere_while_it_is_asked_about_says_who_was_first(play, till):
    stage = play(agent(till.tool()), asks(call(5)), "Done.")

    def too_late() -> str:
        request = stage.desk.pending()[0]
        stage.desk.decide(request.id, Approve(), by="Ada")
        return "n"

    heard = chatted(stage, "Pay", too_late).heard
    assert "Your answer did not count" in heard
    assert "#1 approved by Ada" in heard
    assert till.paid == [5]


def test_a_request_decided_elsewhere_while_another_is_asked_about_is_not_asked_about(play, till):
    stage = play(agent(till.tool()), asks(call(1), call(2)), "Done.")

    def decide_the_other() -> str:
        stage.desk.decide(stage.desk.pending()[1].id, Reject("mine"), by="Ada")
        return "y"

    person = chatted(stage, "Pay", decide_the_other)
    assert person.asked == [MESSAGE, APPROVE, MESSAGE]
    assert "#2 rejected by Ada, nothing was executed: mine" in person.heard
    assert till.paid == [1]


def test_an_answer_given_elsewhere_is_told_as_a_persons_and_not_as_a_rejection(play, till):
    stage = play(agent(till.tool()), asks(call(1), call(2)), "Done.")

    def answer_the_other() -> str:
        stage.desk.decide(stage.desk.pending()[1].id, Answer("paid in cash"), by="Ada")
        return "n"

    heard = chatted(stage, "Pay", answer_the_other).heard
    assert "#2 answered by Ada in its place, nothing was executed" in heard
    assert "paid in cash" in heard
    assert "#2 rejected" not in heard
    assert till.paid == []


def test_a_decision_that_can_be_taken_back_is_told_once_it_counts(play, till):
    stage = play(agent(till.tool()), asks(call(1)), "Done.")
    stage.desk.undo_seconds = 0.2
    person = chatted(stage, "Pay", "y")
    assert person.asked == [MESSAGE, APPROVE, MESSAGE]
    assert "#1 approved by Terminal" in person.heard
    assert "#1 → paid 1" in person.heard


def test_a_run_that_is_stopped_elsewhere_is_asked_about_no_more(play, till):
    stage = play(agent(till.tool()), asks(call(1), call(2)))

    def stop() -> str:
        stage.desk.stop(stage.desk.pending()[0].conversation_id, by="Ada")
        return "y"

    person = chatted(stage, "Pay", stop)
    assert person.asked == [MESSAGE, APPROVE, MESSAGE]
    assert "Stopped by Ada." in person.heard
    assert till.paid == []


def test_a_failed_run_says_why_and_goes_on_where_it_failed(play, till):
    stage = play(agent(till.tool()), asks(call(5)), OSError("the line is dead"), "Done.")
    person = chatted(stage, "Pay", "y", "what?", "y")
    assert person.asked == [MESSAGE, APPROVE, RETRY, RETRY, MESSAGE]
    assert "> the line is dead\n" in person.heard
    assert person.heard.endswith("  Done.\n" + MESSAGE)
    assert till.paid == [5]


def test_a_failed_run_that_is_not_retried_leaves_the_conversation_usable(play, till):
    stage = play(agent(till.tool()), OSError("the line is dead"), "Hello.")
    person = chatted(stage, "Hi", "n", "Hi again")
    assert person.asked == [MESSAGE, RETRY, MESSAGE, MESSAGE]
    assert "  Hello.\n" in person.heard


def test_an_answer_that_is_stopped_half_way_does_not_run_into_the_next(play, till):
    gate = Gate()
    stage = play(agent(till.tool()), Said("Good mor", gate=gate), "Good evening.")
    person = Person("Hi", "Hi again")

    def stop_when_it_is_heard() -> None:
        stage.until(lambda: "Good" in person.heard, "the first word")
        stage.desk.stop(stage.desk.recent()[0].id, by="Ada")

    stopping = threading.Thread(target=stop_when_it_is_heard)
    stopping.start()
    with pytest.raises(EOFError):
        person.talk(stage).chat()
    stopping.join()
    assert "  Good mor\n> Stopped by Ada.\n" in person.heard
    assert person.heard.endswith("  Good evening.\n" + MESSAGE)


def test_what_was_said_before_is_shown_again_and_what_waits_is_asked_first(play, till):
    stage = play(agent(till.tool()), "Hello.", asks(call(5), text="May I?"), "Done.")
    conversation, run = stage.send("Hi")
    stage.ended(run)
    _, run = stage.send("Pay", conversation)
    stage.waiting(run)
    person = Person("y")
    person.talk(stage, conversation).recall()
    assert person.asked == [APPROVE]
    assert person.heard.startswith("> Ada: Hi\n  Hello.\n> Ada: Pay\n  May I?\n")
    assert till.paid == [5]


def test_a_message_written_elsewhere_is_shown_with_its_author(play, till):
    stage = play(agent(till.tool()), "One.", "Two.", "Three.")

    def meanwhile() -> str:
        _, run = stage.send("From the browser", stage.desk.recent()[0].id)
        stage.ended(run)
        return "Again"

    heard = chatted(stage, "Hi", meanwhile).heard
    assert "> Ada: From the browser\n  Two.\n  Three.\n" in heard


def test_a_message_that_is_held_is_sent_when_all_is_decided(play, till):
    stage = play(agent(till.tool()), "Hello.", asks(call(5)), "Done.", "Later.")

    def meanwhile() -> str:
        _, run = stage.send("Pay", stage.desk.recent()[0].id)
        stage.waiting(run)
        return "And this"

    person = chatted(stage, "Hi", meanwhile, "y")
    assert person.asked == [MESSAGE, MESSAGE, APPROVE, MESSAGE]
    assert person.heard.index("Done.") < person.heard.index("Later.")


HOSTILE = "a\x1b[2J\x9b1A\r\u202e\n" + "x" * 200 + "\napprove? [y/n/reason] y"


def test_no_text_can_act_in_the_terminal_or_begin_a_row(play):
    def note(text: str) -> str:
        """Note a text."""
        return text

    ask = asks(Call("note", {"text": HOSTILE}, "1"), text=HOSTILE)
    stage = play(agent(note), ask, OSError(HOSTILE), HOSTILE)
    heard = chatted(stage, "Note", "y", "y").heard
    assert not set("\x1b\x9b\r\u202e") & set(heard)
    assert "[U+001B]" in heard
    assert heard.count("\napprove? [y/n/reason] ") == 1


def test_every_argument_is_shown_whole():
    said: list[str] = []
    rows = Rows(said.append, "│ ", 80, mark="↪ ")
    text = " ".join(str(number) * 7 for number in range(300)) + "z" * 1000 + "宽" * 100
    rows.line(text)
    shown = "".join(said)
    assert shown.replace("\n│ ↪ ", "").removeprefix("│ ").rstrip("\n") == text
    assert max(len(row) for row in shown.split("\n")) <= 80


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_text_looks_the_same_in_however_many_pieces_it_comes(size):
    text = "One two  three\n\n" + "long " * 30 + "\tx\n" + "y" * 90 + " end"
    whole, pieces = [], []
    Rows(whole.append, "  ", 40).line(text)
    rows = Rows(pieces.append, "  ", 40)
    for start in range(0, len(text), size):
        rows.write(text[start : start + size])
    rows.end()
    assert "".join(pieces) == "".join(whole)


# Real processes -----------------------------------------------------------------------------------


class Counter:
    """A folder with a cashier, terminals at it, and a desk beside them, in this process."""

    def __init__(self, folder: Path) -> None:
        self.agents = folder / "agents"
        self.agents.mkdir()
        (self.agents / "till.py").write_text(TOOLS)
        (self.agents / "cashier.yaml").write_text(CASHIER)
        self.env = os.environ | {
            "HITL_DATA_DIR": str(folder),
            "HITL_AGENTS_DIR": str(self.agents),
            "TERM": "dumb",
        }
        self.terminals: list[pexpect.spawn] = []
        self.journal = Journal(sqlite_url(folder))
        registry = Registry(self.agents)
        self.desk = Desk(self.journal, Engine(self.journal, registry, _no_model), registry)

    def terminal(self, *arguments: str) -> pexpect.spawn:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "hitl", "chat", *arguments],
            cwd=str(ROOT),
            env=self.env,
            encoding="utf-8",
            timeout=DEADLINE,
            dimensions=(50, 100),
            # Tests that run in the background ignore Ctrl-C, and so would what they start.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self.terminals.append(child)
        return child

    def waiting(self) -> ToolRequest:
        (request,) = self.desk.pending()
        return request

    def paid(self) -> str:
        file = self.agents / "paid.txt"
        return file.read_text().strip() if file.exists() else ""

    def close(self) -> None:
        for child in self.terminals:
            child.close(force=True)
        self.journal.close()


def _no_model(_: Any) -> Any:
    raise AssertionError("this engine is never started")


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    opened = Counter(tmp_path)
    yield opened
    opened.close()


def message(child: pexpect.spawn, text: str) -> None:
    child.expect_exact("You: ")
    child.sendline(text)


def press_ctrl_c(child: pexpect.spawn, until: str) -> None:
    """`input` can miss a signal that comes just as it begins to read; people press again."""
    for _ in range(5):
        child.sendintr()
        if child.expect_exact([until, pexpect.TIMEOUT], timeout=DEADLINE / 5) == 0:
            return
    raise AssertionError(f"Ctrl-C did not lead to {until!r}: {child.before!r}")


def test_a_person_approves_and_rejects_in_a_real_terminal(counter):
    child = counter.terminal("Cashier")
    child.expect_exact("Asks first: pay")
    child.expect_exact("I pay, if you let me.")
    message(child, "pay 5 to Ada")
    child.expect_exact("Pay “5” to “Ada”")
    child.expect_exact(APPROVE)
    child.sendline("y")
    child.expect_exact("Done: paid 5.")
    message(child, "pay 6 to Ada")
    child.expect_exact(APPROVE)
    child.sendline("too much")
    child.expect_exact("Not paid: too much.")
    assert counter.paid() == "5"
    child.expect_exact("You: ")
    child.sendeof()
    child.expect_exact("python -m hitl chat --conversation ")
    child.expect(pexpect.EOF)
    assert child.wait() == 0


def test_what_was_typed_before_the_card_was_shown_does_not_decide(counter):
    child = counter.terminal("Cashier")
    message(child, "pay 5 to Ada\ny")
    child.expect_exact(APPROVE)
    child.sendline("n")
    child.expect_exact("rejected by Terminal, nothing was executed")
    child.expect_exact("You: ")
    assert counter.paid() == ""


def test_escape_sequences_in_words_and_arguments_are_spelled_out(counter):
    child = counter.terminal("Cashier")
    message(child, "escape")
    child.expect("\n" + "approve")
    shown = child.before
    assert "\x1b" not in shown
    assert "[U+001B][2J" in shown
    assert "Ada[U+001B][2K" in shown
    assert "[U+202E]" in shown


def test_ctrl_c_leaves_what_waits_and_the_conversation_can_be_continued(counter):
    child = counter.terminal("Cashier")
    message(child, "pay 5 to Ada")
    child.expect_exact(APPROVE)
    press_ctrl_c(child, "1 request goes on waiting")
    child.expect(r"--conversation (\w+)")
    conversation = child.match[1]
    child.expect(pexpect.EOF)
    assert child.wait() == 0
    assert counter.waiting().conversation_id == conversation

    child = counter.terminal("--conversation", conversation)
    child.expect_exact("> Terminal: pay 5 to Ada")
    child.expect_exact(APPROVE)
    child.sendline("y")
    child.expect_exact("Done: paid 5.")
    assert counter.paid() == "5"


def test_a_killed_terminal_loses_no_request(counter):
    child = counter.terminal("Cashier")
    message(child, "pay 5 to Ada")
    child.expect_exact(APPROVE)
    child.kill(signal.SIGKILL)
    child.expect(pexpect.EOF)
    child.wait()
    waiting = counter.waiting()

    child = counter.terminal("--conversation", waiting.conversation_id)
    child.expect_exact(APPROVE)
    child.sendline("y")
    child.expect_exact("Done: paid 5.")
    assert counter.paid() == "5"


def test_two_terminals_at_one_request_run_it_once(counter):
    first = counter.terminal("Cashier")
    message(first, "pay 5 to Ada")
    first.expect_exact(APPROVE)
    second = counter.terminal("--conversation", counter.waiting().conversation_id)
    second.expect_exact(APPROVE)
    second.sendline("y")
    second.expect_exact("Done: paid 5.")
    first.sendline("y")
    first.expect_exact("Your answer did not count")
    first.expect_exact("approved by Terminal")
    first.expect_exact("Done: paid 5.")
    assert counter.paid() == "5"


def test_a_decision_of_another_process_counts_and_is_told(counter):
    child = counter.terminal("Cashier")
    message(child, "pay 5 to Ada")
    child.expect_exact(APPROVE)
    assert counter.desk.decide(counter.waiting().id, Reject("not today"), by="Ada").accepted
    child.sendline("y")
    child.expect_exact("Your answer did not count")
    child.expect_exact("rejected by Ada, nothing was executed: not today")
    child.expect_exact("Not paid: not today.")
    assert counter.paid() == ""


@pytest.fixture
def run(counter, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """`run("check")`: (exit code, output, errors) of `python -m hitl check`, in this process."""

    def run(*arguments: str, **env: str) -> tuple[int, str, str]:
        for name, setting in (counter.env | env).items():
            monkeypatch.setenv(name, setting)
        try:
            code = main(list(arguments))
        except SystemExit as exit:
            code = exit.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.mark.parametrize(
    ("arguments", "env", "code", "said"),
    [
        (["chat", "Nobody"], {}, 1, "no agent 'Nobody'; there are: 'Cashier'"),
        (["chat", "--conversation", "x"], {}, 1, "There is no conversation 'x'."),
        (["chat"], {"HITL_DATABASE_URL": "sqlite:////proc/no/db"}, 1, "can't be written"),
        (["chat"], {"HITL_MODEL_TIMEOUT": "soon"}, 2, "HITL_MODEL_TIMEOUT must be a number"),
        (["sing"], {}, 2, "invalid choice: 'sing'"),
        ([], {}, 2, "required: command"),
    ],
)
def test_what_is_wrong_is_one_clear_sentence(run, arguments, env, code, said):
    got, _, err = run(*arguments, **env)
    assert got == code
    assert said in err
    assert err.startswith("usage:") or err.count("\n") == 1


def test_a_conversation_is_continued_with_its_own_agent_only(run, counter):
    conversation = counter.desk.start("Cashier")
    code, _, err = run("chat", "Till", "--conversation", conversation)
    assert (code, err) == (1, f"Conversation {conversation!r} is with 'Cashier'.\n")


def test_a_conversation_of_a_notebook_can_not_be_continued_in_a_terminal(run, counter):
    conversation = counter.journal.write(conversations.create, "Cashier", kind="notebook-1")
    code, _, err = run("chat", "--conversation", conversation)
    assert (code, err.count("\n")) == (1, 1)


def test_check_reports_on_the_agents_files(run, counter):
    code, out, err = run("check")
    assert (code, err) == (0, "")
    assert "cashier.yaml: Cashier, 1 tool" in out
    (counter.agents / "broken.yaml").write_text("name: [")
    code, out, _ = run("check")
    assert code == 1
    assert "broken.yaml" in out


def test_the_help_tells_how_to_answer(run):
    code, out, _ = run("chat", "--help")
    assert code == 0
    assert "Answer y to approve it, n to reject it" in out


def test_the_help_comes_at_once():
    loaded = "import sys, hitl.__main__; sys.exit('llama_index' in ' '.join(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, check=False).returncode == 0
