"""Approve or reject what an AI agent wants to do, before it happens."""

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
from hitl.workflow import HITLAgent

__all__ = [
    "AgentConfig",
    "HITLAgent",
    "LLMCallEvent",
    "ProgressEvent",
    "TextDeltaEvent",
    "ToolApprovedEvent",
    "ToolCallEvent",
    "ToolCallResultEvent",
    "ToolRequestEvent",
    "tool",
]
