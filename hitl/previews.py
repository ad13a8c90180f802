"""Previews: what a card shows of what would happen, of kinds that can't have side effects.

A tool's author only declares which kind, and which arguments it is made of; `previewing` makes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# A function, where it follows from the settings: it is asked each time that a preview is made.
Place = Path | Callable[[], Path]


def path_of(place: Place) -> Path:
    """Where it is, now."""
    return place() if callable(place) else place


@dataclass(frozen=True)
class EmailPreview:
    """The e-mail as it will look.

    Args:
        to, subject, body: names of the arguments that hold them.
    """

    to: str
    subject: str
    body: str

    def argument_names(self) -> list[str]:
        return [self.to, self.subject, self.body]


@dataclass(frozen=True)
class FilePreview:
    """What would change in a text file, line by line.

    Args:
        root: the folder that files are in; nothing outside of it is read, through links either,
            and it may be no link itself.
        path: name of the argument that holds the path, relative to `root`.
        content: name of the argument that holds the new content; None if the file is deleted.
        target: name of the argument that holds the path that the file is moved to, if it is.
    """

    root: Place
    path: str
    content: str | None = None
    target: str | None = None

    def argument_names(self) -> list[str]:
        return [name for name in (self.path, self.content, self.target) if name]


@dataclass(frozen=True)
class RowsPreview:
    """The rows of a SQLite database that match, read over a read-only connection.

    Args:
        database: its file.
        query: a SELECT with arguments' names as parameters: `… WHERE id = :order`.
        arguments: names of the arguments that the query is given.
        title: what the rows are, in a word or two.
    """

    database: Place
    query: str
    arguments: tuple[str, ...] = ()
    title: str = "Rows"

    def argument_names(self) -> list[str]:
        return list(self.arguments)


Preview = EmailPreview | FilePreview | RowsPreview
