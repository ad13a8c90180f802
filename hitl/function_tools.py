"""From a plain typed function to a LlamaIndex tool whose schema says all that its types say."""

import copy
import inspect
import operator
import re
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from llama_index.core.tools import BaseTool, FunctionTool
from llama_index.core.workflow import Context
from pydantic import BaseModel, ConfigDict, Field, create_model

from hitl.errors import DeclarationError

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_schemas: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()


class Arguments(BaseModel):
    """The arguments of a function. Their schema, asked for at every turn, is made once."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        if args or options:
            return super().model_json_schema(*args, **options)
        if cls not in _schemas:
            _schemas[cls] = super().model_json_schema()
        return copy.deepcopy(_schemas[cls])


def as_tool(found: Any, name: str) -> BaseTool:
    """The tool that this is, or that this function makes.

    Args:
        found: a function, or a tool that somebody made already.
        name: what a function's tool is called.

    Raises:
        DeclarationError: if it is neither, or no model could call it.
    """
    if isinstance(found, BaseTool):
        tool = found
    elif inspect.isroutine(found):
        tool = _function_tool(found, name)
    else:
        raise DeclarationError(f"{name!r} is a {type(found).__name__}, not a function or a tool")
    if not NAME.fullmatch(tool.metadata.name or ""):
        raise DeclarationError(
            f"the name {tool.metadata.name!r} is no name for a tool: "
            "it must be 1 to 64 of the letters a-z, digits, _ and -"
        )
    return tool


def arguments_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments that a model gives, with their types: neither `*args` nor a `Context`."""
    hints = get_type_hints(function, include_extras=True)
    return {
        parameter.name: parameter.replace(annotation=hints.get(parameter.name, parameter.empty))
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and not _is_context(hints.get(parameter.name))
    }


def _is_context(annotation: Any) -> bool:
    return annotation is Context or get_origin(annotation) is Context


def _function_tool(function: Callable[..., Any], name: str) -> FunctionTool:
    try:
        schema = _schema(function, name)
    except DeclarationError:
        raise
    except Exception as error:  # pydantic and typing raise whatever an annotation provokes
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DeclarationError(
            f"the arguments of {name!r} can't be described to a model: {said}"
        ) from error
    description = inspect.getdoc(function) or ""
    tool = FunctionTool.from_defaults(
        fn=function, name=name, description=description, fn_schema=schema
    )
    # LlamaIndex misses a Context whose annotation is text (`from __future__ import annotations`).
    for argument, annotation in get_type_hints(function).items():
        if _is_context(annotation) and argument != "return":
            tool.requires_context, tool.ctx_param_name = True, argument
    return tool


def _schema(function: Callable[..., Any], name: str) -> type[BaseModel]:
    """LlamaIndex's own keeps descriptions alone: the bounds in `Annotated` would be lost."""
    arguments = arguments_of(function)
    said, _ = FunctionTool.extract_param_docs(inspect.getdoc(function) or "", set(arguments))
    fields: dict[str, Any] = {}
    for argument, parameter in arguments.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise DeclarationError(
                f"{name!r} takes {argument!r} by position alone; models give arguments by name"
            )
        untyped = parameter.annotation is parameter.empty
        hint = _described(Any if untyped else parameter.annotation, said.get(argument))
        fields[argument] = (
            hint,
            ... if parameter.default is parameter.empty else parameter.default,
        )
    return create_model(name, __base__=Arguments, **fields)


def _described(hint: Any, said: str | None) -> Any:
    """The type with the docstring's words about it; its own words, if any, count more."""
    base, *own = get_args(hint) if get_origin(hint) is Annotated else [hint]
    notes = [Field(description=note) if isinstance(note, str) else note for note in own]
    return operator.getitem(Annotated, (base, Field(description=said), *notes))
