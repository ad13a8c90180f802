"""The demo model: built in, deterministic, scripted. It reads the chat and plays its part of it."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import BaseTool
from pydantic import PrivateAttr

from hitl.demo_script import (
    DemoCall,
    DemoScript,
    DemoStep,
    Outcome,
    counted,
    fill,
    fitting,
    read_scripts,
)
from hitl.errors import DeclarationError
from hitl.outcomes import Reading, read_outcome

MOST_PIECES = 150


# The part to play ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What the demo model says next, and which tools it calls with what arguments."""

    text: str
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


def next_answer(
    scripts: Sequence[DemoScript], samples: Sequence[str], chat: Sequence[ChatMessage]
) -> Answer:
    """What to say to a chat: it alone tells how far the script has come, and how things went."""
    text, since = _last_request(chat)
    script, names = fitting(scripts, text)
    if script is None:
        return Answer(off_script(samples))
    place = Place(script, names)
    for turn in _turns(since):
        outcomes = [_outcome(place.step, number, *called) for number, called in enumerate(turn)]
        told, ahead = place.after(outcomes)
        if ahead is None:
            return Answer(told)
        place = ahead
    return place.answer()


@dataclass(frozen=True)
class Place:
    """How far a script has come.

    Args:
        step: what is said and called now.
        names: what its texts may speak of.
        later: the steps that come after it, whatever comes of its calls.
        told: what is said first, about the calls before.
        so_far: what came of all calls before.
    """

    step: DemoStep
    names: dict[str, Any]
    later: tuple[DemoStep, ...] = ()
    told: str = ""
    so_far: tuple[Outcome, ...] = ()

    def answer(self) -> Answer:
        """What is said and called here."""
        known = {**self.names, "so_far": counted(self.so_far)}
        calls = tuple((call.tool, fill(call.arguments, known)) for call in self.step.call)
        said = str(fill(self.step.say or "", known))
        return Answer("\n\n".join(filter(None, (self.told, said))), calls)

    def after(self, outcomes: Sequence[Outcome]) -> tuple[str, "Place | None"]:
        """What is told of the calls that were made here, and where it goes on, if it does."""
        names = self.names
        for outcome in outcomes:
            names = outcome.names_for_later(names)
        later, so_far = (*self.step.next, *self.later), (*self.so_far, *outcomes)
        if self.step.then and all(outcome.has_result for outcome in outcomes):
            by_people = [outcome for outcome in outcomes if outcome.is_answer]
            ahead = Place(self.step.then, names, later, self._told(by_people), so_far)
            if ahead.can_be_played:
                return "", ahead
        told = self._told(outcomes)
        return told, Place(later[0], names, later[1:], told, so_far) if later else None

    @property
    def can_be_played(self) -> bool:
        """Whether the names hold what its texts need: what a person answered may be anything."""
        if any(outcome.is_answer for outcome in self.so_far):
            try:
                self.answer()
            except DeclarationError:
                return False
        return True

    def _told(self, outcomes: Sequence[Outcome]) -> str:
        return " ".join(outcome.sentence(self.names) for outcome in outcomes)


def off_script(samples: Sequence[str]) -> str:
    """Tell what this is, what it can do, and how to get more."""
    tries = "".join(f"\n- {sample}" for sample in samples)
    offer = f" Try one of these:\n{tries}\n\n" if samples else " "
    return (
        "I am the demo model: scripted, not an AI. My script has no answer to this."
        f"{offer}To talk to a real model, set OPENAI_API_KEY and start the app again."
    )


def _last_request(chat: Sequence[ChatMessage]) -> tuple[str, Sequence[ChatMessage]]:
    """The last thing that a person wrote, and what came after it."""
    for place in range(len(chat) - 1, -1, -1):
        if chat[place].role == MessageRole.USER:
            return chat[place].content or "", chat[place + 1 :]
    return "", chat


def _turns(messages: Sequence[ChatMessage]) -> Iterator[list[tuple[ToolCallBlock, Reading]]]:
    """Message by message, the calls that were made and what came of each."""
    unanswered = Reading("unknown", "")
    answers = {
        message.additional_kwargs.get("tool_call_id"): read_outcome(message.content or "")
        for message in messages
        if message.role == MessageRole.TOOL
    }
    for message in messages:
        if calls := [block for block in message.blocks if isinstance(block, ToolCallBlock)]:
            yield [(call, answers.get(call.tool_call_id, unanswered)) for call in calls]


def _outcome(step: DemoStep, place: int, called: ToolCallBlock, reading: Reading) -> Outcome:
    """What came of a call. One that is not in the script was made by another model, before."""
    fitting = [call for call in step.call[place : place + 1] if call.tool == called.tool_name]
    script = fitting[0] if fitting else DemoCall(tool=called.tool_name)
    written = called.tool_kwargs
    proposed = json.loads(written or "{}") if isinstance(written, str) else written
    return Outcome(script, proposed, reading)


# The model ----------------------------------------------------------------------------------------


class DemoLLM(FunctionCallingLLM):
    """A scripted stand-in for a model. It keeps nothing: an answer follows from the chat alone.

    Args:
        script: what to do on which words, as in an agent's file; see `DemoScript`.
        samples: messages to offer when a message is off script.
        pace: seconds between the words of a streamed answer.
    """

    samples: list[str]
    pace: float
    _scripts: list[DemoScript] = PrivateAttr()

    def __init__(
        self, script: list[dict[str, Any]], samples: list[str], pace: float = 0.02
    ) -> None:
        super().__init__(samples=samples, pace=pace)
        self._scripts = read_scripts(script)

    @classmethod
    def class_name(cls) -> str:
        return "DemoLLM"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=128_000,
            is_chat_model=True,
            is_function_calling_model=True,
            model_name="demo",
        )

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        *_, last = self._chunks(messages)
        return last

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self.chat(messages)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        for chunk in self._chunks(messages):
            yield chunk
            time.sleep(self.pace)

    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        async def paced() -> ChatResponseAsyncGen:
            for chunk in self._chunks(messages):
                yield chunk
                await asyncio.sleep(self.pace)

        return paced()

    def _chunks(self, messages: Sequence[ChatMessage]) -> Iterator[ChatResponse]:
        """The answer as it grows, word by word; the calls, all at once, come last."""
        answer = next_answer(self._scripts, self.samples, messages)
        text = ""
        for piece in _pieces(answer.text):
            text += piece
            yield _response([TextBlock(text=text)], piece)
        if answer.calls or not text:
            said = [TextBlock(text=text)] if text else []
            yield _response([*said, *_calls(answer, messages)], "")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return _completion(self.chat(_asking(prompt)))

    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        return self.complete(prompt)

    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        for chunk in self.stream_chat(_asking(prompt)):
            yield _completion(chunk)

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        async def completions() -> CompletionResponseAsyncGen:
            async for chunk in await self.astream_chat(_asking(prompt)):
                yield _completion(chunk)

        return completions()

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Which tools there are and how many may be called at once is up to the script."""
        if isinstance(user_msg, str):
            user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
        return {"messages": [*(chat_history or []), *([user_msg] if user_msg else [])], **kwargs}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        calls = [b for b in response.message.blocks if isinstance(b, ToolCallBlock)]
        if not calls and error_on_no_tool_call:
            raise ValueError("Expected at least one tool call, but got none.")
        return [
            ToolSelection(
                tool_id=call.tool_call_id or "",
                tool_name=call.tool_name,
                tool_kwargs=call.tool_kwargs if isinstance(call.tool_kwargs, dict) else {},
            )
            for call in calls
        ]


def _pieces(text: str) -> list[str]:
    """A text word by word; a long one in larger pieces, so that it takes no longer."""
    words = re.findall(r"\s*\S+\s*", text)
    size = len(words) // MOST_PIECES + 1
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def _calls(answer: Answer, messages: Sequence[ChatMessage]) -> list[ToolCallBlock]:
    """The calls with ids that no other message of the conversation has: they follow from all."""
    chat = "".join(message.model_dump_json() for message in messages)
    digest = hashlib.sha256(chat.encode()).hexdigest()[:12]
    return [
        ToolCallBlock(tool_call_id=f"demo-{digest}-{place}", tool_name=tool, tool_kwargs=arguments)
        for place, (tool, arguments) in enumerate(answer.calls)
    ]


def _response(blocks: list[Any], delta: str) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)
    return ChatResponse(message=message, delta=delta)


def _asking(prompt: str) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=prompt)]


def _completion(response: ChatResponse) -> CompletionResponse:
    return CompletionResponse(text=response.message.content or "", delta=response.delta)
