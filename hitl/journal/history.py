"""The conversation's history: a LlamaIndex chat memory whose chat store is the journal.

The store is a view over the messages of ended runs, so a model never sees a half-finished turn.
"""

import math
from collections.abc import Iterator
from typing import Any

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import LLM, ChatMessage, MessageRole
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.storage.chat_store.base import BaseChatStore
from pydantic import PrivateAttr
from sqlalchemy import Connection, select

from hitl.errors import HitlError
from hitl.journal import conversations, runs
from hitl.journal.journal import Journal
from hitl.journal.tables import conversation
from hitl.journal.values import RunRecord
from hitl.outcomes import chat_of
from hitl.window import cut_results, from_first_turn, newest_turns, tokens_of

BATCH = 50


class HistoryIsKept(HitlError):
    """Raised when somebody tries to replace or delete messages of the journal."""


class JournalChatStore(BaseChatStore):
    """The journal as a LlamaIndex chat store; its keys are conversation ids.

    Args:
        journal: where the messages are.
        token_limit: whole oldest turns beyond it are not even read; None returns everything.
        before: only runs before that position.
        longest_result: characters beyond which a tool's result is cut; None leaves it whole.
    """

    _journal: Journal = PrivateAttr()
    token_limit: int | None = None
    before: int | None = None
    longest_result: int | None = None

    def __init__(self, journal: Journal, **fields: Any) -> None:
        super().__init__(**fields)
        self._journal = journal

    def get_messages(self, key: str) -> list[ChatMessage]:
        """The messages of the conversation's ended runs, oldest first."""
        return self._journal.read(
            _messages, key, self.token_limit, self.before, self.longest_result
        )

    def add_message(self, key: str, message: ChatMessage) -> None:
        """Append a message that belongs to no run."""
        self._journal.write(_append, key, message)

    def get_keys(self) -> list[str]:
        """All conversation ids."""
        return self._journal.read(_keys)

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        raise HistoryIsKept("The journal only appends; add messages one by one.")

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        raise HistoryIsKept("The journal never deletes.")

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        raise HistoryIsKept("The journal never deletes.")

    def delete_last_message(self, key: str) -> ChatMessage | None:
        raise HistoryIsKept("The journal never deletes.")


class TurnMemory(ChatMemoryBuffer):
    """A chat memory that is cut between turns; LlamaIndex's own may leave a lone answer."""

    def get(
        self, input: str | None = None, initial_token_count: int = 0, **kwargs: Any
    ) -> list[ChatMessage]:
        """The newest whole turns that fit.

        Args:
            input: not used.
            initial_token_count: tokens of the limit that are taken already.
        """
        return newest_turns(self.get_all(), self.token_limit - initial_token_count)


def memory_of(
    journal: Journal,
    conversation_id: str,
    llm: LLM,
    *,
    before: int | None = None,
    longest_result: int | None = None,
) -> ChatMemoryBuffer:
    """The conversation's memory, cut to what the model can read, in whole turns.

    Args:
        before: only runs before that position.
        longest_result: characters beyond which a tool's result is cut; None leaves it whole.
    """
    memory = TurnMemory.from_defaults(llm=llm, chat_store_key=conversation_id)
    memory.chat_store = JournalChatStore(
        journal, token_limit=memory.token_limit, before=before, longest_result=longest_result
    )
    return memory


def _messages(
    tx: Connection,
    conversation_id: str,
    token_limit: int | None,
    before: int | None,
    longest_result: int | None,
) -> list[ChatMessage]:
    chosen: list[list[ChatMessage]] = []
    left = math.inf if token_limit is None else token_limit
    for record in _newest_first(tx, conversation_id, before):
        chat = chat_of(record) if _belongs_to_history(record) else []
        if longest_result is not None:
            chat = cut_results(chat, longest_result)
        left -= sum(map(tokens_of, chat))
        if left < 0:
            return from_first_turn(_in_order(chosen))
        chosen.append(chat)
    return _in_order(chosen)


def _newest_first(tx: Connection, conversation_id: str, before: int | None) -> Iterator[RunRecord]:
    while True:
        batch = conversations.runs(tx, conversation_id, limit=BATCH, before=before)
        yield from reversed(conversations.records(tx, batch))
        if len(batch) < BATCH:
            return
        before = batch[0].position


def _in_order(newest_first: list[list[ChatMessage]]) -> list[ChatMessage]:
    return [message for chat in reversed(newest_first) for message in chat]


def _belongs_to_history(record: RunRecord) -> bool:
    """Calls put through the gate by hand were not said to the model."""
    return record.run.has_ended and 0 in record.messages


def _append(tx: Connection, conversation_id: str, message: ChatMessage) -> None:
    if message.role == MessageRole.TOOL or _has_calls(message):
        raise HistoryIsKept("A tool call and its answer belong to the run that asked for it.")
    found = conversations.get(tx, conversation_id)
    runs.add(tx, conversation_id, found.agent, "", by="", status="answered", said=message)


def _has_calls(message: ChatMessage) -> bool:
    in_blocks = any(isinstance(block, ToolCallBlock) for block in message.blocks)
    return in_blocks or bool(message.additional_kwargs.get("tool_calls"))


def _keys(tx: Connection) -> list[str]:
    return [row.id for row in tx.execute(select(conversation.c.id))]
