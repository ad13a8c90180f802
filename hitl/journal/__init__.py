"""The journal: what was said, asked, decided and done. It decides; everybody else only looks."""

from hitl.journal.choices import (
    Answer,
    Approve,
    Decision,
    ItDidNotHappen,
    ItWorked,
    Reject,
    Resolution,
    RunAgain,
)
from hitl.journal.journal import Journal
from hitl.journal.values import (
    Conversation,
    Grant,
    GrantUse,
    ModelCall,
    Run,
    RunRecord,
    Scope,
    ToolCall,
    ToolRequest,
    Verdict,
)

__all__ = [
    "Answer",
    "Approve",
    "Conversation",
    "Decision",
    "Grant",
    "GrantUse",
    "ItDidNotHappen",
    "ItWorked",
    "Journal",
    "ModelCall",
    "Reject",
    "Resolution",
    "Run",
    "RunAgain",
    "RunRecord",
    "Scope",
    "ToolCall",
    "ToolRequest",
    "Verdict",
]
