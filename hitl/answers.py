"""From a model's stream to one answer: its text, its tool calls, exactly as they were written."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import LLM, ChatMessage, ChatResponse
from llama_index.core.tools import BaseTool

from hitl.errors import ModelError
from hitl.journal.tables import readable
from hitl.toolcalls import RawCall


@dataclass
class Answer:
    """What a model said in one turn.

    Args:
        calls: the tool calls, in its order, with the arguments as it wrote them.
        finish: why the provider says that it stopped.
    """

    text: str = ""
    calls: list[RawCall] = field(default_factory=list)
    finish: str | None = None
    model: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None

    def as_data(self) -> dict[str, Any]:
        """The raw reply, for the record."""
        calls = [vars(call) for call in self.calls]
        return {"text": self.text, "calls": calls, "finish": self.finish, "model": self.model}


async def ask_model(
    llm: LLM, tools: list[BaseTool], messages: list[ChatMessage], on_text: Callable[[str], None]
) -> Answer:
    """Call the model once and stream its answer.

    Args:
        on_text: gets each new piece of text.

    Raises:
        ModelError: if the answer was cut off, is empty, or makes no sense.
        Exception: whatever the model's client raises.
    """
    stream = await _open_stream(llm, tools, messages)
    collector = _Collector()
    async for response in stream:
        collector.add(response)
        if response.delta:
            on_text(readable(response.delta))
    answer = collector.answer()
    if answer.finish == "length":
        raise ModelError(
            "The model's answer was cut off at its length limit, so nothing of it was used. "
            "Ask for less at once, or raise the model's limit."
        )
    if answer.finish == "content_filter":
        raise ModelError("The provider's content filter stopped the answer. Say it differently.")
    if not answer.text.strip() and not answer.calls:
        raise ModelError("The model's answer was empty. Retry, or say it differently.")
    return answer


async def _open_stream(
    llm: Any, tools: list[BaseTool], messages: list[ChatMessage]
) -> AsyncIterator[ChatResponse]:
    usage = {"stream_options": {"include_usage": True}} if _speaks_openai(llm) else {}
    # Without this flag LlamaIndex drops all calls but the first; and it would append to a list
    # given together with `user_msg`, so the user's message is already in ours.
    options = {"chat_history": messages, "allow_parallel_tool_calls": True}
    try:
        stream: AsyncIterator[ChatResponse] = await llm.astream_chat_with_tools(
            tools, **options, **usage
        )
        return stream
    except NotImplementedError:
        response = await llm.achat_with_tools(tools, **options)
        return _once(response)


async def _once(response: ChatResponse) -> AsyncIterator[ChatResponse]:
    response.delta = response.message.content
    yield response


def _speaks_openai(llm: Any) -> bool:
    return any(base.__name__ == "OpenAI" for base in type(llm).__mro__)


class _Collector:
    """Puts an answer together again, from the provider's own chunks where there are any.

    LlamaIndex's OpenAI stream keeps only the first of several calls in one chunk, and merges
    complete calls that all bear index 0. The chunks themselves have everything.
    """

    def __init__(self) -> None:
        self._answer = Answer()
        self._chunks = 0
        self._parts: list[dict[str, Any]] = []
        self._last: ChatResponse | None = None

    def add(self, response: ChatResponse) -> None:
        self._last = response
        raw = response.raw
        # By its type: not every server fills in the field `object`.
        if any(base.__name__ == "ChatCompletionChunk" for base in type(raw).__mro__):
            self._add_chunk(raw)

    def _add_chunk(self, chunk: Any) -> None:
        self._chunks += 1
        self._answer.model = chunk.model or self._answer.model
        if chunk.usage:
            self._answer.tokens_in = chunk.usage.prompt_tokens
            self._answer.tokens_out = chunk.usage.completion_tokens
        for choice in chunk.choices:
            self._answer.finish = choice.finish_reason or self._answer.finish
            if choice.delta is None:
                continue
            self._answer.text += choice.delta.content or ""
            for delta in choice.delta.tool_calls or []:
                self._add_call(delta)

    def _add_call(self, delta: Any) -> None:
        function = delta.function
        name = (function.name if function else None) or ""
        part = self._part_of(delta.index, delta.id, name)
        part["id"] = part["id"] or delta.id or ""
        if name != part["name"]:
            part["name"] += name
        part["arguments"] += (function.arguments if function else None) or ""

    def _part_of(self, index: int | None, call_id: str | None, name: str) -> dict[str, Any]:
        same_index = [part for part in self._parts if part["index"] == index]
        if same_index and not _starts_another(same_index[-1], call_id, name):
            return same_index[-1]
        self._parts.append({"index": index, "id": "", "name": "", "arguments": ""})
        return self._parts[-1]

    def answer(self) -> Answer:
        """The whole answer.

        Raises:
            ModelError: if the stream ended without a word.
        """
        if self._last is None:
            raise ModelError("The model's answer was empty. Retry, or say it differently.")
        if self._chunks and not self._answer.finish:
            raise ModelError("The model's answer broke off, so nothing of it was used. Retry.")
        if self._chunks:
            self._answer.calls = [
                RawCall(part["name"], part["arguments"], part["id"]) for part in self._parts
            ]
            return self._answer
        return _from_message(self._last)


def _starts_another(part: dict[str, Any], call_id: str | None, name: str) -> bool:
    """Whether this is a new call, for servers that give every complete call the index 0."""
    if call_id and part["id"]:  # a few repeat id and name with every piece
        return call_id != part["id"] or bool(name and _is_json(part["arguments"]))
    return bool(name and (part["arguments"] or (part["name"] and not call_id)))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _from_message(response: ChatResponse) -> Answer:
    """The answer of a model whose raw replies we don't know, from LlamaIndex's own message."""
    message = response.message
    calls = [
        RawCall(block.tool_name, block.tool_kwargs, block.tool_call_id or "")
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    if not calls:
        calls = [
            _from_openai_call(call) for call in message.additional_kwargs.get("tool_calls", [])
        ]
    return Answer(text=message.content or "", calls=calls)


def _from_openai_call(call: Any) -> RawCall:
    data: dict[str, Any] = call if isinstance(call, dict) else call.model_dump()
    function = data.get("function", {})
    return RawCall(function.get("name", ""), function.get("arguments", ""), data.get("id") or "")
