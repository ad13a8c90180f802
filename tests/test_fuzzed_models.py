"""Models that answer anything: nothing runs unapproved, no history is invalid, no error is bare."""

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.tools import FunctionTool
from openai.types.chat import ChatCompletionChunk

from hitl import HITLAgent, ToolApprovedEvent, ToolRequestEvent
from hitl.errors import ModelError
from hitl.outcomes import read_outcome
from tests.openai_rules import violations_of_chat
from tests.scripted import ScriptedModel
from tests.stage import agent

RESPONSES, SLICES, TURNS = 5_000, 10, 12
NAMES = ["pay", "pay", "pay", "note", "note", "nope", "", "pay ", "PAY", "p\u0430y", "x" * 300]
IDS = ["", "", "call_1", "call_1", "call_2", "a" * 80, "ключ", "call 3", None, "call_\u202e4"]
TEXTS = ["", "", "Fine.", "![x](http://evil.example/x)", "\u202e\u200b\x00", "\ud83d\ude00" * 3]
ENDINGS = ["tool_calls", "tool_calls", "tool_calls", "tool_calls", "stop", "stop", "length", None]
ODD: list[Callable[[random.Random], str]] = [
    lambda r: "",
    lambda r: "{}",
    lambda r: "null",
    lambda r: "[1, 2]",
    lambda r: '"pay"',
    lambda r: "{" * 30,
    lambda r: '{"amount": ' * 300 + "1" + "}" * 300,
    lambda r: '{"amount": NaN}',
    lambda r: '{"amount": 1e999}',
    lambda r: '{"amount": "7"}',
    lambda r: '{"amount": "seven"}',
    lambda r: '{"amount": null}',
    lambda r: '{"amount": true}',
    lambda r: '{"amount": 1.5}',
    lambda r: '{"amount": 1, "amount": 2}',
    lambda r: '{"amount": 1, "extra": 2}',
    lambda r: '{"amount": 123456789012345678901234567890}',
    lambda r: '{"text": "\\ud800"}',
    lambda r: (
        '{"text": "'
        + "long " * r.choice([1, 10, 100, 1_000, 20_000 if r.random() < 0.02 else 7])
        + '"}'
    ),
    lambda r: '{"text": "\\u0000\\u202e"}',
    lambda r: "{'amount': 1}",
    lambda r: "\x00\x01",
]


def arguments(chance: random.Random, name: str) -> str:
    """What a model may write where arguments belong."""
    kind = chance.random()
    if kind < 0.5:
        return json.dumps({"text": "moss"} if name == "note" else {"amount": chance.randint(1, 99)})
    if kind < 0.6:
        whole = json.dumps({"amount": chance.randint(1, 9999), "text": "cut off"})
        return whole[: chance.randint(1, len(whole) - 1)]
    return chance.choice(ODD)(chance)


def chunks(chance: random.Random) -> list[dict[str, Any]]:
    """One response as a provider may send it: in pieces, all at once, numbered well or badly."""
    names = [chance.choice(NAMES) for _ in range(chance.choice([0, 1, 1, 1, 2, 3, 5]))]
    indexes = chance.choice([list(range(9)), [0] * 9])
    deltas: list[list[dict[str, Any]]] = []
    for place, name in enumerate(names):
        written, index = arguments(chance, name), indexes[place]
        half = chance.randint(0, len(written))
        first = {"name": name, "arguments": written[:half]}
        call = {"index": index, "id": chance.choice(IDS), "type": "function", "function": first}
        deltas.append([call])
        rest = {"index": index, "function": {"arguments": written[half:]}}
        deltas.append([rest])
    if chance.random() < 0.3:  # several calls in one chunk
        deltas = [[part for delta in deltas for part in delta]] if deltas else []
    text = chance.choice(TEXTS) if names else chance.choice(["Done.", *TEXTS])
    sent: list[dict[str, Any]] = [{"content": text}, *({"tool_calls": d} for d in deltas)]
    pieces = [chunk(delta) for delta in sent]
    return [*pieces, chunk({}, chance.choice(ENDINGS))]


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "fuzzed",
        "choices": [choice],
    }


class FuzzedModel(ScriptedModel):
    """Answers with whatever comes; says "Done." at last."""

    def __init__(self, chance: random.Random, turns: int) -> None:
        super().__init__(script=lambda _: "Done.", context_window=1_000_000)
        object.__setattr__(self, "_chance", chance)
        object.__setattr__(self, "_turns", [turns])

    @property
    def answered(self) -> int:
        return TURNS - int(self._turns[0])  # type: ignore[attr-defined]

    async def astream_chat(self, messages: Any, **_: Any) -> AsyncIterator[ChatResponse]:
        if refused := violations_of_chat(messages):
            raise self._fail(f"OpenAI would refuse this history: {refused}")
        turns: list[int] = self._turns  # type: ignore[attr-defined]
        if turns[0] <= 0:
            return self._stream(self._reply(messages))
        turns[0] -= 1
        return self._raw(chunks(self._chance))  # type: ignore[attr-defined]

    async def _raw(self, sent: list[dict[str, Any]]) -> AsyncIterator[ChatResponse]:
        for piece in sent:
            text = piece["choices"][0]["delta"].get("content") or ""
            yield ChatResponse(
                message=ChatMessage(role=MessageRole.ASSISTANT, content=text),
                delta=text,
                raw=ChatCompletionChunk.model_validate(piece),
            )


class Books:
    """What was approved, and what was paid."""

    def __init__(self) -> None:
        self.approved: list[int] = []
        self.paid: list[int] = []

    def tools(self) -> list[FunctionTool]:
        def pay(amount: int) -> str:
            """Pay an amount."""
            self.paid.append(amount)
            return f"paid {amount}"

        def note(text: str) -> str:
            """Write a note."""
            return "noted"

        return [FunctionTool.from_defaults(pay), FunctionTool.from_defaults(note)]


async def play_one_run(chance: random.Random) -> int:
    """Returns how many generated responses it took."""
    books = Books()
    model = FuzzedModel(chance, TURNS)
    handler = HITLAgent().run(
        agent_config=agent(*books.tools(), free="note"),
        user_msg="Do as you like.",
        chat_history=[],
        llm=model,
    )
    async for event in handler.stream_events():
        if isinstance(event, ToolRequestEvent):
            assert event.tool_name == "pay"
            amount = event.tool_kwargs["amount"]
            assert type(amount) is int
            approves = chance.random() < 0.6
            if approves:
                books.approved.append(amount)
            handler.ctx.send_event(
                ToolApprovedEvent(
                    approved=approves,
                    tool_name="pay",
                    tool_id=event.tool_id,
                    tool_kwargs=event.tool_kwargs,
                )
            )
    with suppress(ModelError):  # said to the person in one sentence
        result = await handler
        assert not violations_of_chat(result["chat_history"])
        told = [str(each.content) for each in result["chat_history"] if each.role == "tool"]
        succeeded = [text for text in told if read_outcome(text).text.startswith("paid ")]
        assert len(succeeded) == len(books.paid)
    model.check()
    assert sorted(books.paid) == sorted(books.approved)
    return model.answered


@pytest.mark.parametrize("seed", range(SLICES))
async def test_whatever_a_model_answers_the_promises_hold(seed: int):
    chance, left = random.Random(seed), RESPONSES // SLICES
    while left > 0:
        left -= await play_one_run(chance)
