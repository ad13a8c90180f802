"""`python -m hitl check`: what is wrong with the agents in a folder, and what runs unasked."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from llama_index.core.tools import BaseTool

from hitl.agents import AgentConfig
from hitl.function_tools import arguments_of
from hitl.registry import Registry
from hitl.tool_modules import ToolModules


def main(folder: Path) -> int:
    """Print the report. Returns the exit code: 1 if there is an error in it."""
    lines, is_fine = report(folder)
    print("\n".join(lines))
    return 0 if is_fine else 1


def report(folder: Path) -> tuple[list[str], bool]:
    """What there is to say about every file, and whether nothing is wrong."""
    registry = Registry(folder)
    agents, files = registry.agents(), registry.files()
    wrong = [str(error) for error in registry.errors()]
    wrong += [
        bad for agent in agents.values() for tool in agent.tools or [] for bad in _lacks(tool)
    ]
    wrong += [bad for bad in _unparsable(folder) if not any(bad in known for known in wrong)]
    errors = [f"error: {problem}" for problem in dict.fromkeys(wrong)]
    about = [line for name, agent in agents.items() for line in _about(files[name], agent)]
    count = f"{_many(len(agents), 'agent')}, {_many(len(errors), 'error')}"
    return [*about, *errors, count], not errors


def _about(file: str, agent: AgentConfig) -> Iterator[str]:
    yield f"{file}: {agent.name}, {_many(len(agent.tools or []), 'tool')}"
    names = agent.tool_names()
    for words, verb in (
        ("ask a person:", "ask"),
        ("always ask:  ", "always_ask"),
        ("run freely:  ", "allow"),
        ("are denied:  ", "deny"),
    ):
        if listed := [name for name in names if agent.policy(name).plain == verb]:
            yield f"  {words} {', '.join(listed)}"
    for name in names:
        if agent.policy(name).plain is None:
            yield f"  it depends:   {name}: {agent.policy(name).words}"


def _unparsable(folder: Path) -> Iterator[str]:
    """Python files that no agent needs, so that nobody else noticed."""
    modules = ToolModules(folder)
    for name, path in modules.paths.items():
        try:
            compile(modules.sources[name], path, "exec")
        except (SyntaxError, ValueError) as error:
            yield str(modules.located(name, error))


def _lacks(tool: BaseTool) -> Iterator[str]:
    """What a model, and a person who approves, is not told about the tool."""
    function = getattr(tool, "real_fn", None)
    place = _place(function) or f"tool {tool.metadata.get_name()}"
    if not tool.metadata.description.strip():
        yield f"{place}: no description; write a docstring: it is what the model goes by"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        yield f"{place}: it is a generator, whose code would never run; return the result instead"
    for name, argument in arguments_of(function).items() if function else ():
        if argument.annotation is argument.empty:
            yield f"{place}: argument {name!r} has no type; nothing checks what a model gives it"


def _place(function: object) -> str | None:
    if not inspect.isfunction(inspect.unwrap(function) if callable(function) else function):
        return None
    code = inspect.unwrap(function).__code__  # type: ignore[arg-type]
    path = Path(code.co_filename)
    return f"{path.parent.name}/{path.name}, line {code.co_firstlineno}, {code.co_name}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
