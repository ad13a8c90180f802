"""Which open pages can be told at this moment that something changed."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pages: Counter[str] = Counter()


@contextmanager
def listens(page: str) -> Iterator[None]:
    """For as long as a page's wake-up line is open."""
    with _lock:
        _pages[page] += 1
    try:
        yield
    finally:
        with _lock:
            _pages[page] -= 1
            if not _pages[page]:
                del _pages[page]


def is_listening(page: str) -> bool:
    """Whether that page will hear of a change."""
    with _lock:
        return page in _pages
