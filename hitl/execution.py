"""Runs a tool, once. Whatever goes wrong in it stays in it: no tool can end or stall the loop."""

import asyncio
import contextvars
import copy
import inspect
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from llama_index.core.tools import AsyncBaseTool, FunctionTool, ToolOutput
from llama_index.core.tools.types import BaseToolAsyncAdapter

from hitl.journal.values import same
from hitl.toolcalls import InvalidArguments, fit, validate

T = TypeVar("T")
CHANGED = "the tool changed since this was asked; nothing was executed."
GENERATOR = "it returned a generator, whose code has not run; a tool must return its result."


class ToolFailed(Exception):
    """Raised when a tool says in its output that it failed, or raises what only a loop may."""


async def run_tool(tool: AsyncBaseTool, arguments: dict[str, Any], context: Any) -> str:
    """Run the tool once and return its result as the model will read it.

    Args:
        arguments: as stored in the journal; checked again here, then given to the function as
            the types that it declares.
        context: the workflow context, for tools that ask for one.

    Raises:
        ToolFailed: if the tool would not run with exactly these arguments.
        Exception: whatever the tool raises.
    """
    typed = _typed(tool, arguments)
    if getattr(tool, "requires_context", False):
        typed[tool.ctx_param_name] = context  # type: ignore[attr-defined]
    if type(tool) is FunctionTool:
        return await _show(tool, typed, await _run_function(tool, typed))
    return as_text(await _call(tool, typed))


def _typed(tool: AsyncBaseTool, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the types that the tool declares.

    Raises:
        ToolFailed: if the tool, which may have changed, would run with others than were shown.
    """
    try:
        shown = same(_ordered(validate(tool, arguments)), _ordered(arguments))
    except InvalidArguments as error:
        raise ToolFailed(f"{CHANGED} {error}") from error
    if not shown:
        raise ToolFailed(CHANGED)
    fitted = fit(tool, arguments)
    fixed = getattr(tool, "partial_params", {})
    return {name: getattr(fitted, name) for name in type(fitted).model_fields if name not in fixed}


def _ordered(value: Any) -> Any:
    """With sorted lists: a set comes in another order every time, and may."""
    if isinstance(value, dict):
        return {name: _ordered(part) for name, part in value.items()}
    if isinstance(value, list):
        return sorted(map(_ordered, value), key=partial(json.dumps, sort_keys=True))
    return value


async def _run_function(tool: FunctionTool, typed: dict[str, Any]) -> Any:
    """Run the tool's function, to its very end, and return what it returned."""
    given = {**tool._field_defaults, **tool.partial_params, **typed}
    if _is_sync(tool):
        returned = await _in_own_thread(lambda: tool.fn(**given))
    else:
        returned = await _contained(tool.async_fn(**given))
    while inspect.isawaitable(returned):  # a plain function around an async one
        returned = await _contained(returned)
    if inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        raise ToolFailed(GENERATOR)
    return returned


async def _show(tool: FunctionTool, typed: dict[str, Any], returned: Any) -> str:
    """What a function returned, as the tool itself puts it; its work is done either way."""

    async def already(**_: Any) -> Any:
        return returned

    done = copy.copy(tool)
    done._fn, done._async_fn = lambda **_: returned, already
    try:
        output = await _call(done, typed)
    except Exception as error:
        return f"Done; its result can't be shown as text ({in_words(error)})."
    return as_text(output)


async def _call(tool: AsyncBaseTool, typed: dict[str, Any]) -> ToolOutput:
    # Not LlamaIndex's acall_tool: it calls some tools a second time when they raise.
    if _is_sync(tool):
        return await _in_own_thread(lambda: tool.call(**typed))
    output: ToolOutput = await _contained(tool.acall(**typed))
    return output


def _is_sync(tool: AsyncBaseTool) -> bool:
    if isinstance(tool, FunctionTool):
        return not inspect.iscoroutinefunction(tool.real_fn)
    return isinstance(tool, BaseToolAsyncAdapter)


async def _contained(work: Awaitable[T]) -> T:
    """What the tool returns; an exit or a cancellation that it raises itself is its failure."""
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # it is we who were cancelled
            raise
        raise _as_failure(error) from error
    except Exception:
        raise
    except BaseException as error:
        raise _as_failure(error) from error


async def _in_own_thread(work: Callable[[], T]) -> T:
    """Do work in a thread of its own, that neither a full pool nor the end of the process awaits.

    An executor would hang for good on a StopIteration, pass a SystemExit on to the loop, and keep
    the process from ending while a tool is stuck.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def hand_over(settle: Callable[[Any], None], outcome: Any) -> None:
        if not future.done():  # nobody waits any more if the run was stopped
            settle(outcome)

    def main() -> None:
        try:
            settle, outcome = future.set_result, work()
        except BaseException as error:
            settle, outcome = future.set_exception, _as_failure(error)  # type: ignore[assignment]
        if not loop.is_closed():
            loop.call_soon_threadsafe(hand_over, settle, outcome)

    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(main,), name="tool", daemon=True).start()
    return await future


def _as_failure(error: BaseException) -> Exception:
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failure = ToolFailed(f"{type(error).__name__}: {in_words(error)}")
    failure.__cause__ = error
    return failure


def as_text(output: ToolOutput) -> str:
    """A tool's output as text: structured data as JSON if it can be, anything else as it prints.

    Raises:
        Exception: if the output says that the tool failed.
    """
    if output.is_error:
        raise output.exception or ToolFailed(output.content)
    if isinstance(output.raw_output, (dict, list)) and output.content == str(output.raw_output):
        with suppress(TypeError, ValueError, RecursionError):  # keys that JSON lacks, circles
            return json.dumps(output.raw_output, ensure_ascii=False, default=str)
    return output.content


def in_words(error: BaseException) -> str:
    """What an error says, or its name if it says nothing."""
    with suppress(Exception):  # even that can be broken
        if said := str(error):
            return said
    return type(error).__name__
