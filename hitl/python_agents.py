"""Agents that are Python files: a notebook's cell with an `agent_config` in it."""

import ast
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from llama_index.core.tools import BaseTool

from hitl.agent_writing import remember_reference
from hitl.agents import AgentConfig
from hitl.errors import DeclarationError
from hitl.function_tools import as_tool
from hitl.tool_modules import parsed


def agent_line(source: bytes) -> int | None:
    """The line where a module sets `agent_config`, None if it is no agent."""
    nodes: list[ast.AST] = [parsed(source)]
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if node.id == "agent_config":
                return node.lineno
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            nodes.extend(ast.iter_child_nodes(node))
    unparsed = None if nodes[1:] else re.search(rb"^agent_config\b", source, re.MULTILINE)
    return source[: unparsed.start()].count(b"\n") + 1 if unparsed else None


def given(agent_config: Any) -> dict[str, Any]:
    """What a notebook's `agent_config` says: ours, a class like ours, or a dict."""
    if isinstance(agent_config, Mapping):
        return dict(agent_config)
    fields = AgentConfig.model_fields.keys() - {"version", "file_rules"}
    return {name: getattr(agent_config, name, None) for name in fields}


def tools_of(given: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    tools = given.pop("tools", None) or []
    if not isinstance(tools, list | tuple):
        raise DeclarationError("must be a list of functions and tools")
    return enumerate(tools)


def tool_in(module: ModuleType, found: Any) -> BaseTool:
    tool = as_tool(found, getattr(found, "__name__", type(found).__name__))
    refer(module, found, tool)
    return tool


def refer(module: ModuleType, found: Any, made: Any = None) -> None:
    """Remember the name by which the module knows it, for a file that wants to refer to it."""
    for name, value in vars(module).items():
        if value is found is not None:
            remember_reference(made or found, f"{module.__name__.partition('.')[2]}.{name}")
