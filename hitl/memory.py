"""What was read last, for whoever has to show something while the database is away."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from hitl.errors import JournalUnavailable

T = TypeVar("T")


class Memory:
    """Remembers what it was asked to read; answers from that where it can't be read now."""

    def __init__(self) -> None:
        self.is_away = False
        self._known: dict[Hashable, Any] = {}
        self._asked: set[Hashable] = set()

    def begin(self) -> None:
        """A page begins to be drawn; what it asks for from now on is worth to be known."""
        self._asked = set()

    def settle(self) -> None:
        """It is complete: forget what it did not ask for. One broken off forgets nothing."""
        self._known = {key: self._known[key] for key in self._asked & self._known.keys()}

    def read(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` returns, or returned last for this key.

        Raises:
            JournalUnavailable: if it never did.
        """
        self._asked.add(key)
        if not self.is_away:
            try:
                result = self._known[key] = read()
                return result
            except JournalUnavailable:
                self.is_away = True
        if key not in self._known:
            raise JournalUnavailable("The database can't be reached.")
        remembered: T = self._known[key]
        return remembered


_current: ContextVar[Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """For as long as this lasts, journals are read by way of this memory, in this thread.

    Whether the database is away is tried once for all of it: nobody waits for a server that is
    gone more than once.
    """
    if _current.get() is memory:
        yield
        return
    memory.is_away = False
    before = _current.set(memory)
    try:
        yield
    finally:
        _current.reset(before)


def recall(key: Hashable, read: Callable[[], T]) -> T:
    """Read by way of the memory that is in use here, if any."""
    memory = _current.get()
    return read() if memory is None else memory.read(key, read)
