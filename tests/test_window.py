"""What is sent to a model fits its window, keeps whole turns, and no provider refuses it."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ImageBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage, TextBlock
from llama_index.core.tools import FunctionTool

from hitl import window
from hitl.errors import ModelError
from hitl.window import _tokens_of_piece, count_tokens, cut_results, fit, tokens_of
from tests.openai_rules import violations_of_chat

MARK = re.compile(
    r"\n\[Shortened to fit the model's window: ([\d,]+) of at least ([\d,]+) characters shown\.\]$"
)
SYSTEM = ChatMessage("You are a clerk.", role="system")


def user(text: str) -> ChatMessage:
    return ChatMessage(text, role="user")


def said(text: str) -> ChatMessage:
    return ChatMessage(text, role="assistant")


def batch(name: str, *results: str, written: str = "{}") -> list[ChatMessage]:
    """An assistant message with calls, and the tool message of each."""
    ids = [f"{name}{place}" for place in range(len(results))]
    calls = [ToolCallBlock(tool_call_id=id, tool_name="note", tool_kwargs=written) for id in ids]
    return [
        ChatMessage(role="assistant", blocks=calls),
        *(
            ChatMessage(result, role="tool", additional_kwargs={"tool_call_id": id, "name": "note"})
            for id, result in zip(ids, results, strict=True)
        ),
    ]


def texts(messages: Sequence[ChatMessage]) -> list[str]:
    return [str(message.content) for message in messages]


def size(messages: Sequence[ChatMessage]) -> int:
    return sum(map(tokens_of, messages))


def words(count: int) -> str:
    return "word " * count


# The history: whole turns

HISTORY = [
    *(user("1"), *batch("a", words(200), "no"), said("One.")),
    *(user("2"), said("Two.")),
    *(user("3"), *batch("b", "yes"), *batch("c", words(50)), said("Three.")),
]


def test_what_fits_is_sent_whole_and_in_order() -> None:
    present = [user("4"), *batch("d", words(100))]
    sent = fit(SYSTEM, HISTORY, present, tools=[], window=8000)
    assert sent == [SYSTEM, *HISTORY, *present]


def test_whole_oldest_turns_are_left_out_until_it_fits() -> None:
    present = [user("4")]
    turns = [HISTORY[:5], HISTORY[5:7], HISTORY[7:]]
    for kept in range(4):
        history = [message for turn in turns[3 - kept :] for message in turn]
        need = size([SYSTEM, *history, *present])
        assert fit(SYSTEM, HISTORY, present, tools=[], window=need, reserve=0) == [
            *(SYSTEM, *history, *present)
        ]
        if kept:
            sent = fit(SYSTEM, HISTORY, present, tools=[], window=need - 1, reserve=0)
            assert sent == [SYSTEM, *history[len(turns[3 - kept]) :], *present]


def test_messages_before_the_first_question_are_the_oldest_turn() -> None:
    history = [said("Welcome."), said("Ask me."), user("1"), said("One.")]
    present = [user("2")]
    need = size([SYSTEM, *history, *present])
    assert fit(SYSTEM, history, present, tools=[], window=need, reserve=0)[1:-1] == history
    assert fit(SYSTEM, history, present, tools=[], window=need - 1, reserve=0)[1:-1] == history[2:]


def test_a_quarter_of_the_window_is_kept_for_the_answer() -> None:
    present = [user(words(700))]
    need = size([SYSTEM, *present])
    assert fit(SYSTEM, [], present, tools=[], window=need * 4 // 3 + 4)
    with pytest.raises(ModelError):
        fit(SYSTEM, [], present, tools=[], window=need * 4 // 3 - 4)
    assert fit(SYSTEM, [], present, tools=[], window=need, reserve=0)


def test_tools_take_their_part_of_the_window() -> None:
    def note(text: str) -> str:
        return text

    note.__doc__ = words(100)
    tools = [FunctionTool.from_defaults(note)]
    need = size([SYSTEM, *HISTORY, user("4")])
    sent = fit(SYSTEM, HISTORY, [user("4")], tools=tools, window=need, reserve=0)
    assert sent == [SYSTEM, *HISTORY[5:], user("4")]
    sent = fit(SYSTEM, HISTORY, [user("4")], tools=tools, window=need + 200, reserve=0)
    assert sent == [SYSTEM, *HISTORY, user("4")]


# The present run: shortened results


def shortened(sent: Sequence[ChatMessage], given: Sequence[ChatMessage]) -> list[int]:
    """Which of the run's messages were shortened; nothing else may have changed."""
    tail = sent[len(sent) - len(given) :]
    found = [
        place for place, (one, other) in enumerate(zip(tail, given, strict=True)) if one != other
    ]
    for place in found:
        now, before = str(tail[place].content), str(given[place].content)
        mark = MARK.search(now)
        assert mark is not None, now
        head = now[: mark.start()]
        assert before.startswith(head)
        assert mark.groups() == (f"{len(head):,}", f"{len(before):,}")
        assert len(now) < len(before)
        assert tail[place].role == given[place].role == "tool"
        assert tail[place].additional_kwargs == given[place].additional_kwargs
    return found


def test_old_results_are_shortened_oldest_first_and_say_so() -> None:
    present = [user("Go."), *(m for n in "abc" for m in batch(n, words(3000), words(3000)))]
    need = size([SYSTEM, *present])
    fitted = [
        fit(SYSTEM, HISTORY, present, tools=[], window=window, reserve=0)
        for window in range(need, 6_500, -1500)
    ]
    found = [shortened(sent, present) for sent in fitted]
    # Places of the results: 2 and 3, 5 and 6, 8 and 9.
    assert found[0] == []
    assert found[1:] == sorted(found[1:], key=len)
    assert {tuple(places) for places in found[1:]} == {(2,), (2, 3), (2, 3, 5), (2, 3, 5, 6)}


def test_newest_results_are_shortened_only_when_all_older_are_short() -> None:
    present = [user("Go."), *batch("a", words(1000)), *batch("b", words(9000), words(9000))]
    sent = fit(SYSTEM, [], present, tools=[], window=8000)
    assert shortened(sent, present) == [2, 4, 5]
    assert len(str(sent[3].content)) < 400
    # They keep as much as there is room for: more than half of the window is used.
    assert 4000 < size(sent) <= 6000
    sent = fit(SYSTEM, [], present, tools=[], window=18_500, reserve=0)
    assert shortened(sent, present) == [2]


def test_what_was_executed_is_never_altered_in_the_calls() -> None:
    written = '{"text": "' + words(3000) + '"}'
    present = [user("Go."), *batch("a", words(3000), written=written), *batch("b", "ok")]
    sent = fit(SYSTEM, [], present, tools=[], window=3800, reserve=0)
    assert shortened(sent, present) == [2]
    assert sent[2] == present[1]
    with pytest.raises(ModelError):
        fit(SYSTEM, [], present, tools=[], window=3000, reserve=0)


def test_outcome_is_still_told_by_a_shortened_result() -> None:
    present = [
        user("Go."),
        *batch("a", f"Tool call was not approved. Nothing was executed. Reason: {words(9000)}"),
    ]
    sent = fit(SYSTEM, [], present, tools=[], window=500)
    assert str(sent[-1].content).startswith(
        "Tool call was not approved. Nothing was executed. Reason: word"
    )


def test_what_was_given_is_not_changed() -> None:
    present = [user("Go."), *batch("a", words(9000))]
    before = [message.model_dump_json() for message in present]
    assert fit(SYSTEM, [], present, tools=[], window=1000)[1:] != present
    assert [message.model_dump_json() for message in present] == before


def test_too_long_a_message_is_refused_with_what_to_do() -> None:
    with pytest.raises(ModelError) as refused:
        fit(SYSTEM, HISTORY, [user(words(9000))], tools=[], window=8000)
    for words_to_say in (
        "9,0",
        "8,000",
        "2,000",
        "new chat",
        "shorter message",
        "larger window",
        "HITL_CONTEXT_WINDOW",
    ):
        assert words_to_say in str(refused.value)


# Any history, any window


def _turn(name: str) -> st.SearchStrategy[list[ChatMessage]]:
    length = st.sampled_from([0, 1, 5, 50, 300, 2000])
    results = st.lists(st.builds(words, length), min_size=1, max_size=3)
    batches = st.lists(results, max_size=3)

    def build(question: int, of_batches: list[list[str]], answer: int) -> list[ChatMessage]:
        asked = [batch(f"{name}_{i}_", *each) for i, each in enumerate(of_batches)]
        return [user(words(question)), *(m for each in asked for m in each), said(words(answer))]

    return st.builds(build, length, batches, length)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[list[ChatMessage]], list[ChatMessage]]:
    """Turns of a history, perhaps with a welcome before the first, and a present run."""
    turns = [draw(_turn(f"h{n}")) for n in range(draw(st.integers(0, 4)))]
    if draw(st.booleans()):
        turns.insert(0, [said("Welcome.")])
    return turns, draw(_turn("p"))[:-1]


@settings(max_examples=150, deadline=None)
@given(conversations(), st.integers(1, 12_000), st.none() | st.integers(0, 3000))
def test_whatever_is_sent_is_valid_whole_and_fits(
    conversation: tuple[list[list[ChatMessage]], list[ChatMessage]],
    window: int,
    reserve: int | None,
) -> None:
    turns, present = conversation
    history = [message for turn in turns for message in turn]
    room = window - (window // 4 if reserve is None else reserve)
    try:
        sent = fit(SYSTEM, history, present, tools=[], window=window, reserve=reserve)
    except ModelError:
        least = [message for message in present if message.role != "tool"]
        # Even a result that can't be any shorter takes its tokens: less than 120.
        assert size([SYSTEM, *least]) + 120 * (len(present) - len(least)) > room
        return
    assert violations_of_chat(sent) == []
    assert size(sent) <= room
    assert sent[0] == SYSTEM
    assert sent[len(sent) - len(present)] == present[0]
    kept = sent[1 : len(sent) - len(present)]
    wholes = [[m for turn in turns[n:] for m in turn] for n in range(len(turns) + 1)]
    assert kept in wholes
    if shortened(sent, present):
        assert size([SYSTEM, *present]) > room
    again = fit(
        *(SYSTEM, kept, sent[len(sent) - len(present) :]), tools=[], window=window, reserve=reserve
    )
    assert again == sent == fit(SYSTEM, history, present, tools=[], window=window, reserve=reserve)


# Counting


def test_all_that_is_sent_is_counted() -> None:
    plain = tokens_of(said("Hello"))
    assert plain > count_tokens("Hello")
    call = ToolCallBlock(tool_call_id="p1", tool_name="note", tool_kwargs={"text": words(100)})
    assert tokens_of(ChatMessage(role="assistant", blocks=[TextBlock(text="Hello"), call])) > 100
    extra: dict[str, Any] = {"tool_calls": [{"function": {"arguments": words(100)}}]}
    legacy = ChatMessage("Hello", role="assistant", additional_kwargs=extra)
    assert tokens_of(legacy) > 100
    image = ChatMessage(role="user", blocks=[ImageBlock(url="https://example.org/a.png")])
    assert tokens_of(image) > 500


def test_a_text_in_pieces_counts_about_as_much_as_whole() -> None:
    text = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 🙂 " * 400
    whole = len(window.get_tokenizer()(text))
    assert whole <= count_tokens(text) <= whole * 1.01


def test_what_was_counted_once_is_not_counted_again() -> None:
    turns = [
        [user(f"{n} {words(50)}"), *batch(f"c{n}", words(80)), said(words(20))] for n in range(50)
    ]
    history = [message for turn in turns for message in turn]
    present = [user("Go."), *batch("p", words(100))]
    first = fit(SYSTEM, history, present, tools=[], window=128_000)
    counted = _tokens_of_piece.cache_info().misses
    assert fit(SYSTEM, history, present, tools=[], window=128_000) == first
    assert _tokens_of_piece.cache_info().misses == counted


# Results that are too long for one message


def test_only_results_are_cut_and_only_those_that_are_too_long() -> None:
    long, short = words(1000), words(10)
    chat = [user(long), *batch("a", long, short), said(long)]
    cut = cut_results(chat, 1000)
    assert [
        place for place, (one, other) in enumerate(zip(cut, chat, strict=True)) if one != other
    ] == [2]
    assert len(texts(cut)[2]) <= 1000
    assert "of 5,000 characters are left out here" in texts(cut)[2]
    assert cut[2].additional_kwargs == chat[2].additional_kwargs
    assert violations_of_chat(cut) == []
