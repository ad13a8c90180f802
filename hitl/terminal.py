"""`python -m hitl chat`: chat in the terminal, on the journal that the app has too."""

import contextlib
import logging
import sys

from hitl.agents import AgentConfig
from hitl.desk import Desk
from hitl.errors import HitlError, Refused
from hitl.plain import visible
from hitl.settings import Settings
from hitl.talk import APPROVE, Talk

BY = "Terminal"
POLICY_WORDS = {
    "Asks first": "ask",
    "Always asks": "always_ask",
    "Runs freely": "allow",
    "Denied": "deny",
}


def chat(agent: str | None, conversation_id: str | None) -> None:
    """Chat in this terminal, on the stored journal, until the person leaves.

    Args:
        agent: the agent's name; None takes the only one, or asks which.
        conversation_id: the conversation to go on with; None starts a new one.

    Raises:
        HitlError: if something is missing or can't be used; the text says what to do.
    """
    # What goes wrong is told in the conversation; log lines would only cut through it.
    logging.getLogger("hitl").addHandler(logging.NullHandler())
    settings = Settings.from_env()
    from hitl.service import open_desk  # seconds, while which a wrong setting can be told

    desk = open_desk(settings)
    try:
        _chat(desk, settings, agent, conversation_id)
    except (EOFError, KeyboardInterrupt):  # that is how people leave
        _say("\n")
    finally:
        desk.engine.stop()
        desk.journal.close()


def _chat(desk: Desk, settings: Settings, name: str | None, conversation_id: str | None) -> None:
    agent = _agent(desk, name, conversation_id)
    talk = Talk(desk, agent.name, by=BY, ask=_ask, say=_say, conversation_id=conversation_id)
    _introduce(talk, agent, settings)
    try:
        if conversation_id is not None:
            talk.recall()
        talk.chat()
    finally:
        _farewell(talk)


def _agent(desk: Desk, name: str | None, conversation_id: str | None) -> AgentConfig:
    if conversation_id is None:
        return desk.agents.get(name or _choose(desk.agents.names()))
    conversation = desk.conversation(conversation_id)
    if conversation.kind != desk.kind:
        raise Refused(f"Conversation {conversation_id!r} can't be continued here: it is no chat.")
    if name not in (None, conversation.agent):
        raise Refused(f"Conversation {conversation_id!r} is with {conversation.agent!r}.")
    return desk.agent_in(conversation)


def _choose(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    for number, name in enumerate(names, 1):
        _say(f"  {number}  {visible(name)}\n")
    while True:
        answer = _ask(f"agent? [1-{len(names)}] ").strip()
        if answer in names:
            return answer
        if answer.isdecimal() and 0 < int(answer) <= len(names):
            return names[int(answer) - 1]


def _introduce(talk: Talk, agent: AgentConfig, settings: Settings) -> None:
    from hitl.llm import describe_llm

    talk.note.line(f"{agent.name}: {agent.description}")
    talk.note.line(describe_llm(agent, settings).sentence)
    for words, verb in POLICY_WORDS.items():
        listed = [name for name in agent.tool_names() if agent.policy(name).plain == verb]
        if listed or verb in ("ask", "allow"):
            talk.note.line(f"{words}: {', '.join(listed) or 'no tool'}")
    for name in agent.tool_names():
        if agent.policy(name).plain is None:
            talk.note.line(f"{name}: {agent.policy(name).words}")
    if talk.conversation_id is None:
        _say("\n")
        talk.prose.line(agent.greeting or agent.description)
        for sample in agent.samples:
            talk.prose.line(f"· {sample}")


def _farewell(talk: Talk) -> None:
    """Say what goes on without us, and how to come back."""
    if talk.conversation_id is None:
        return
    with contextlib.suppress(HitlError):
        waiting = len(talk.desk.pending(conversation_id=talk.conversation_id))
        _say("\n")
        if waiting:
            words = "1 request goes" if waiting == 1 else f"{waiting} requests go"
            talk.note.line(f"{words} on waiting, here and on the approvals page.")
        elif talk.desk.is_busy(talk.conversation_id):
            talk.note.line("The agent was still at work; what it has begun is continued.")
    talk.note.line(f"To continue: python -m hitl chat --conversation {talk.conversation_id}")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _ask(question: str) -> str:
    if question == APPROVE and sys.stdin.isatty():
        _forget_what_was_typed()
    return input(question)


def _forget_what_was_typed() -> None:
    """A decision is about the card on the screen: what was typed before it can't be one."""
    with contextlib.suppress(ImportError, OSError):
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)
