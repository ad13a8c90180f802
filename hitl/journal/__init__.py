"""The journal: what was said, asked, decided and done. It decides; everybody else only looks."""

from hitl.journal.journal import Journal
from hitl.journal.values import (
    Approve,
    Conversation,
    Decision,
    ItDidNotHappen,
    ItWorked,
    ModelCall,
    Reject,
    Resolution,
    Run,
    RunAgain,
    RunRecord,
    ToolCall,
    ToolRequest,
    Verdict,
)

__all__ = [
    "Approve",
    "Conversation",
    "Decision",
    "ItDidNotHappen",
    "ItWorked",
    "Journal",
    "ModelCall",
    "Reject",
    "Resolution",
    "Run",
    "RunAgain",
    "RunRecord",
    "ToolCall",
    "ToolRequest",
    "Verdict",
]
