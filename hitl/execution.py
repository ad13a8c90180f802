"""Runs a tool, once. Whatever goes wrong in it stays in it: no tool can end or stall the loop."""

import asyncio
import contextvars
import inspect
import json
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from llama_index.core.tools import AsyncBaseTool, FunctionTool, ToolOutput
from llama_index.core.tools.types import BaseToolAsyncAdapter

from hitl.toolcalls import fit

T = TypeVar("T")


class ToolFailed(Exception):
    """Raised when a tool says in its output that it failed, or raises what only a loop may."""


async def run_tool(tool: AsyncBaseTool, arguments: dict[str, Any], context: Any) -> str:
    """Run the tool once and return its result as the model will read it.

    Args:
        arguments: as stored in the journal; checked again here, then given to the function as
            the types that it declares.
        context: the workflow context, for tools that ask for one.

    Raises:
        Exception: whatever the tool raises.
    """
    fitted = fit(tool, arguments)
    typed = {name: getattr(fitted, name) for name in type(fitted).model_fields}
    for name in getattr(tool, "partial_params", {}):
        typed.pop(name, None)
    if getattr(tool, "requires_context", False):
        typed[tool.ctx_param_name] = context  # type: ignore[attr-defined]
    # Not LlamaIndex's acall_tool: it calls some tools a second time when they raise.
    if _is_sync(tool):
        return as_text(await _in_own_thread(lambda: tool.call(**typed)))
    return as_text(await _contained(tool.acall(**typed)))


def _is_sync(tool: AsyncBaseTool) -> bool:
    if isinstance(tool, FunctionTool):
        return not inspect.iscoroutinefunction(tool.real_fn)
    return isinstance(tool, BaseToolAsyncAdapter)


async def _contained(work: Any) -> ToolOutput:
    """What the tool returns; an exit or a cancellation that it raises itself is its failure."""
    try:
        output: ToolOutput = await work
    except SystemExit as error:
        raise ToolFailed(f"SystemExit: {error}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # it is we who were cancelled
            raise
        raise ToolFailed(f"CancelledError: {error}") from error
    return output


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
    failure = ToolFailed(f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def as_text(output: ToolOutput) -> str:
    """A tool's output as text: structured data as JSON, anything else as it prints.

    Raises:
        Exception: if the output says that the tool failed.
    """
    if output.is_error:
        raise output.exception or ToolFailed(output.content)
    if isinstance(output.raw_output, (dict, list)) and output.content == str(output.raw_output):
        return json.dumps(output.raw_output, ensure_ascii=False, default=str)
    return output.content
