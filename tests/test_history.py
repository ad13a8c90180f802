"""The conversation's history: whole runs that have ended, cut to what the model can read."""

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import llama_index.core
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer

from hitl.answers import Answer
from hitl.errors import ModelError
from hitl.journal import Journal, conversations, runs
from hitl.journal.history import HistoryIsKept, JournalChatStore, memory_of
from hitl.segment import Segment
from hitl.toolcalls import RawCall
from hitl.window import fit, tokens_of
from tests.openai_rules import violations_of_chat
from tests.scripted import ScriptedModel
from tests.stage import BY, agent, sqlite_url

FOREVER = 1e9


def note(text: str) -> str:
    """Note."""
    return text


CLERK = agent(note, free="note")


@pytest.fixture
def journal() -> Iterator[Journal]:
    journal = Journal()
    yield journal
    journal.close()


@pytest.fixture
def conversation(journal: Journal) -> str:
    return journal.write(conversations.create, "Clerk")


async def talk(journal: Journal, conversation: str, text: str, *turns: str | list[str]) -> str:
    """A run in which the model says a text, or calls a tool with each text of a list."""
    run_id = journal.write(runs.add, conversation, "Clerk", text, by=BY)
    journal.write(runs.acquire, run_id, "me", FOREVER)
    segment = Segment(journal, run_id, "me", CLERK, ScriptedModel())
    for turn in turns:
        calls = [RawCall("note", {"text": each}, "") for each in turn if isinstance(turn, list)]
        answer = Answer(text="" if calls else str(turn), calls=calls)
        record = await segment.spoke(await segment.record(), [], 0.0, answer)
        for request in record.requests_of(record.run.turn):
            claimed = await segment.claim(request.id)
            assert claimed is not None
            await segment.settle(claimed[0], failed=False, result=request.arguments["text"])
    return run_id


def said(chat: list[ChatMessage]) -> list[str]:
    return [str(message.content) for message in chat]


# The store


async def test_the_history_holds_the_runs_that_have_ended_and_no_other(
    journal: Journal, conversation: str
):
    store = JournalChatStore(journal)
    await talk(journal, conversation, "1", ["a", "b"], "One.")
    working = await talk(journal, conversation, "2", ["c"])
    journal.write(runs.add, conversation, "Clerk", "held", by=BY, status="held")
    journal.write(runs.add, conversation, "Clerk", "queued", by=BY)
    assert said(store.get_messages(conversation)) == ["1", "None", "a", "b", "One."]
    journal.write(runs.stop, working, BY)
    chat = store.get_messages(conversation)
    assert said(chat)[5:] == [
        *("2", "None", "c", "[A person stopped the work here, before an answer was given.]")
    ]
    assert violations_of_chat(chat) == []


async def test_messages_can_be_appended_through_a_llamaindex_memory(
    journal: Journal, conversation: str
):
    memory = memory_of(journal, conversation, ScriptedModel())
    assert isinstance(memory, ChatMemoryBuffer)
    memory.put(ChatMessage("Hello"))
    await memory.aput(ChatMessage("Hi.", role="assistant"))
    assert said(memory.get()) == said(memory.get_all()) == ["Hello", "Hi."]
    assert JournalChatStore(journal).get_keys() == [conversation]


def test_nothing_can_be_replaced_or_deleted(journal: Journal, conversation: str):
    memory = memory_of(journal, conversation, ScriptedModel())
    store = JournalChatStore(journal)
    memory.put(ChatMessage("Hello"))
    for attempt in (
        lambda: memory.set([]),
        lambda: memory.reset(),
        lambda: store.set_messages(conversation, [ChatMessage("Forged")]),
        lambda: store.delete_messages(conversation),
        lambda: store.delete_message(conversation, 0),
        lambda: store.delete_last_message(conversation),
    ):
        with pytest.raises(HistoryIsKept):
            attempt()
    assert said(memory.get()) == ["Hello"]


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage("30", role="tool", additional_kwargs={"tool_call_id": "p1"}),
        ChatMessage(
            role="assistant",
            blocks=[ToolCallBlock(tool_call_id="p1", tool_name="note", tool_kwargs="{}")],
        ),
    ],
    ids=["a tool message", "a call"],
)
def test_what_would_break_the_history_cannot_be_appended(
    message: ChatMessage, journal: Journal, conversation: str
):
    with pytest.raises(HistoryIsKept):
        JournalChatStore(journal).add_message(conversation, message)
    assert JournalChatStore(journal).get_messages(conversation) == []


async def test_a_run_sees_what_was_said_before_it_and_not_after(
    journal: Journal, conversation: str
):
    await talk(journal, conversation, "1", "One.")
    second = await talk(journal, conversation, "2", "Two.")
    await talk(journal, conversation, "3", "Three.")
    position = journal.read(conversations.record, second).run.position
    memory = memory_of(journal, conversation, ScriptedModel(), before=position)
    assert said(memory.get()) == ["1", "One."]


async def test_more_runs_than_one_batch_are_read_in_order(journal: Journal, conversation: str):
    def fill(tx: Any) -> None:
        for n in range(120):
            runs.add(tx, conversation, "Clerk", str(n), by=BY, status="answered")

    journal.write(fill)
    expected = [str(n) for n in range(120)]
    assert said(JournalChatStore(journal).get_messages(conversation)) == expected


# Cut to what the model can read


@pytest.fixture(scope="module")
def long_talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Journal, str]]:
    """Runs of every shape: answered at once, with calls, failed, stopped, with empty texts."""
    import asyncio

    journal = Journal(sqlite_url(Path(tmp_path_factory.mktemp("history"))))
    conversation = journal.write(conversations.create, "Clerk")
    dice = random.Random(7)

    def words() -> str:
        return " ".join(
            dice.choice(["ja", "zwölf", "🙂", "{}", "x"]) for _ in range(dice.randint(0, 40))
        )

    async def fill() -> None:
        for n in range(25):
            calls = [[words() for _ in range(dice.randint(1, 3))] for _ in range(n % 3)]
            run_id = await talk(journal, conversation, f"Question {n}", *calls)
            if n % 4 == 0:
                journal.write(runs.stop, run_id, BY)
            elif n % 4 == 1:
                record = journal.read(conversations.record, run_id)
                journal.write(runs.fail, record.run, "me", words())
            else:
                segment = Segment(journal, run_id, "me", CLERK, ScriptedModel())
                await segment.spoke(await segment.record(), [], 0.0, Answer(text=words() + "."))

    asyncio.run(fill())
    yield journal, conversation
    journal.close()


@settings(max_examples=60, deadline=None)
@given(window=st.integers(2, 4000))
def test_at_any_limit_whole_runs_are_kept_and_the_history_is_valid(
    window: int, long_talk: tuple[Journal, str]
):
    journal, conversation = long_talk
    whole = JournalChatStore(journal).get_messages(conversation)
    memory = memory_of(journal, conversation, ScriptedModel(context_window=window))
    kept = memory.get()
    assert kept == whole[len(whole) - len(kept) :]
    assert not kept or (kept[0].role == "user" and violations_of_chat(kept) == [])
    assert sum(map(tokens_of, kept)) <= window * 0.75
    with suppress(ModelError):
        present = [ChatMessage("And now?")]
        sent = fit(ChatMessage("", role="system"), kept, present, tools=[], window=window)
        assert violations_of_chat(sent) == []
        assert sent[1:-1] == kept[len(kept) - len(sent) + 2 :]


@settings(max_examples=60, deadline=None)
@given(taken=st.integers(0, 3500))
async def test_room_that_is_taken_already_costs_whole_turns(
    taken: int, long_talk: tuple[Journal, str]
):
    journal, conversation = long_talk
    memory = memory_of(journal, conversation, ScriptedModel(context_window=4000))
    kept = await memory.aget(initial_token_count=taken)
    assert not kept or kept[0].role == "user"
    assert kept == memory.get()[len(memory.get()) - len(kept) :]
    assert sum(map(tokens_of, kept)) + taken <= max(3000, taken)


def test_an_answer_is_never_kept_without_its_question(journal: Journal, conversation: str):
    def fill(tx: Any) -> None:
        for text, role in (("word " * 500, "user"), ("An answer.", "assistant")) * 2:
            runs.add(
                tx,
                conversation,
                "Clerk",
                "",
                by="",
                status="answered",
                said=ChatMessage(text, role=role),
            )

    journal.write(fill)
    kept = {
        len(memory_of(journal, conversation, ScriptedModel(context_window=window)).get())
        for window in range(20, 2000, 20)
    }
    assert kept == {0, 2, 4}


async def test_a_huge_result_takes_no_more_room_than_what_is_sent_of_it(
    journal: Journal, conversation: str
):
    await talk(journal, conversation, "1", ["word " * 20_000], "One.")
    model = ScriptedModel(context_window=32_000)  # the call's arguments alone are 20,000
    assert memory_of(journal, conversation, model).get() == []
    kept = memory_of(journal, conversation, model, longest_result=5000).get()
    assert [len(text) <= 5000 for text in said(kept)] == [True] * 4
    assert "of 100,000 characters are left out here" in said(kept)[2]
    assert len(said(JournalChatStore(journal).get_messages(conversation))[2]) == 100_000


def test_a_limit_that_all_fits_in_cuts_nothing(long_talk: tuple[Journal, str]):
    journal, conversation = long_talk
    whole = JournalChatStore(journal).get_messages(conversation)
    memory = memory_of(journal, conversation, ScriptedModel(context_window=1_000_000))
    assert memory.get() == whole
    assert violations_of_chat(whole) == []


@pytest.fixture
def counted() -> Iterator[list[int]]:
    """The lengths of all texts that were tokenized."""
    lengths: list[int] = []

    def tokenize(text: str) -> list[str]:
        lengths.append(len(text))
        return text.split()

    before = llama_index.core.global_tokenizer
    llama_index.core.set_global_tokenizer(tokenize)
    yield lengths
    llama_index.core.global_tokenizer = before


def test_a_thousand_long_messages_are_counted_once_and_not_again_and_again(
    journal: Journal, conversation: str, counted: list[int]
):
    text = "word " * 400

    def fill(tx: Any) -> None:
        for n in range(1000):
            runs.add(tx, conversation, "Clerk", f"{n} {text}", by=BY, status="answered")

    journal.write(fill)
    model = ScriptedModel(context_window=128_000)
    kept = memory_of(journal, conversation, model).get()
    assert 230 <= len(kept) <= 240
    # Each kept message, and the one that no longer fitted, once.
    assert sum(counted) <= 1.1 * len(text) * (len(kept) + 1)
    counted.clear()
    assert memory_of(journal, conversation, model).get() == kept
    assert counted == []
