"""The demo model: built in, deterministic, scripted. It reads the chat and plays its part of it."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import parse
from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment
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
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from hitl.errors import DeclarationError
from hitl.toolcalls import Reading, read_outcome

# A pattern of open fields takes cubic time to miss: what is longer is off script, unread.
LONGEST_MESSAGE = 1000
MOST_PIECES = 150
END = "\0"

DEFAULT_SENTENCES = {
    "succeeded": "{{ tool }} ran. Its result: {{ result }}",
    "rejected": "I did not run {{ tool }}: it was not approved. Reason: {{ reason }}",
    "failed": "{{ tool }} failed: {{ error }}",
    "unknown": "{{ tool }} started, but nobody knows its outcome. It was not run again.",
    "cancelled": "{{ tool }} was not executed: the run was stopped first.",
    "expired": "{{ tool }} was not executed: nobody decided in time.",
}


# Templates ----------------------------------------------------------------------------------------


class Templates(SandboxedEnvironment, NativeEnvironment):
    """Values keep their types. What people type is only ever a value, never a template."""


TEMPLATES = Templates(undefined=StrictUndefined)


def fill(template: Any, names: dict[str, Any]) -> Any:
    """Fill in a template, or every template within a list or mapping.

    A lone `{{ name }}` gives the value itself, anything else a text. Jinja's own native `render`
    would go on to evaluate texts, and make the number 5 of the text "5".
    """
    match template:
        case str():
            return _fill_text(template, names)
        case dict():
            return {key: fill(value, names) for key, value in template.items()}
        case list():
            return [fill(value, names) for value in template]
        case _:
            return template


def _fill_text(template: str, names: dict[str, Any]) -> Any:
    try:
        pieces = list(TEMPLATES.from_string(template).generate(names))
        alone = len(pieces) == 1 and not isinstance(pieces[0], Undefined)
        return pieces[0] if alone else "".join(map(str, pieces))
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise DeclarationError(f"the demo text {template!r} can't be filled in: {error}") from None


def _check_template(template: Any) -> Any:
    """Find mistakes in a template's grammar when the agent is read, not when it speaks."""
    match template:
        case str():
            _parse_template(template)
        case dict():
            for value in template.values():
                _check_template(value)
        case list():
            for value in template:
                _check_template(value)
    return template


def _parse_template(template: str) -> None:
    try:
        TEMPLATES.parse(template)
    except TemplateError as error:
        raise ValueError(f"{template!r} is not a template: {error}") from None


# Patterns -----------------------------------------------------------------------------------------


@parse.with_pattern(r"(?<![\d.,])-?\d+(?![.,]?\d)")  # type: ignore[untyped-decorator]
def whole_number(text: str) -> int:
    """`{a:d}`: a whole number, and not the 5 of 1.5."""
    return int(text)


def find(pattern: str, text: str) -> dict[str, Any] | None:
    """The values of a pattern's names where it occurs in a text, or None.

    If it can, it reaches to the end: the last field of `e-mail {who}: {text}` takes all the rest.
    """
    for pattern_, text_ in (pattern + END, text + END), (pattern, text):
        if found := _compile(pattern_).search(text_):
            return dict(found.named)
    return None


def _compile(pattern: str) -> parse.Parser:
    return parse.compile(pattern, {"d": whole_number}, case_sensitive=False)


def _check_pattern(pattern: str) -> str:
    try:
        _compile(pattern)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"{pattern!r} is not a pattern: {error}") from None
    return pattern


# Scripts ------------------------------------------------------------------------------------------

Template = Annotated[str, AfterValidator(_check_template)]
Pattern = Annotated[str, AfterValidator(_check_pattern)]


class Declared(BaseModel):
    """Read from an agent's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoCall(Declared):
    """A tool call, and what to say to its outcome.

    Args:
        tool: the tool's name.
        arguments: values, or templates of values.
        as_: `as` in the file: the name under which later steps know the result.
        done: says that it was executed. Like the others, it knows the arguments that really ran
            by their names, and `tool`, `ran` (all of these arguments), `result`, `reason`, `error`.
        rejected: says that it was not approved, and the `reason`.
        failed: says what `error` there was.
        unknown: says that it started and nobody knows what came of it.
        cancelled: says that the run was stopped before it started.
        expired: says that nobody decided in time.
    """

    tool: str
    arguments: Annotated[dict[str, Any], AfterValidator(_check_template)] = {}
    as_: str | None = Field(None, alias="as")
    done: Template | None = None
    rejected: Template | None = None
    failed: Template | None = None
    unknown: Template | None = None
    cancelled: Template | None = None
    expired: Template | None = None

    def sentence(self, status: str) -> str:
        """The template for an outcome; a truthful default where the script has none."""
        own = self.done if status == "succeeded" else getattr(self, status)
        return own or DEFAULT_SENTENCES[status]


class DemoStep(Declared):
    """What the demo model does at once: say something, call tools, or both.

    Args:
        say: the text before the calls.
        call: all calls of this step.
        then: the next step, if every one of them was executed.
    """

    say: Template | None = None
    call: list[DemoCall] = []
    then: "DemoStep | None" = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "DemoStep":
        if not self.say and not self.call:
            raise ValueError("a step needs `say` or `call`")
        if self.then and not self.call:
            raise ValueError("`then` follows a `call`")
        return self


class DemoScript(DemoStep):
    """What to do on some words.

    Args:
        when: patterns of the `parse` library, any of which may occur in a person's message.
    """

    when: list[Pattern] = Field(min_length=1)

    def names(self, text: str) -> dict[str, Any] | None:
        """What the first fitting pattern finds in the text, or None."""
        found = (find(pattern, text) for pattern in self.when)
        return next((names for names in found if names is not None), None)


def read_scripts(data: list[dict[str, Any]]) -> list[DemoScript]:
    """Check an agent's demo scripts.

    Raises:
        DeclarationError: if something is wrong; names each field.
    """
    try:
        return TypeAdapter(list[DemoScript]).validate_python(data)
    except ValidationError as error:
        problems = (
            f"demo.{'.'.join(map(str, problem['loc']))}: "
            + problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_url=False)
        )
        raise DeclarationError("; ".join(problems)) from None


# The part to play ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What the demo model says next, and which tools it calls with what arguments."""

    text: str
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A call that was made, and what came of it."""

    script: DemoCall
    proposed: dict[str, Any]
    reading: Reading

    @property
    def ran(self) -> dict[str, Any]:
        """The arguments that ran, or would have: a person may have changed them."""
        return self.proposed if self.reading.ran_with is None else self.reading.ran_with

    def names_for_later(self, names: dict[str, Any]) -> dict[str, Any]:
        """The names with this result, and with what a person changed."""
        changed = {
            name: value
            for name, value in self.ran.items()
            if name in names and names[name] == self.proposed.get(name)
        }
        result = {self.script.as_: _parsed(self.reading.text)} if self.script.as_ else {}
        return names | changed | result

    def sentence(self, names: dict[str, Any]) -> str:
        """What to say to this outcome."""
        text, status = self.reading.text, self.reading.status
        known = names | self.ran
        if status == "succeeded" and self.script.as_:
            known[self.script.as_] = _parsed(text)
        known |= {
            "tool": self.script.tool,
            "ran": self.ran,
            "result": _parsed(text),
            "reason": text or "none given",
            "error": text,
        }
        return str(fill(self.script.sentence(status), known))


def next_answer(
    scripts: Sequence[DemoScript], samples: Sequence[str], chat: Sequence[ChatMessage]
) -> Answer:
    """What to say to a chat: it alone tells how far the script has come, and how things went."""
    text, since = _last_request(chat)
    script, names = _fitting(scripts, text)
    if script is None:
        return Answer(off_script(samples))
    step: DemoStep = script
    for turn in _turns(since):
        outcomes = [_outcome(step, place, *called) for place, called in enumerate(turn)]
        if step.then is None or any(o.reading.status != "succeeded" for o in outcomes):
            return Answer(" ".join(outcome.sentence(names) for outcome in outcomes))
        for outcome in outcomes:
            names = outcome.names_for_later(names)
        step = step.then
    return _ask(step, names)


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


def _fitting(scripts: Sequence[DemoScript], text: str) -> tuple[DemoScript | None, dict[str, Any]]:
    if len(text) <= LONGEST_MESSAGE:
        for script in scripts:
            if (names := script.names(text.strip())) is not None:
                return script, names
    return None, {}


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


def _ask(step: DemoStep, names: dict[str, Any]) -> Answer:
    calls = tuple((call.tool, fill(call.arguments, names)) for call in step.call)
    return Answer(str(fill(step.say or "", names)), calls)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


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
