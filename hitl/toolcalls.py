"""From a model's words to checked tool calls, and to the message that goes into the history."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, MessageRole, TextBlock
from llama_index.core.tools import AsyncBaseTool
from pydantic import BaseModel, ValidationError

from hitl.agents import AgentConfig, facts_of
from hitl.errors import ModelError
from hitl.fingerprints import fingerprint
from hitl.journal.tables import readable
from hitl.journal.values import ToolCall, same
from hitl.limits import DEFAULT_LIMITS, Limits
from hitl.origins import OriginsOf, Source, origins_of
from hitl.outcomes import FAILED, NO_SUCH_TOOL, NOT_EXECUTED
from hitl.secrecy import secret_names

LONGEST_ID = 40
LONGEST_INVALID = 2_000
DEEPEST = 100


@dataclass(frozen=True)
class RawCall:
    """A tool call as it came from the model.

    Args:
        arguments: as the model wrote them, usually a JSON text.
        id: the provider's id; may be empty.
    """

    name: str
    arguments: str | dict[str, Any]
    id: str


def check_calls(
    config: AgentConfig,
    raw_calls: list[RawCall],
    turn: int,
    limits: Limits = DEFAULT_LIMITS,
    sources: Sequence[Source] | None = None,
) -> list[ToolCall]:
    """Check what the model asked for, strictly, before any person is bothered.

    A call that can't run keeps its place and carries the `problem` that the model will be told.
    An id that is missing, given twice in one message, or not fit for OpenAI, is replaced
    by one of our own.

    Args:
        sources: what people said and tools returned, for telling where each argument came from;
            None if that is not known.

    Raises:
        ModelError: if it asked for more calls at once than the limits allow.
    """
    if len(raw_calls) > limits.requests_per_turn:
        raise ModelError(
            f"The model asked for {len(raw_calls)} tool calls at once; at most "
            f"{limits.requests_per_turn} are taken, so nothing of it was used. Ask for less at "
            "once, or set HITL_MAX_REQUESTS."
        )
    given = [raw.id for raw in raw_calls]
    calls = []
    for place, raw in enumerate(raw_calls):
        usable = 0 < len(raw.id) <= LONGEST_ID and raw.id.isprintable()
        usable = usable and raw.id not in given[:place]
        provider_id = raw.id if usable else _own_id(f"call_{turn}_{place}", given)
        calls.append(_check_call(config, raw, provider_id, limits, sources))
    return calls


def _own_id(wanted: str, given: list[str]) -> str:
    while wanted in given:
        wanted += "_"
    return wanted


def _check_call(
    config: AgentConfig,
    raw: RawCall,
    provider_id: str,
    limits: Limits,
    sources: Sequence[Source] | None,
) -> ToolCall:
    written = str(raw.arguments)
    if len(written) > limits.arguments:
        problem = (
            f"{FAILED}the arguments have {len(written)} characters, and at most "
            f"{limits.arguments} are taken. {NOT_EXECUTED}"
        )
        beginning = _beginning(readable(written))
        return ToolCall(readable(raw.name), beginning, provider_id, asks=False, problem=problem)
    try:
        arguments = parse_arguments(raw.arguments)
        return checked_call(config, raw.name, arguments, provider_id, _compared_with(sources))
    except InvalidArguments as error:
        problem = f"{FAILED}{error} {NOT_EXECUTED}"
        if config.tool(raw.name) is None:
            problem = NO_SUCH_TOOL.format(readable(raw.name))
        return ToolCall(
            readable(raw.name),
            _as_written(raw.arguments),
            provider_id,
            asks=False,
            problem=problem,
        )


def _compared_with(sources: Sequence[Source] | None) -> OriginsOf | None:
    if sources is None:
        return None
    return lambda arguments, defaults, names: origins_of(arguments, sources, defaults, names)


def checked_call(
    config: AgentConfig,
    name: str,
    arguments: dict[str, Any],
    provider_id: str,
    tell_origins: OriginsOf | None = None,
) -> ToolCall:
    """A call of an agent's tool, with what the rules say about it; whoever asks for it.

    Args:
        tell_origins: tells where each argument came from: `origins.by_hand` of a person's own call;
            None if that is not known, so that a rule which goes by it asks.

    Raises:
        InvalidArguments: if there is no such tool, or the arguments don't fit it.
    """
    tool = config.tool(name)
    if tool is None:
        raise InvalidArguments(NO_SUCH_TOOL.format(readable(name)))
    fitting = validate(tool, arguments)
    origins = None
    if tell_origins is not None:
        names = set(_names_in(tool.metadata.get_parameters_dict()))
        origins = tell_origins(fitting, _left_to_the_tool(tool, arguments, fitting), names)
    ruling = config.policy(name).ruling(fitting, origins)
    return ToolCall(
        name,
        fitting,
        provider_id,
        asks=ruling.asks,
        denied=ruling.verb == "deny",
        rule=ruling.rule,
        policy=config.rules_of(name),
        fingerprint=fingerprint(tool),
        secret=secret_names(facts_of(tool).secret, fitting),
        expires_after=config.expiry_of(name),
        origins=origins,
        grantable=ruling.grantable,
    )


def _left_to_the_tool(
    tool: AsyncBaseTool, given: dict[str, Any], fitting: dict[str, Any]
) -> set[str]:
    """Names of the arguments that nothing was said of, so that they are as the tool has them.

    To say null where it would be null is to say nothing: some models must name every argument.
    """
    assert tool.metadata.fn_schema is not None
    try:
        own = tool.metadata.fn_schema.model_construct().model_dump(
            mode="json", warnings=False, by_alias=True
        )
    except Exception:  # of somebody's type: then nothing is known to be a default
        return set()
    said = {name for name, value in given.items() if value is not None}
    said |= {
        field.serialization_alias or name
        for name, field in tool.metadata.fn_schema.model_fields.items()
        if name in said or field.alias in said
    }
    return {
        name
        for name, value in fitting.items()
        if name not in said and name in own and same({name: own[name]}, {name: value})
    }


def _names_in(schema: Any) -> Iterator[str]:
    """What a JSON schema calls the parts of arguments, at any depth."""
    level = [schema]
    while level:
        objects = [each for each in level if isinstance(each, dict)]
        for each in objects:
            yield from each["properties"] if isinstance(each.get("properties"), dict) else ()
        level = [below for each in objects for below in each.values()] + [
            below for each in level if isinstance(each, list) for below in each
        ]


class InvalidArguments(ValueError):
    """Raised when arguments are not JSON, or don't fit the tool's schema.

    Args:
        problems: what is wrong, by the argument's name, or by the path to a part of it
            (`address.city`); under "" what no single argument is to blame for.
    """

    def __init__(self, message: str, problems: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.problems = problems or {}


def parse_arguments(written: str | dict[str, Any]) -> dict[str, Any]:
    """The arguments as an object. Nothing is repaired: what is not JSON is refused."""
    if isinstance(written, str):
        try:
            parsed = json.loads(
                written or "{}", parse_constant=_refuse_constant, parse_float=_finite
            )
        except ValueError as error:
            raise InvalidArguments(f"the arguments are not valid JSON ({error}).") from None
        except RecursionError:
            raise InvalidArguments("the arguments are nested too deep.") from None
    else:
        parsed = written
    if not isinstance(parsed, dict):
        raise InvalidArguments("the arguments must be a JSON object.")
    if not _is_shallow(parsed):
        raise InvalidArguments("the arguments are nested too deep.")
    try:
        json.dumps(parsed, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise InvalidArguments("the arguments hold half a character (a lone surrogate).") from None
    return parsed


def _is_shallow(value: Any) -> bool:
    """Whether what follows can write it down again, without running out of stack."""
    level = [value]
    for _ in range(DEEPEST):
        nested = [part.values() if isinstance(part, dict) else part for part in level]
        level = [part for parts in nested for part in parts if isinstance(part, (dict, list))]
        if not level:
            return True
    return False


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError(f"{number} is too large")
    return value


def _as_written(written: str | dict[str, Any]) -> dict[str, Any]:
    """What the model sent, for the record, even if it is no object."""
    try:
        return parse_arguments(written)
    except InvalidArguments:
        return _beginning(readable(str(written)))


def _beginning(written: str) -> dict[str, Any]:
    """What can't be used, as far as it helps; the record of the model's answer has all of it."""
    if len(written) <= LONGEST_INVALID:
        return {"invalid_json": written}
    return {"invalid_json": written[:LONGEST_INVALID], "characters": len(written)}


def validate(tool: AsyncBaseTool, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as they will run, as plain JSON data, with defaults filled in.

    Raises:
        InvalidArguments: if they don't fit the tool's schema, or hold names outside of it.
    """
    fitted = fit(tool, arguments)
    try:
        plain = fitted.model_dump(mode="json", warnings=False, by_alias=True)
        json.dumps(plain, allow_nan=False)
    except ValueError as error:
        raise InvalidArguments(f"{error}.") from None
    if fit(tool, plain) != fitted:  # a secret string, for one, would run as asterisks
        raise InvalidArguments("the arguments can't be written down as they are.")
    return plain


def fit(tool: AsyncBaseTool, arguments: dict[str, Any]) -> BaseModel:
    """The arguments as the types that the tool declares.

    Raises:
        InvalidArguments: if they don't fit the tool's schema, or hold names outside of it.
    """
    schema = tool.metadata.fn_schema
    if schema is None:
        raise InvalidArguments(f"tool {tool.metadata.get_name()} declares no schema.")
    fixed = getattr(tool, "partial_params", {})
    unknown = [name for name in arguments if name in fixed or not _is_field(schema, name)]
    if unknown:
        raise InvalidArguments(
            f"unknown arguments: {', '.join(map(repr, unknown))}.",
            dict.fromkeys(unknown, "The tool knows no such argument."),
        )
    try:
        return schema.model_validate(arguments)
    except ValidationError as error:
        raise InvalidArguments(_in_words(error), _by_path(error)) from None


def _is_field(schema: type[BaseModel], name: str) -> bool:
    return name in schema.model_fields or any(
        field.alias == name for field in schema.model_fields.values()
    )


def _by_path(error: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False):
        path = ".".join(map(str, problem["loc"]))
        before = f"{problems[path]} " if path in problems else ""
        problems[path] = f"{before}{problem['msg'].rstrip('.')}."
    return problems


def _in_words(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False)
    ]
    return "; ".join(problems) + "."


def assistant_message(text: str, raw_calls: list[RawCall], calls: list[ToolCall]) -> ChatMessage:
    """The model's message as it goes into the history, with ids that are never empty."""
    blocks: list[Any] = [TextBlock(text=readable(text))] if text else []
    for raw, call in zip(raw_calls, calls, strict=True):
        # Providers refuse a history with names outside of their alphabet, and some that with
        # arguments that are not JSON; both would end the conversation for good.
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", call.tool)[:64] or "unnamed"
        said = call.arguments if call.problem else _as_written(raw.arguments)
        written = json.dumps(said, ensure_ascii=False)
        blocks.append(
            ToolCallBlock(tool_call_id=call.provider_id, tool_name=name, tool_kwargs=written)
        )
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)
