"""`hitl.chat(agent_config)`: the terminal's chat inside a notebook cell, or any Python script."""

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llama_index.core.llms import LLM

from hitl.agents import AgentConfig
from hitl.desk import Desk
from hitl.engine import Engine
from hitl.errors import NotFound
from hitl.journal import Journal
from hitl.outcomes import chat_of
from hitl.settings import Settings
from hitl.talk import Talk

BY = "Notebook"
LEAVE_ON = ("", "quit")


def chat(
    agent_config: AgentConfig,
    llm: LLM | None = None,
    *,
    user_msg: str | None = None,
    initial_state: dict[str, Any] | None = None,
    journal: Journal | str | None = None,
) -> dict[str, Any]:
    """Chat with an agent right here, and be asked before a tool that needs approval starts.

    Args:
        agent_config: the agent.
        llm: its model; by default the one that the settings choose, as in the app.
        user_msg: one message to send; None reads messages until an empty one, or "quit".
        initial_state: the user state; by default the agent's own.
        journal: where to keep it all, a `Journal` or an address such as
            `sqlite:///data/hitl.sqlite`: what waits can then be decided on the approvals page
            too, while this chat goes on. By default in memory.

    Returns:
        `{"response": …, "chat_history": […]}` of the last message; the response is None if it
        got no answer.

    Raises:
        ValueError: if the model can't call functions.
        HitlError: if the settings or the journal can't be used.
    """
    if llm is not None and not llm.metadata.is_function_calling_model:
        raise ValueError("LLM must be a function calling model!")
    loop = _loop_that_nests()
    state = agent_config.state if initial_state is None else initial_state
    agent = agent_config.model_copy(update={"state": dict(state)})
    with _desk(agent, llm, journal) as desk, _questions() as ask:
        talk = Talk(desk, agent.name, by=BY, ask=ask, say=partial(print, end="", flush=True))
        try:
            _beside(loop, partial(_talk, talk, user_msg))
        finally:
            _leave(talk)
        return _result(talk)


def _loop_that_nests() -> asyncio.AbstractEventLoop | None:
    """The loop that runs here, a notebook kernel's, made to run on while a cell waits."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    import nest_asyncio  # changes asyncio for the whole process: here, and nowhere else

    nest_asyncio.apply(loop)
    return loop


def _beside(loop: asyncio.AbstractEventLoop | None, work: Callable[[], None]) -> None:
    """Do blocking work; in a thread where it would stop a loop."""
    if loop is None:
        work()
    else:
        loop.run_until_complete(asyncio.to_thread(work))


@contextlib.contextmanager
def _desk(agent: AgentConfig, llm: LLM | None, journal: Journal | str | None) -> Iterator[Desk]:
    from hitl.llm import explain

    opened = journal if isinstance(journal, Journal) else Journal(*filter(None, [journal]))
    agents = OneAgent(agent)
    # A kind of its own: no app, and no other notebook, runs what only this one's tools can do.
    kind = f"notebook-{secrets.token_hex(4)}"
    engine = Engine(opened, agents, _chooser(llm), explain=explain, kinds=(kind,))
    engine.start()
    try:
        yield Desk(opened, engine, agents, kind=kind)
    finally:
        engine.stop()
        if opened is not journal:
            opened.close()


def _chooser(llm: LLM | None) -> Callable[[AgentConfig], LLM]:
    """Finds the model. Its connections would belong to a loop that ends with this chat."""
    from hitl.llm import choose_llm

    settings = Settings.from_env() if llm is None else Settings()

    def choose(agent: AgentConfig) -> LLM:
        chosen = llm or choose_llm(agent, settings)
        if hasattr(chosen, "reuse_client"):
            return chosen.model_copy(update={"reuse_client": False})
        return chosen

    return choose


@contextlib.contextmanager
def _questions() -> Iterator[Callable[[str], str]]:
    """Asks for as long as the chat lasts: an answer after it was interrupted decides nothing."""
    over = threading.Event()

    def ask(question: str) -> str:
        answer = input(question)
        if over.is_set():
            raise EOFError
        return answer

    try:
        yield ask
    finally:
        over.set()


def _talk(talk: Talk, user_msg: str | None) -> None:
    with contextlib.suppress(EOFError):
        if user_msg is None:
            talk.chat(LEAVE_ON)
        else:
            talk.send(user_msg)


def _leave(talk: Talk) -> None:
    """Nobody else can go on with what is left: only this process has the tools."""
    if talk.conversation_id and talk.desk.is_busy(talk.conversation_id):
        talk.desk.stop(talk.conversation_id, by=talk.by)
        talk.note.line("What was still to be decided or done is cancelled.")


def _result(talk: Talk) -> dict[str, Any]:
    if talk.conversation_id is None:
        return {"response": None, "chat_history": []}
    records = talk.desk.transcript(talk.conversation_id, limit=1)
    was_answered = bool(records) and records[-1].run.status == "answered"
    response = chat_of(records[-1])[-1].content if was_answered else None
    return {"response": response, "chat_history": talk.desk.history(talk.conversation_id)}


class OneAgent:
    """The agents of an engine that knows one."""

    def __init__(self, agent: AgentConfig) -> None:
        self.agent = agent

    def names(self) -> list[str]:
        return [self.agent.name]

    def get(self, name: str, version: str | None = None) -> AgentConfig:
        """The agent.

        Raises:
            NotFound: if it has another name.
        """
        if name != self.agent.name:
            raise NotFound(f"There is no agent {name!r} here, only {self.agent.name!r}.")
        return self.agent
