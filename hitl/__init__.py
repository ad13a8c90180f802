"""Approve or reject what an AI agent wants to do, before it happens."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hitl.agents import AgentConfig, tool
    from hitl.events import (
        LLMCallEvent,
        ProgressEvent,
        TextDeltaEvent,
        ToolApprovedEvent,
        ToolCallEvent,
        ToolCallResultEvent,
        ToolRequestEvent,
    )
    from hitl.notebook import chat
    from hitl.previews import EmailPreview, FilePreview, RowsPreview
    from hitl.workflow import HITLAgent

__all__ = [
    "AgentConfig",
    "EmailPreview",
    "FilePreview",
    "HITLAgent",
    "LLMCallEvent",
    "ProgressEvent",
    "RowsPreview",
    "TextDeltaEvent",
    "ToolApprovedEvent",
    "ToolCallEvent",
    "ToolCallResultEvent",
    "ToolRequestEvent",
    "chat",
    "tool",
]

# Each name brings seconds of imports with it: they are spent when it is first asked for.
_HOMES = {
    "AgentConfig": "agents",
    "EmailPreview": "previews",
    "FilePreview": "previews",
    "HITLAgent": "workflow",
    "RowsPreview": "previews",
    "chat": "notebook",
    "tool": "agents",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hitl' has no attribute {name!r}")
    return getattr(import_module(f"hitl.{_HOMES.get(name, 'events')}"), name)
