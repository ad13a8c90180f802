"""A model that says what a test wrote for it, and refuses whatever OpenAI would refuse."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import BaseTool
from pydantic import PrivateAttr

from tests.openai_rules import violations_of_chat
from tests.openai_server import Call

DEADLINE = 25.0


class Gate:
    """Holds somebody back until the test opens it; says when somebody has come to it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()

    def open(self) -> None:
        with self._lock:
            self._open.set()
            for loop, event in self._waiting:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(event.set)

    def was_reached(self) -> bool:
        return self.reached.wait(DEADLINE)

    def wait(self) -> None:
        """Stand before the gate, in a thread."""
        self.reached.set()
        assert self._open.wait(DEADLINE), "nobody opened the gate"

    async def await_(self) -> None:
        """Stand before the gate, on a loop."""
        event = asyncio.Event()
        with self._lock:
            self._waiting.append((asyncio.get_running_loop(), event))
            if self._open.is_set():
                event.set()
        self.reached.set()
        await asyncio.wait_for(event.wait(), DEADLINE)


@dataclass(frozen=True)
class Said:
    """One reply: its text, its tool calls; held back after the text while the gate is shut."""

    text: str = ""
    calls: Sequence[Call] = ()
    gate: Gate | None = None


Reply = str | Call | Said | Exception
Script = Callable[[list[ChatMessage]], Reply]


def asks(*calls: Call, text: str = "") -> Said:
    """A reply that asks for these calls at once."""
    return Said(text, calls)


class ScriptedModel(FunctionCallingLLM):
    """Says its replies in order, or what its script makes of the messages.

    `sent` holds the messages of every call. `check` fails if it ran out of replies, has some
    left, or was sent a history that OpenAI refuses.
    """

    model: str = "scripted"
    context_window: int = 32_000
    calls_functions: bool = True
    streams: bool = True

    _left: deque[Reply] = PrivateAttr()
    _script: Script | None = PrivateAttr()
    _failures: list[str] = PrivateAttr(default_factory=list)
    _sent: list[list[ChatMessage]] = PrivateAttr(default_factory=list)
    _offered: list[list[str]] = PrivateAttr(default_factory=list)

    def __init__(self, *replies: Reply, script: Script | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._left, self._script = deque(replies), script

    @property
    def sent(self) -> list[list[ChatMessage]]:
        return self._sent

    @property
    def offered(self) -> list[list[str]]:
        """The names of the tools offered with every call."""
        return self._offered

    def say_next(self, *replies: Reply) -> None:
        self._left.extend(replies)

    @property
    def has_said_all(self) -> bool:
        return not self._left

    def check(self) -> None:
        assert not self._failures, "; ".join(self._failures)
        assert not self._left, f"{len(self._left)} replies were never asked for: {self._left[0]!r}"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            model_name=self.model,
            context_window=self.context_window,
            is_chat_model=True,
            is_function_calling_model=self.calls_functions,
        )

    def _prepare_chat_with_tools(
        self, tools: Sequence[BaseTool], chat_history: Any = None, **_: Any
    ) -> dict[str, Any]:
        self._offered.append([tool.metadata.get_name() for tool in tools])
        return {"messages": chat_history}

    async def astream_chat(self, messages: Any, **_: Any) -> AsyncIterator[ChatResponse]:
        if not self.streams:
            raise NotImplementedError
        return self._stream(self._reply(messages))

    async def achat(self, messages: Any, **_: Any) -> ChatResponse:
        reply = self._reply(messages)
        if reply.gate:
            await reply.gate.await_()
        return ChatResponse(message=_message(reply))

    async def _stream(self, reply: Said) -> AsyncIterator[ChatResponse]:
        text = ""
        for word in reply.text.split(" ") if reply.text else []:
            delta = f" {word}" if text else word
            text += delta
            so_far = ChatMessage(role=MessageRole.ASSISTANT, content=text)
            yield ChatResponse(message=so_far, delta=delta)
        if reply.gate:
            await reply.gate.await_()
        yield ChatResponse(message=_message(reply), delta="")

    def _reply(self, messages: list[ChatMessage]) -> Said:
        self._sent.append(list(messages))
        if refused := violations_of_chat(messages):
            raise self._fail(f"OpenAI would refuse this history: {refused}")
        if self._script is None and not self._left:
            raise self._fail(f"the script ran out of replies, at {messages[-1]!r}")
        reply = self._script(messages) if self._script else self._left.popleft()
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Call):
            return asks(reply)
        return Said(reply) if isinstance(reply, str) else reply

    def _fail(self, problem: str) -> AssertionError:
        self._failures.append(problem)
        return AssertionError(problem)

    def _not_used(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("The workflow talks to models through their chat methods alone.")

    chat = complete = stream_chat = stream_complete = _not_used
    acomplete = astream_complete = _not_used


def _message(reply: Said) -> ChatMessage:
    blocks: list[Any] = [TextBlock(text=reply.text)] if reply.text else []
    for call in reply.calls:
        written = call.arguments
        if not isinstance(written, str):
            written = json.dumps(written)
        blocks.append(
            ToolCallBlock(
                tool_call_id="" if call.id is None else call.id,
                tool_name=call.name,
                tool_kwargs=written,
            )
        )
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)


@contextmanager
def scripted(*replies: Reply, **fields: Any) -> Iterator[ScriptedModel]:
    """A model for the `with` block, checked at its end unless the block has failed."""
    model = ScriptedModel(*replies, **fields)
    yield model
    model.check()
