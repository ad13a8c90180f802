"""What OpenAI refuses in a chat request, so that a test refuses it before a user's money does.

The texts imitate OpenAI's, not to the letter: they are for reading, the rules are for testing.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openai.types.chat import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionDeveloperMessageParam,
    ChatCompletionFunctionMessageParam,
    ChatCompletionSystemMessageParam,
    ChatCompletionToolMessageParam,
    ChatCompletionUserMessageParam,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

if TYPE_CHECKING:
    from llama_index.core.llms import ChatMessage

# Names come from OpenAI's own client, so that they are as current as the installed client.
PARAMETERS = frozenset(CompletionCreateParamsStreaming.__annotations__)
FIELDS = {
    "system": frozenset(ChatCompletionSystemMessageParam.__annotations__),
    "developer": frozenset(ChatCompletionDeveloperMessageParam.__annotations__),
    "user": frozenset(ChatCompletionUserMessageParam.__annotations__),
    "assistant": frozenset(ChatCompletionAssistantMessageParam.__annotations__),
    "tool": frozenset(ChatCompletionToolMessageParam.__annotations__),
    "function": frozenset(ChatCompletionFunctionMessageParam.__annotations__),
}
RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
NAME = re.compile(r"[a-zA-Z0-9_-]+")
LONGEST_NAME = 64
LONGEST_CALL_ID = 40
JSON_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}
# What an assistant may say instead of `content`.
INSTEAD_OF_CONTENT = ("tool_calls", "function_call", "refusal", "audio")


@dataclass(frozen=True)
class Violation:
    """A broken rule: the `message`, `param` and `code` of OpenAI's error body."""

    message: str
    param: str | None = None
    code: str | None = None


def violations(messages: Sequence[Any]) -> list[str]:
    """Tell what OpenAI refuses in a chat history in wire format; empty if it is valid."""
    return [violation.message for violation in history_violations(messages)]


def violations_of_chat(messages: "Sequence[ChatMessage]") -> list[str]:
    """Tell what OpenAI refuses in the history that LlamaIndex would send for `messages`."""
    # Imported here: LlamaIndex takes seconds, and the server process has to be up at once.
    from llama_index.llms.openai.utils import to_openai_message_dicts

    # The dicts may still hold the client's own models, which the client turns into plain JSON.
    wire = json.dumps(
        to_openai_message_dicts(messages),
        default=lambda model: model.model_dump(exclude_unset=True),
    )
    return violations(json.loads(wire))


def history_violations(messages: Sequence[Any]) -> list[Violation]:
    """As `violations`. Calls and answers are matched only once each message is well formed."""
    malformed = [v for i, message in enumerate(messages) for v in _message(i, message)]
    return malformed or list(_pairing(messages))


def request_violations(body: Any) -> list[Violation]:
    """Tell what OpenAI refuses in the body of a request to `/chat/completions`."""
    if not isinstance(body, dict):
        return [Violation("We could not parse the JSON body of your request.")]
    found = [*_parameters(body), *_tools(body.get("tools")), *_messages(body.get("messages"))]
    if not found:
        found = history_violations(body["messages"])
    return found


def _parameters(body: dict[str, Any]) -> Iterator[Violation]:
    if not body.get("model"):
        yield Violation("you must provide a model parameter")
    if unknown := sorted(body.keys() - PARAMETERS):
        noun = "argument" if len(unknown) == 1 else "arguments"
        yield Violation(f"Unrecognized request {noun} supplied: {', '.join(unknown)}")
    for name, (low, high) in RANGES.items():
        yield from _number(name, body.get(name), low, high)
    if body.get("stream_options") is not None and not body.get("stream"):
        yield _only_allowed("stream_options", "'stream' is enabled")
    for name in ("parallel_tool_calls", "tool_choice"):
        if body.get(name) is not None and not body.get("tools"):
            yield _only_allowed(name, "'tools' are specified")


def _messages(messages: Any) -> Iterator[Violation]:
    if messages is None:
        yield _missing("messages")
    else:
        yield from _objects("messages", messages)


def _tools(tools: Any) -> Iterator[Violation]:
    if tools is None:  # The client sends null where a parameter is not used.
        return
    malformed = list(_objects("tools", tools))
    yield from malformed
    if malformed:
        return
    for i, tool in enumerate(tools):
        yield from _function(f"tools[{i}]", tool)


def _message(index: int, message: Any) -> Iterator[Violation]:
    at = f"messages[{index}]"
    if not isinstance(message, dict):
        yield _wrong_type(at, "an object", message)
        return
    role = message.get("role")
    if not isinstance(role, str) or role not in FIELDS:
        yield _one_of(f"{at}.role", role, FIELDS)
        return
    for field in sorted(message.keys() - FIELDS[role]):
        yield Violation(f"Unknown parameter: '{at}.{field}'.", f"{at}.{field}", "unknown_parameter")
    yield from _content(at, message)
    if role == "tool":
        yield from _string(f"{at}.tool_call_id", message.get("tool_call_id"), LONGEST_CALL_ID)
    if role == "assistant" and "tool_calls" in message:
        yield from _tool_calls(f"{at}.tool_calls", message["tool_calls"])


def _content(at: str, message: dict[str, Any]) -> Iterator[Violation]:
    content = message.get("content")
    if content is None:
        says_otherwise = message["role"] == "assistant" and any(
            message.get(field) is not None for field in INSTEAD_OF_CONTENT
        )
        if not says_otherwise:
            yield Violation(
                "Invalid value for 'content': expected a string, got null.", f"{at}.content"
            )
    elif not isinstance(content, str):
        yield from _objects(f"{at}.content", content)


def _tool_calls(at: str, calls: Any) -> Iterator[Violation]:
    malformed = list(_objects(at, calls))
    yield from malformed
    if malformed:
        return
    seen: set[str] = set()
    for i, call in enumerate(calls):
        call_id = call.get("id")
        yield from _string(f"{at}[{i}].id", call_id, LONGEST_CALL_ID)
        yield from _function(f"{at}[{i}]", call)
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else ""
        if not isinstance(arguments, str):
            yield _wrong_type(f"{at}[{i}].function.arguments", "a string", arguments)
        if isinstance(call_id, str):
            if call_id in seen:
                yield Violation(
                    f"Duplicate value for '{at}[{i}].id': '{call_id}'.", f"{at}[{i}].id"
                )
            seen.add(call_id)


def _function(at: str, holder: dict[str, Any]) -> Iterator[Violation]:
    """Check what a tool and a call of it have in common: the type and the function's name."""
    if holder.get("type") != "function":
        yield _one_of(f"{at}.type", holder.get("type"), ["function"])
    function = holder.get("function")
    if not isinstance(function, dict):
        yield _wrong_type(f"{at}.function", "an object", function)
        return
    name, at_name = function.get("name"), f"{at}.function.name"
    malformed = list(_string(at_name, name, LONGEST_NAME))
    yield from malformed
    if not malformed and not NAME.fullmatch(name):
        expected = f"a string that matches the pattern '^{NAME.pattern}$'"
        yield _invalid(at_name, "string does not match pattern", expected, "invalid_value")


def _pairing(messages: Sequence[dict[str, Any]]) -> Iterator[Violation]:
    """Check that each call is answered once, before anything else is said, and nothing else is."""
    asked: list[str] = []
    unanswered: list[str] = []
    for i, message in enumerate(messages):
        if message["role"] != "tool":
            yield from _unanswered(i, unanswered)
            asked = [call["id"] for call in message.get("tool_calls", [])]
            unanswered = list(asked)
            continue
        call_id, at = message["tool_call_id"], f"messages.[{i}]"
        if not asked:
            yield Violation(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding "
                "message with 'tool_calls'.",
                f"{at}.role",
            )
        elif call_id not in asked:
            yield Violation(
                f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of "
                "previous message.",
                f"{at}.tool_call_id",
            )
        elif call_id not in unanswered:
            yield Violation(
                f"Invalid parameter: Duplicate value for 'tool_call_id' of '{call_id}'.",
                f"{at}.tool_call_id",
            )
        else:
            unanswered.remove(call_id)
    yield from _unanswered(len(messages), unanswered)


def _unanswered(index: int, call_ids: Sequence[str]) -> Iterator[Violation]:
    if call_ids:
        yield Violation(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(call_ids),
            f"messages.[{index}].role",
        )


def _objects(at: str, values: Any) -> Iterator[Violation]:
    if not isinstance(values, list):
        yield _wrong_type(at, "an array of objects", values)
    elif not values:
        yield _invalid(at, "empty array", "an array with minimum length 1", "empty_array")
    else:
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                yield _wrong_type(f"{at}[{i}]", "an object", value)


def _string(at: str, value: Any, longest: int) -> Iterator[Violation]:
    if value is None:
        yield _missing(at)
    elif not isinstance(value, str):
        yield _wrong_type(at, "a string", value)
    elif not value:
        yield _invalid(at, "empty string", "a string with minimum length 1", "empty_string")
    elif len(value) > longest:
        expected = f"a string with maximum length {longest}"
        yield _invalid(at, "string too long", expected, "string_above_max_length")


def _number(at: str, value: Any, low: float, high: float) -> Iterator[Violation]:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield _wrong_type(at, "a decimal", value)
    elif value > high:
        problem, expected = "decimal above maximum value", f"a value <= {high}"
        yield _invalid(at, problem, expected, "decimal_above_max_value")
    elif value < low:
        problem, expected = "decimal below minimum value", f"a value >= {low}"
        yield _invalid(at, problem, expected, "decimal_below_min_value")


def _invalid(at: str, problem: str, expected: str, code: str) -> Violation:
    return Violation(f"Invalid '{at}': {problem}. Expected {expected}.", at, code)


def _missing(at: str) -> Violation:
    return Violation(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")


def _one_of(at: str, value: Any, allowed: Sequence[str] | dict[str, Any]) -> Violation:
    if value is None:
        return _missing(at)
    supported = ", ".join(repr(name) for name in allowed)
    return Violation(
        f"Invalid value: {value!r}. Supported values are: {supported}.", at, "invalid_value"
    )


def _only_allowed(name: str, condition: str) -> Violation:
    return Violation(
        f"Invalid value for '{name}': '{name}' is only allowed when {condition}.", name
    )


def _wrong_type(at: str, expected: str, value: Any) -> Violation:
    got = JSON_KINDS.get(type(value), f"{type(value).__name__}, which is not JSON")
    return Violation(
        f"Invalid type for '{at}': expected {expected}, but got {got} instead.", at, "invalid_type"
    )
