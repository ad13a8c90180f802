"""Everything that can go wrong by name.

HitlError
├── DeclarationError      a tool or an agent is declared wrongly
├── NotFound              no such conversation, run, request or agent
├── Refused               what was asked is not possible in the present state
├── JournalUnavailable    the database can't be reached or written
├── RunLost               a segment lost its run: stopped, or taken over by another process
└── ModelError            the model's answer can't be used
"""


class HitlError(Exception):
    """Base of all errors that we raise; its text can be shown to a person as it is."""


class DeclarationError(HitlError):
    """Raised when a tool or an agent is declared wrongly; says where and how to mend it."""


class NotFound(HitlError):
    """Raised when an id names nothing."""


class Refused(HitlError):
    """Raised when something was asked that the present state does not allow."""


class JournalUnavailable(HitlError):
    """Raised when the database can't be reached or written."""


class RunLost(HitlError):
    """Raised inside a segment whose run was stopped, or taken over by another process."""


class ModelError(HitlError):
    """Raised when the model's answer can't be used (cut off, malformed, empty)."""
