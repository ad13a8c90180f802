"""From one agent file, YAML or Python, to the agent: its tools found, its policy applied."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from llama_index.core.tools import BaseTool
from pydantic import TypeAdapter, ValidationError

from hitl.agent_files import (
    AgentFile,
    AgentFileError,
    Document,
    did_you_mean,
    parse,
    read_shape,
)
from hitl.agent_writing import remember_reference
from hitl.agents import AgentConfig, unknown_arguments
from hitl.errors import DeclarationError
from hitl.function_tools import as_tool
from hitl.python_agents import agent_line, given, refer, tool_in, tools_of
from hitl.rules import ALLOW, ASK, Policy
from hitl.tool_modules import ToolModules

Made = TypeVar("Made")
Place = tuple[str, ...]


@dataclass
class AgentRead:
    """What came of one file.

    Args:
        file: the file as a person names it.
        line: where its name is.
        config: the agent, unless something is wrong.
        errors: everything that is wrong.
    """

    file: str
    line: int | None = None
    config: AgentConfig | None = None
    errors: list[AgentFileError] = field(default_factory=list)


def agent_files(modules: ToolModules) -> list[Path]:
    """The agents' files in the folder itself, sorted by name."""
    python = [
        path
        for name, path in modules.paths.items()
        if path.parent == modules.folder and agent_line(modules.sources[name])
    ]
    yamls = [
        path
        for path in modules.folder.glob("*")
        if path.suffix in (".yaml", ".yml") and path.name[0] != "."
    ]
    return sorted([*python, *yamls], key=lambda path: path.name)


def read_agent(path: Path, modules: ToolModules) -> AgentRead:
    """Read one file; whatever is wrong with it is in the answer, not raised."""
    read = AgentRead(modules.shown(path))
    try:
        if path.suffix == ".py":
            _read_python(path, modules, read)
        else:
            _read_yaml(path.read_bytes(), modules, read)
    except AgentFileError as error:
        read.errors.append(error)
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
        read.errors.append(AgentFileError(read.file, None, None, problem))
    except Exception as error:  # of somebody's tool: one file must not take the others with it
        problem = f"can't be used: {type(error).__name__}: {error}"
        read.errors.append(AgentFileError(read.file, read.line, None, problem))
    if read.errors:
        read.config = None
    return read


def _read_yaml(content: bytes, modules: ToolModules, read: AgentRead) -> None:
    try:
        document = parse(content.decode("utf-8-sig"), read.file)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise AgentFileError(read.file, line, None, "is not UTF-8 text") from None
    shape, read.errors = read_shape(document)
    if shape is None:
        return
    read.line = document.lines.get(("name",), 1)
    resolve = _Resolver(document, modules, read.errors)
    tools = {ref: tool for ref in shape.tools if (tool := resolve.tool(ref)) is not None}
    functions = {
        name: resolve.function(name, reference)
        for name in ("panel", "reset")
        if (reference := getattr(shape, name))
    }
    if len(tools) == len(shape.tools):
        version = modules.digest(content, resolve.used)
        _configure(read, document, shape, tools, {**functions, "version": version})


def _read_python(path: Path, modules: ToolModules, read: AgentRead) -> None:
    read.line = agent_line(modules.sources[path.stem])
    module = modules.load(path.stem)
    said = given(vars(module).get("agent_config"))
    document = Document(read.file, said, {(): read.line or 1})
    rest = {name: said.pop(name, None) for name in ("panel", "reset")}
    own = {name: said.pop(name, None) or {} for name in ("rules", "expires")}
    try:
        named = {str(number): tool_in(module, tool) for number, tool in tools_of(said)}
    except DeclarationError as error:
        raise document.error(("tools",), str(error)) from None
    shape, read.errors = read_shape(document)
    for name, function in rest.items():
        refer(module, function)
        if function is not None and not callable(function):
            read.errors.append(document.error((name,), "must be a function"))
    if shape is not None:
        version = modules.digest(modules.sources[path.stem], {path.stem})
        _configure(read, document, shape, named, {**rest, "version": version})
        _add_own_rules(read, document, shape, own)


def _add_own_rules(
    read: AgentRead, document: Document, shape: AgentFile, own: dict[str, Any]
) -> None:
    """What a Python agent says by its tools' names, where a YAML file says it beside them."""
    if read.config is None:
        return
    asking = read.config.tools_requiring_human_confirmation
    if shape.tools_requiring_human_confirmation is None:
        asking = [name for name in asking if name not in own["rules"]]
    said = {**own, "tools_requiring_human_confirmation": asking}
    try:
        read.config = AgentConfig(**{**dict(read.config), **said})
    except DeclarationError as error:
        read.errors.append(document.error(("rules",), str(error)))


def _configure(
    read: AgentRead,
    document: Document,
    shape: AgentFile,
    tools: dict[str, BaseTool],
    rest: dict[str, Any],
) -> None:
    """Apply the policy; the agent counts only if nothing was found to be wrong."""
    names = {reference: tool.metadata.get_name() for reference, tool in tools.items()}
    wrong = [*_wrong_policy(shape, names), *_wrong_conditions(shape, tools), *_wrong_demo(shape)]
    read.errors += [document.error(*where_and_why) for where_and_why in wrong]
    if read.errors:
        return
    policies = {name: _policy(shape, reference, name) for reference, name in names.items()}
    lines = {names[reference]: line for reference, line in shape.tools.items()}
    plain = shape.model_dump(exclude={"tools", "tools_requiring_human_confirmation", *rest})
    read.config = AgentConfig(
        **plain,
        **rest,
        tools=list(tools.values()),
        tools_requiring_human_confirmation=[
            name for name, policy in policies.items() if policy != ALLOW
        ],
        rules={
            name: policy.as_data()
            for name, policy in policies.items()
            if policy not in (ALLOW, ASK)
        },
        expires={
            name: line.expires_after
            for name, line in lines.items()
            if line.expires_after is not None
        },
    )


def _policy(shape: AgentFile, reference: str, name: str) -> Policy:
    """What holds for a tool: it asks, unless the file says otherwise."""
    if shape.tools_requiring_human_confirmation is not None:
        return ASK if name in shape.tools_requiring_human_confirmation else ALLOW
    return shape.tools[reference].policy if reference in shape.tools else ASK


def _wrong_policy(shape: AgentFile, names: dict[str, str]) -> Iterator[tuple[Place, str]]:
    """Where the file is ambiguous about its tools, and why: never decided by guessing."""
    exact = shape.tools_requiring_human_confirmation
    first: dict[str, str] = {}
    for reference, name in names.items():
        if first.setdefault(name, reference) != reference:
            yield ("tools", reference), f"{first[name]!r} is called {name!r} too; rename one"
        line = shape.tools.get(reference)
        if exact is None or line is None or line.rules is None:
            continue
        if line.policy != (ASK if name in exact else ALLOW):
            problem = f"says {line.rules!r}, tools_requiring_human_confirmation the opposite"
            yield ("tools", reference), problem
    for name in exact or []:
        if name not in names.values():
            problem = f"no tool {name!r}{did_you_mean(name, names.values())}"
            yield ("tools_requiring_human_confirmation", name), problem


def _wrong_conditions(shape: AgentFile, tools: dict[str, BaseTool]) -> Iterator[tuple[Place, str]]:
    """Conditions on arguments that the tool does not have: they could only ever ask."""
    for reference, line in shape.tools.items():
        for problem in unknown_arguments(tools[reference], line.policy):
            yield ("tools", reference), problem


def _wrong_demo(shape: AgentFile) -> Iterator[tuple[Place, str]]:
    if shape.demo:
        from hitl.demo_script import DemoScript  # brings a model's classes with it

        try:
            TypeAdapter(list[DemoScript]).validate_python(shape.demo)
        except ValidationError as invalid:
            for error in invalid.errors():
                problem = error["msg"].removeprefix("Value error, ")
                yield ("demo", *map(str, error["loc"])), problem


@dataclass
class _Resolver:
    """Finds what a document refers to, and notes what it can't find.

    Args:
        document: the file.
        modules: where it looks.
        errors: where it notes.
        used: the modules that it looked into.
    """

    document: Document
    modules: ToolModules
    errors: list[AgentFileError]
    used: set[str] = field(default_factory=set)

    def tool(self, reference: str) -> BaseTool | None:
        name = reference.rpartition(".")[2]
        tool = self._resolve(("tools", reference), reference, lambda found: as_tool(found, name))
        if tool is not None:
            remember_reference(tool, reference)
        return tool

    def function(self, place: str, reference: str) -> Callable[..., Any] | None:
        function = self._resolve((place,), reference, _callable)
        if function is not None:
            remember_reference(function, reference)
        return function

    def _resolve(self, path: Place, reference: str, make: Callable[[Any], Made]) -> Made | None:
        self.used.add(reference.rpartition(".")[0])
        try:
            return make(self.modules.find(reference))
        except AgentFileError as broken:  # in a module: said once, however many tools it holds
            problem = f"{broken.problem} (needed by {self.document.file})"
            error = AgentFileError(broken.file, broken.line, None, problem)
            if str(error) not in map(str, self.errors):
                self.errors.append(error)
        except DeclarationError as error:
            self.errors.append(self.document.error(path, str(error)))
        return None


def _callable(found: Any) -> Callable[..., Any]:
    if not inspect.isroutine(found):
        raise DeclarationError(f"must be a function, not a {type(found).__name__}")
    return found
