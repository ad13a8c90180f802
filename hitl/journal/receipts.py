"""The receipt of a decision: what was shown, in a canonical form, and its digest.

It is made when somebody decides and again when a tool is about to start, from what would run then;
only if both are the same does it start. Secret arguments are in it as salted commitments.
"""

import hashlib
from typing import Any

from hitl.canonical import canonical
from hitl.journal.values import ToolRequest
from hitl.secrecy import concealed


def receipt_of(
    request: ToolRequest, agent: str, arguments: dict[str, Any], fingerprint: str
) -> tuple[str, str]:
    """The canonical form (RFC 8785) of a call that somebody decides about, and its SHA-256.

    Args:
        arguments: those that would run.
        fingerprint: of the tool that would run.
    """
    receipt: dict[str, Any] = {
        "agent": agent,
        "arguments": concealed(arguments, request.secret, request.salt),
        "conversation": request.conversation_id,
        "fingerprint": fingerprint,
        "request": request.id,
        "tool": request.tool,
    }
    if arguments is not request.arguments and arguments != request.arguments:
        receipt["asked"] = concealed(request.arguments, request.secret, request.salt)
    text = canonical(receipt)
    return text, sha256(text)


def sha256(text: str) -> str:
    """The SHA-256 of a text's UTF-8, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
