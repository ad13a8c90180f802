"""How much is too much, in one place, and how a long result is cut for the model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is refused or cut, with a clear word, before it becomes a collapse.

    Args:
        message: characters of a user's message; a longer one is refused.
        arguments: characters of one call's arguments, as JSON; a longer call fails unexecuted.
        result: characters of a tool's result that the model is sent; the journal keeps it whole.
        requests_per_turn: tool calls that a model may ask for at once.
        turns_per_run: times that a model may speak for one message.
        runs_at_once: runs that one process works on; further ones wait for their turn. In a
            conversation it is always one.
        repeats: times that a model may ask again in one run for what was rejected.
        idempotent_attempts: times that a call declared idempotent is started by itself.
    """

    message: int = 200_000
    arguments: int = 1_000_000
    result: int = 50_000
    requests_per_turn: int = 64
    turns_per_run: int = 50
    runs_at_once: int = 64
    repeats: int = 5
    idempotent_attempts: int = 3


DEFAULT_LIMITS = Limits()


def cut_for_model(text: str, limit: int) -> str:
    """A text as the model is sent it: its head and tail, with a note between them where it is cut.

    Args:
        limit: in characters, the note included; below the note's own length, only the note is
            left, as it must never be missing.
    """
    if len(text) <= limit:
        return text
    kept = max(limit - len(_note(len(text), len(text))), 0)
    tail = kept // 2
    head = kept - tail
    return text[:head] + _note(len(text) - kept, len(text)) + text[len(text) - tail :]


def _note(left_out: int, whole: int) -> str:
    return (
        f"\n[{left_out:,} of {whole:,} characters are left out here, as the result is too long "
        "for one message. The whole result is stored, and people can read it.]\n"
    )
