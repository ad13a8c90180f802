"""The journal: what was said, asked, decided and done. It decides; everybody else only looks."""

from hitl.journal.journal import Journal
from hitl.journal.values import (
    Approve,
    Conversation,
    Decision,
    ModelCall,
    Reject,
    Run,
    RunRecord,
    ToolCall,
    ToolRequest,
    Verdict,
)

__all__ = [
    "Approve",
    "Conversation",
    "Decision",
    "Journal",
    "ModelCall",
    "Reject",
    "Run",
    "RunRecord",
    "ToolCall",
    "ToolRequest",
    "Verdict",
]
