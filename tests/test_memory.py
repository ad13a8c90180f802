"""What a page knows while the database is away: what it asked for when it was last complete."""

import pytest

from hitl.errors import JournalUnavailable
from hitl.memory import Memory


def gone() -> str:
    raise JournalUnavailable("away")


def drawn(memory: Memory, *keys: str) -> None:
    memory.begin()
    for key in keys:
        memory.read(key, lambda: "read")


def test_what_was_read_is_known_while_the_database_is_away() -> None:
    memory = Memory()
    drawn(memory, "a")
    memory.settle()
    memory.begin()
    assert memory.read("a", gone) == "read"
    assert memory.is_away
    with pytest.raises(JournalUnavailable):
        memory.read("b", gone)


def test_what_a_complete_page_does_not_ask_for_any_more_is_forgotten() -> None:
    memory = Memory()
    drawn(memory, "a", "b")
    memory.settle()
    drawn(memory, "b")
    memory.settle()
    with pytest.raises(JournalUnavailable):
        memory.read("a", gone)
    assert memory.read("b", gone) == "read"


def test_a_page_that_is_broken_off_again_and_again_forgets_nothing() -> None:
    memory = Memory()
    drawn(memory, "a", "b")
    memory.settle()
    drawn(memory, "a")
    drawn(memory)
    assert (memory.read("a", gone), memory.read("b", gone)) == ("read", "read")


def test_what_a_part_reads_that_is_drawn_later_is_known_too() -> None:
    memory = Memory()
    drawn(memory, "a")
    memory.settle()
    memory.read("later", lambda: "read")
    memory.begin()
    assert memory.read("later", gone) == "read"
