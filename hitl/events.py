"""What travels through the workflow. An event carries no authority: the journal decides."""

from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import ToolSelection
from llama_index.core.workflow import Event, HumanResponseEvent, InputRequiredEvent
from pydantic import StrictBool


class LLMCallEvent(Event):
    """It is the model's turn to speak."""


class ToolCallEvent(Event):
    """A tool may start. Which one, and with what arguments, is read from the journal by its id.

    Args:
        tool_call: the call; its `tool_id` is our request id.
    """

    tool_call: ToolSelection


class ToolCallResultEvent(Event):
    """A tool call has its outcome.

    Args:
        chat_message: the tool message that the model will read.
    """

    chat_message: ChatMessage


class LookEvent(Event):
    """Something changed in the journal: look again. Says nothing about what."""


class ProgressEvent(Event):
    """One sentence about what just happened.

    Args:
        msg: the sentence.
    """

    msg: str


class TextDeltaEvent(Event):
    """A piece of the model's answer, as it streams in.

    Args:
        delta: the new text; the pieces joined are the answer so far.
    """

    delta: str


class ToolRequestEvent(InputRequiredEvent):
    """The agent asks a person whether a tool may run.

    Args:
        prefix: the question in words.
        tool_name: the tool.
        tool_id: our request id; an approval must name it.
        tool_kwargs: the exact arguments that will run if approved.
    """

    prefix: str = ""
    tool_name: str
    tool_id: str
    tool_kwargs: dict[str, Any]


class ToolApprovedEvent(HumanResponseEvent):
    """A person's answer to a `ToolRequestEvent`.

    Args:
        approved: a real boolean; "yes" and 1 are refused.
        tool_name: must be the requested tool.
        tool_id: the request id.
        tool_kwargs: as requested, or edited: then these are validated and run instead.
        response: the reason; it reaches the model when the call is rejected.
    """

    tool_name: str
    tool_id: str
    tool_kwargs: dict[str, Any]
    approved: StrictBool
    response: str | None = None
