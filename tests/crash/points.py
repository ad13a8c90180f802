"""Labelled points of a process's work, at each of which it can be made to die."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hitl.journal import Journal

# What a turn writes, in the order in which it comes.
WRITES = (
    "acquire",
    "speak",
    "park",
    "decide",
    "claim",
    "settle",
    "resolve",
    "finish",
)
TOOL = ("before the effect", "in the effect", "after the effect")
MODEL = "in the model call"
LABELS = (
    *(f"{when} {write}" for write in WRITES for when in ("before", "after")),
    *TOOL,
    MODEL,
)
# A decision is stored, and the engine has not heard of it yet.
BETWEEN_DECISION_AND_WAKE_UP = "after decide"

_at: list[tuple[str, int]] = []


def die_at(label: str, visit: int = 1) -> None:
    """Let this process be killed when it comes to a point for the `visit`-th time."""
    _at.append((label, visit))


def point(label: str) -> None:
    """Come to a point."""
    for place, (where, visits) in enumerate(_at):
        if where == label:
            _at[place] = (where, visits - 1)
            if visits == 1:
                os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Around a write: a point before it, and one after it has been committed."""
    point(f"before {name}")
    yield
    point(f"after {name}")


def watch_writes() -> None:
    """Make every write of the journals of this process a pair of points."""
    write = Journal.write

    def watched_write(self: Journal, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with watched(getattr(action, "__name__", "")):
            return write(self, action, *args, **kwargs)

    Journal.write = watched_write  # type: ignore[method-assign,assignment]
