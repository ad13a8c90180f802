"""Makes previews: what a call would do, found out by only reading, in bounded time and size.

Nothing here raises: a preview that can't be made says why, and the card stands without it.
"""

import io
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import Any, Literal, assert_never

from hitl.plain import value
from hitl.previews import EmailPreview, FilePreview, Preview, RowsPreview, path_of
from hitl.sandbox import Sandbox
from hitl.secrecy import MASK, is_secret_name

SECONDS = 0.5
LARGEST_TEXT = 256_000
MOST_LINES, MOST_CHARACTERS, LONGEST_LINE = 400, 60_000, 2000
LONGEST_HEAD, LONGEST_BODY = 300, 20_000
MOST_COMPARED = 10_000
AROUND = 3
MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 50, 12, 120
STEPS_BETWEEN_LOOKS = 1000
LARGEST_VALUE = 1_000_000
READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)

Kind = Literal["added", "removed", "same", "skipped", "note"]


@dataclass(frozen=True)
class Line:
    """A line of a file, or a word about lines: how many were skipped, that an end is missing."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class DiffShown:
    """What would change in a file.

    Args:
        summary: what would happen, in one sentence.
        lines: the changes and what is around them; none if it can't be told line by line.
        truncated: whether there is more than these lines hold.
    """

    path: str
    summary: str
    lines: tuple[Line, ...] = ()
    truncated: bool = False


@dataclass(frozen=True)
class MoveShown:
    """A file that would be moved.

    Args:
        summary: what would happen, in one sentence.
        fits: whether there is such a file, and nothing where it is to go.
    """

    path: str
    target: str
    summary: str
    fits: bool


@dataclass(frozen=True)
class EmailShown:
    """An e-mail as it will look; `truncated` if it goes on."""

    to: str
    subject: str
    body: str
    truncated: bool = False


@dataclass(frozen=True)
class RowsShown:
    """Rows that match; `truncated` if there are more."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    truncated: bool = False


@dataclass(frozen=True)
class NoPreview:
    """Why there is none, in one sentence for a person."""

    why: str


Shown = DiffShown | MoveShown | EmailShown | RowsShown | NoPreview


def preview_of(preview: Preview, arguments: Mapping[str, Any]) -> Shown:
    """What would happen if the call ran with these arguments, as things are now."""
    try:
        match preview:
            case EmailPreview():
                return _email(preview, arguments)
            case FilePreview():
                return _file(preview, arguments)
            case RowsPreview():
                return _rows(preview, arguments)
            case _:
                assert_never(preview)
    except ValueError as refused:
        said = str(refused)
        return NoPreview(f"{said[:1].upper()}{said[1:]}.")
    except Exception:  # whatever is wrong with a file or a declaration, the card is drawn
        return NoPreview("It could not be made.")


def _text(arguments: Mapping[str, Any], name: str) -> str:
    given = arguments.get(name)
    if not isinstance(given, str):
        raise ValueError(f"the argument {name} is no text")
    return given


def _start(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


# E-mails ------------------------------------------------------------------------------------------


def _email(preview: EmailPreview, arguments: Mapping[str, Any]) -> EmailShown:
    to = arguments.get(preview.to)
    people = to if isinstance(to, list) else [to]
    whole = (
        ", ".join(each if isinstance(each, str) else value(each) for each in people),
        _text(arguments, preview.subject),
        _text(arguments, preview.body),
    )
    to, subject, body = map(_start, whole, (LONGEST_HEAD, LONGEST_HEAD, LONGEST_BODY))
    return EmailShown(to, subject, body, truncated=(to, subject, body) != whole)


# Files --------------------------------------------------------------------------------------------


def _file(preview: FilePreview, arguments: Mapping[str, Any]) -> Shown:
    sandbox, path = Sandbox(path_of(preview.root)), _text(arguments, preview.path)
    if preview.target is not None:
        return _moved(sandbox, path, _text(arguments, preview.target))
    if preview.content is not None:
        return _written(sandbox, path, _text(arguments, preview.content))
    old = sandbox.read(path, LARGEST_TEXT)
    if old is None:
        return NoPreview("There is no such file.")
    amount = _count(len(_lines_of(old)), "line")
    return _diff(path, f"The file would be deleted, with its {amount}.", old, "")


def _moved(sandbox: Sandbox, path: str, target: str) -> MoveShown:
    there, taken = sandbox.has(path), sandbox.has(target)
    if not there:
        said = "There is no such file."
    elif taken:
        said = "There already is a file where this one is to go."
    else:
        said = "The file would be moved; what it holds stays the same."
    return MoveShown(path, target, said, there and not taken)


def _written(sandbox: Sandbox, path: str, new: str) -> DiffShown:
    if len(new) > LARGEST_TEXT:
        raise ValueError(f"the new content has {len(new):,} characters, too many to compare")
    old = sandbox.read(path, LARGEST_TEXT)
    if old is None:
        amount = _count(len(_lines_of(new)), "line")
        return _diff(path, f"A new file would be made, with {amount}.", "", new)
    if old == new:
        return DiffShown(path, "Nothing would change: the file holds exactly this already.")
    return _diff(path, "", old, new)


class _TakesTooLong(Exception):
    """Raised when two texts differ too much to be compared in time."""


class _InTime(SequenceMatcher[str]):
    """Compares until its time is over; a single step of it is short with so few lines.

    Counted is the processor's time: on a busy machine the same texts can be compared.
    """

    def __init__(self, old: list[str], new: list[str]) -> None:
        self._until = time.thread_time() + SECONDS
        super().__init__(None, old, new)

    def find_longest_match(self, *bounds: Any, **named_bounds: Any) -> Any:
        if time.thread_time() > self._until:
            raise _TakesTooLong
        return super().find_longest_match(*bounds, **named_bounds)


def _diff(path: str, summary: str, old_text: str, new_text: str) -> DiffShown:
    """How one text becomes the other.

    Args:
        summary: what to say of it; "" counts the lines.
    """
    old, new = _lines_of(old_text), _lines_of(new_text)
    try:
        if old and new and max(len(old), len(new)) > MOST_COMPARED:
            raise _TakesTooLong
        groups = list(_InTime(old, new).get_grouped_opcodes(AROUND))
    except _TakesTooLong:
        return DiffShown(
            path,
            f"Too much to compare line by line: {_count(len(new), 'line')} would replace "
            f"{_count(len(old), 'line')}.",
        )
    lines, truncated = _cut(_changes(old, new, groups))
    return DiffShown(path, summary or _summary(groups), lines, truncated)


def _lines_of(text: str) -> list[str]:
    """The lines with their ends; only a newline ends one, as for the tools that read files."""
    return list(io.StringIO(text, newline="\n"))


def _summary(groups: list[list[tuple[str, int, int, int, int]]]) -> str:
    changes = [change for group in groups for change in group if change[0] != "equal"]
    added = sum(end - start for _, _, _, start, end in changes)
    removed = sum(end - start for _, start, end, _, _ in changes)
    if not added:
        return f"{_count(removed, 'line')} removed."
    more = f", {removed:,} removed" if removed else ""
    return f"{_count(added, 'line')} added{more}."


def _changes(
    old: list[str], new: list[str], groups: list[list[tuple[str, int, int, int, int]]]
) -> Iterator[Line]:
    end = 0
    for group in groups:
        yield from _skipped(group[0][1] - end)
        for kind, old_start, old_end, new_start, new_end in group:
            if kind == "equal":
                yield from _whole_lines("same", old[old_start:old_end])
            else:
                yield from _whole_lines("removed", old[old_start:old_end])
                yield from _whole_lines("added", new[new_start:new_end])
        end = group[-1][2]
    yield from _skipped(len(old) - end)


def _skipped(number: int) -> Iterator[Line]:
    if number:
        yield Line("skipped", f"{_count(number, 'line')} as before")


def _whole_lines(kind: Kind, lines: list[str]) -> Iterator[Line]:
    for line in lines:
        yield Line(kind, line.removesuffix("\n"))
        if not line.endswith("\n"):
            yield Line("note", "no line end at the end of the file")


def _cut(lines: Iterator[Line]) -> tuple[tuple[Line, ...], bool]:
    """As many lines as a person would read, and whether there was more."""
    shown: list[Line] = []
    room, truncated = MOST_CHARACTERS, False
    for line in lines:
        if len(shown) == MOST_LINES or room <= 0:
            return tuple(shown), True
        shown.append(Line(line.kind, _start(line.text, LONGEST_LINE)))
        truncated = truncated or shown[-1] != line
        room -= len(shown[-1].text)
    return tuple(shown), truncated


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


# Rows ---------------------------------------------------------------------------------------------


def _rows(preview: RowsPreview, arguments: Mapping[str, Any]) -> RowsShown | NoPreview:
    database = path_of(preview.database)
    if not database.is_file():
        return NoPreview("There is no database to look in.")
    given = {name: _parameter(arguments.get(name)) for name in preview.arguments}
    try:
        address = f"{database.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=SECONDS)) as connection:
            return _matching(connection, preview, given)
    except (sqlite3.Error, OverflowError) as error:
        return NoPreview(_what_went_wrong(error))


def _matching(
    connection: sqlite3.Connection, preview: RowsPreview, given: dict[str, Any]
) -> RowsShown:
    connection.text_factory = lambda text: text.decode(errors="replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
    connection.execute("PRAGMA query_only = ON")
    connection.set_authorizer(_only_reading)
    until = time.monotonic() + SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_LOOKS)
    cursor = connection.execute(preview.query, given)
    if cursor.description is None:
        raise ValueError("what was declared asks for no rows")
    names = [str(column[0]) for column in cursor.description][:MOST_COLUMNS]
    rows = tuple(
        tuple(_cell(name, each) for name, each in zip(names, row, strict=False))
        for row in islice(cursor, MOST_ROWS)
    )
    return RowsShown(preview.title, _distinct(names), rows, cursor.fetchone() is not None)


def _only_reading(action: int, table: str | None, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY


def _parameter(given: Any) -> Any:
    return given if given is None or isinstance(given, str | int | float) else value(given)


def _cell(column: str, data: Any) -> str:
    if data is None:
        return ""
    if is_secret_name(column):
        return MASK
    if isinstance(data, bytes):
        return _count(len(data), "byte")
    return _start(str(data), LONGEST_CELL)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """The columns' names, numbered where one is there before."""
    return tuple(
        f"{name} ({names[:place].count(name) + 1})" if name in names[:place] else name
        for place, name in enumerate(names)
    )


def _what_went_wrong(error: Exception) -> str:
    said = str(error)
    if "interrupted" in said:
        return "Looking for the rows took too long."
    if "locked" in said:
        return "The database is busy."
    if "no such table" in said or "no such column" in said:
        return f"The database is not as expected: {said}."
    if any(word in said for word in ("not authorized", "prohibited", "denied")):
        return "The query would do more than read."
    return "The rows could not be read."
