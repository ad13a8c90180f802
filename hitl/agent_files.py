"""An agent's file as text: its shape, and the line of everything in it.

Nothing here imports a tool: what a reference like `shop.refund_order` means is found by
`tool_modules`, and a whole folder is read by `registry`.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from hitl.agents import AgentConfig
from hitl.errors import DeclarationError
from hitl.rules import Policy
from hitl.spans import Span

Path = tuple[str, ...]


class AgentFileError(DeclarationError):
    """Raised when an agent can't be read.

    Args:
        file: the file to mend, as a person names it: `agents/shop.yaml`.
        line: the line in it, counted from 1, if one is to blame.
        field: the field in it, dotted: `tools.shop.refund`.
        problem: what is wrong and, where we know, what to do.
    """

    def __init__(self, file: str, line: int | None, field: str | None, problem: str) -> None:
        self.file, self.line, self.field, self.problem = file, line, field, problem
        place = [file, f"line {line}" if line else "", field or ""]
        super().__init__(f"{', '.join(filter(None, place))}: {problem}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'refund'?`, or nothing when no known name is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class ToolLine(BaseModel):
    """What a file says about one tool: its rules alone, or with a time to answer.

    Args:
        rules: a rule or a list of rules; None asks.
        expires_after: seconds until an unanswered request ends.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    rules: str | list[str] | None = None
    expires_after: Span = None

    @model_validator(mode="before")
    @classmethod
    def _as_people_write_it(cls, data: Any) -> Any:
        return data if isinstance(data, dict | cls) else {"rules": data}

    @field_validator("rules", mode="before")
    @classmethod
    def _is_a_policy(cls, rules: Any) -> Any:
        try:
            Policy.read(rules)
        except DeclarationError as error:
            raise ValueError(str(error)) from None
        return rules

    @property
    def policy(self) -> Policy:
        return Policy.read(self.rules)


class AgentFile(BaseModel):
    """What a file says about an agent, checked for shape alone: its tools are still names.

    Args:
        tools: reference → what the file says about it; where it says nothing, it asks.
        expires_after: seconds until an unanswered request of any of these tools ends.
        tools_requiring_human_confirmation: if given, exactly these tools ask.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$")]
    description: Annotated[str, StringConstraints(pattern=r"\S")]
    system_prompt: str | None = None
    model: str | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    state: dict[str, JsonValue] = Field(default_factory=dict)
    greeting: str | None = None
    samples: list[str] = Field(default_factory=list)
    panel: str | None = None
    panel_title: str = AgentConfig.model_fields["panel_title"].default
    reset: str | None = None
    tools: dict[str, ToolLine] = Field(default_factory=dict)
    expires_after: Span = None
    tools_requiring_human_confirmation: list[str] | None = None
    demo: list[dict[str, JsonValue]] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _as_people_write_it(cls, data: Any) -> Any:
        """A field with nothing after its colon is left out; a plain list of tools asks for all."""
        if not isinstance(data, dict):
            return data
        said = {key: value for key, value in data.items() if value is not None}
        tools = said.get("tools")
        if isinstance(tools, list) and all(isinstance(tool, str) for tool in tools):
            said["tools"] = dict.fromkeys(tools)
        return said


@dataclass(frozen=True)
class Document:
    """A YAML text as data that remembers its lines.

    Args:
        file: how a person names the file.
        data: plain data: what JSON knows.
        lines: path → line. An item of a list is found by its number and by its text.
    """

    file: str
    data: Any
    lines: dict[Path, int]

    def error(self, path: Path, problem: str) -> AgentFileError:
        """The problem, at the line of this path, or of the nearest thing around it."""
        known = next(p for n in range(len(path), -1, -1) if (p := path[:n]) in self.lines)
        return AgentFileError(self.file, self.lines[known], ".".join(path) or None, problem)


class _Loader(yaml.SafeLoader):
    """Knows the types that JSON knows: a date stays the text that was written."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def parse(text: str, file: str) -> Document:
    """The text as data with lines.

    Raises:
        AgentFileError: if it is not YAML, says a key twice, or refers to itself.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise AgentFileError(file, 1, None, "the file is empty")
        document = Document(file, None, {(): 1})
        _note_lines(node, (), document, within=())
        return Document(file, loader.construct_document(node), document.lines)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        problem = f"not valid YAML: {error.problem or error.context}"
        raise AgentFileError(file, line, None, problem) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = f"not valid YAML: {' '.join(str(error).split())}"
        raise AgentFileError(file, None, None, problem) from None


def _note_lines(
    node: yaml.Node, path: Path, document: Document, within: tuple[yaml.Node, ...]
) -> None:
    if node in within:
        raise document.error(path, "refers to itself")
    within = (*within, node)
    if isinstance(node, yaml.MappingNode):
        _refuse_twins(node, path, document)
        for key, value in node.value:
            document.lines[(*path, str(key.value))] = key.start_mark.line + 1
            _note_lines(value, (*path, str(key.value)), document, within)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            line = item.start_mark.line + 1
            document.lines[(*path, str(number))] = line
            if isinstance(item, yaml.ScalarNode):
                document.lines.setdefault((*path, item.value), line)
            _note_lines(item, (*path, str(number)), document, within)


def _refuse_twins(node: yaml.MappingNode, path: Path, document: Document) -> None:
    """YAML's loaders let the last of two equal keys win, silently: `allow` over `ask`."""
    first: dict[str, int] = {}
    for key, _ in node.value:
        line, text = key.start_mark.line + 1, str(key.value)
        if text in first:
            problem = f"said twice; the first is in line {first[text]}"
            raise AgentFileError(document.file, line, ".".join((*path, text)), problem)
        first[text] = line


def read_shape(document: Document) -> tuple[AgentFile | None, list[AgentFileError]]:
    """The file's content, or everything that is wrong with its shape."""
    try:
        return AgentFile.model_validate(document.data), []
    except ValidationError as invalid:
        return None, [_explained(document, error) for error in invalid.errors()]


def _explained(document: Document, error: Any) -> AgentFileError:
    """A pydantic error in the words of somebody who writes agent files."""
    path, kind, given = tuple(map(str, error["loc"])), error["type"], error["input"]
    if kind == "extra_forbidden":
        fields = ToolLine.model_fields if path[0] == "tools" else AgentFile.model_fields
        problem = "no such field" + did_you_mean(path[-1], fields)
    elif kind == "missing":
        problem = "is missing"
    elif kind == "value_error":
        path = path[:2] if path[-1:] == ("rules",) else path
        problem = error["msg"].removeprefix("Value error, ")
    elif kind == "string_pattern_mismatch":
        problem = f"must be text without blanks around it, not {given!r}"
    elif path == ("tools",):
        problem = "must map tools to 'ask', 'allow', 'deny' or rules, or be a list of tools"
    elif not path:
        problem = "an agent file is a mapping: `name: ...`, `description: ...`"
    else:
        problem = f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {given!r}"
    return document.error(path, problem)
