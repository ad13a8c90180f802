"""From outcomes to the tool messages that a model reads, and from these to a valid history."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from llama_index.core.llms import ChatMessage, MessageRole

from hitl.journal.values import OPEN, Run, RunRecord, ToolRequest

NOT_APPROVED = "Tool call was not approved."
NOT_EXECUTED = "Nothing was executed."
FAILED = "Encountered error in tool call: "
UNKNOWN = "Started, outcome unknown, not run again."
WORKED = "Started, and its end was not seen. A person says that it worked."
NOT_DONE = "Started, and its end was not seen. A person says that it did not happen."
DENIED = "Not allowed by the agent's rules. Nothing was executed. The rule: "
AGAIN = "The same was rejected before, and nothing was executed since."
CANCELLED = "Not executed: the run was stopped before this call could start."
EXPIRED = "Not executed: nobody decided in time."
ANSWERED = "Not executed. A person answered in the tool's place:"
NO_SUCH_TOOL = "Tool {} does not exist"
EDITED = "A person changed the arguments before approving. What ran: "
RESULT = "The tool's result: "
# How our own sentences begin: what a tool returns must not pass for one of them.
OURS: tuple[str, ...] = (NOT_APPROVED, FAILED, UNKNOWN, WORKED, NOT_DONE, DENIED, CANCELLED)
OURS += (EXPIRED, ANSWERED, EDITED, RESULT, "Tool ")


def tool_message(request: ToolRequest) -> ChatMessage:
    """The one tool message that answers a settled request."""
    return ChatMessage(
        role=MessageRole.TOOL,
        content=outcome_text(request),
        additional_kwargs={"tool_call_id": request.provider_id, "name": request.tool},
    )


def outcome_text(request: ToolRequest) -> str:
    """What the model is told of a request's outcome: the truth, in one message."""
    match request.status:
        case "rejected":
            again = f" {AGAIN}" if request.decision is None else ""
            reason = f" Reason: {request.reason}" if request.reason else ""
            return f"{NOT_APPROVED} {NOT_EXECUTED}{again}{reason}"
        case "answered":
            return f"{ANSWERED} {request.result or ''}"
        case "denied":
            return f"{DENIED}{request.rule}"
        case "cancelled":
            return CANCELLED
        case "expired":
            return EXPIRED
        case "unknown":
            return _with_edit(request, UNKNOWN)
        case "worked":
            return _with_edit(request, f"{WORKED} {request.result or ''}".rstrip())
        case "not_done":
            return f"{NOT_DONE} {request.result or ''}".rstrip()
        case "succeeded":
            result = request.result or ""
            quoted = f"{RESULT}{result}" if result.startswith(OURS) else result
            return _with_edit(request, quoted)
        case "failed":
            return _with_edit(request, request.result or "")
        case "pending" | "decided" | "approved" | "running" | "void" | "repeated":
            raise ValueError(f"request {request.id} has no outcome yet")


def _with_edit(request: ToolRequest, text: str) -> str:
    if request.edited is None:
        return text
    return f"{EDITED}{json.dumps(request.edited, ensure_ascii=False)}\n{text}"


@dataclass(frozen=True)
class Reading:
    """A tool message, understood.

    Args:
        text: the result, the error or the reason.
        ran_with: the arguments that ran, where a person changed them.
    """

    status: Literal[
        "succeeded",
        "rejected",
        "failed",
        "unknown",
        "worked",
        "not_done",
        "answered",
        "denied",
        "cancelled",
        "expired",
    ]
    text: str
    ran_with: dict[str, Any] | None = None


def read_outcome(text: str) -> Reading:
    """The inverse of `outcome_text`."""
    ran_with = None
    if text.startswith(EDITED):
        edited, _, text = text.removeprefix(EDITED).partition("\n")
        with suppress(ValueError):  # it was cut to fit the model's window
            ran_with = json.loads(edited)
    if text.startswith(RESULT):
        return Reading("succeeded", text.removeprefix(RESULT), ran_with)
    if text.startswith(NOT_APPROVED):
        return Reading("rejected", text.partition("Reason: ")[2])
    if text.startswith(FAILED):
        return Reading("failed", text.removeprefix(FAILED), ran_with)
    if text.startswith(ANSWERED):
        return Reading("answered", text.removeprefix(ANSWERED).removeprefix(" "))
    if text.startswith(DENIED):
        return Reading("denied", text.removeprefix(DENIED))
    if text.startswith(WORKED):
        return Reading("worked", text.removeprefix(WORKED).strip(), ran_with)
    if text.startswith(NOT_DONE):
        return Reading("not_done", text.removeprefix(NOT_DONE).strip())
    if text.startswith("Tool ") and text.endswith(" does not exist"):
        return Reading("failed", text)
    known: dict[str, Literal["unknown", "cancelled", "expired"]] = {
        UNKNOWN: "unknown",
        CANCELLED: "cancelled",
        EXPIRED: "expired",
    }
    if text in known:
        return Reading(known[text], text, ran_with)
    return Reading("succeeded", text, ran_with)


def chat_of(record: RunRecord) -> list[ChatMessage]:
    """A run's messages in the order that a provider accepts: each call answered, in its order.

    A turn whose calls are not all settled yet is left out, so the history is valid at any moment.
    """
    chat = [record.messages[0]] if 0 in record.messages else []
    for turn in sorted(turn for turn in record.messages if turn > 0):
        requests = record.requests_of(turn)
        if any(_is_unsettled(request, record.run) for request in requests):
            break
        chat += [record.messages[turn], *(tool_message(request) for request in requests)]
    if note := closing_note(record):
        chat.append(ChatMessage(role=MessageRole.ASSISTANT, content=note))
    return chat


def _is_unsettled(request: ToolRequest, run: Run) -> bool:
    """Whether there is nothing to tell yet; of a run that has ended, doubt is told too."""
    return request.status in OPEN or (request.is_in_doubt and not run.has_ended)


def closing_note(record: RunRecord) -> str | None:
    """What the model is told in place of an answer that never came."""
    match record.run.status:
        case "failed":
            return f"[No answer was given here: {record.run.error}]"
        case "cancelled":
            return "[A person stopped the work here, before an answer was given.]"
        case _:
            return None
