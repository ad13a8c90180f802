"""Text files in a folder that no path leads out of.

A path is walked part by part from the folder's top, each part opened from the one before and never
through a link: so what was checked is what is used, whatever is put in its place meanwhile.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hitl.plain import UNSEEN

LARGEST = 1_000_000
LONGEST_PATH, LONGEST_NAME, DEEPEST = 400, 200, 12
MOST_FILES, MOST_ENTRIES = 500, 5000

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
# A pipe without a writer is opened at once, and then found out; no terminal takes us over.
FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
MOVED_AWAY = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


@dataclass(frozen=True)
class FileFacts:
    """A file of a sandbox.

    Args:
        size: in bytes.
        changed: when it was last written, in seconds since the epoch.
    """

    path: str
    size: int
    changed: float


class Sandbox:
    """A folder, and what can be done to the files in it.

    Every method refuses with a `ValueError`, which says why, what is outside of the folder, hidden,
    a link (a hard one too), a device or a pipe.

    Args:
        root: the folder; its own name may be no link either.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self) -> list[FileFacts]:
        """What can be read, sorted by path; at most 500 files."""
        with self._top() as top:
            return sorted(islice(_files_in(top, ""), MOST_FILES), key=lambda file: file.path)

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        with self._place(path) as (folder, name):
            return _file(name, folder, path) is not None

    def read(self, path: str, most: int = LARGEST) -> str | None:
        """The text of a file, its line ends as they are; None if there is no such file.

        Args:
            most: the largest size, in bytes, that is read.

        Raises:
            ValueError: also if it is larger, or no text in UTF-8.
        """
        with self._place(path) as (folder, name):
            if _file(name, folder, path) is None:
                return None
            content = _read(_open(name, FILE, folder, path), path, most + 1)
        if len(content) > most:
            raise ValueError(f"{path!r} is too large: more than {most:,} bytes")
        try:
            return _plain_text(content.decode(), path)
        except UnicodeDecodeError:
            raise ValueError(f"{path!r} is not a text file in UTF-8") from None

    def write(self, path: str, text: str) -> None:
        """Make a file hold this text, all of it or, if that fails, what it held before.

        Raises:
            ValueError: also if the folder is missing, or the text has more than a megabyte.
        """
        content = _encoded(text, path)
        with self._changing(), self._place(path) as (folder, name):
            _file(name, folder, path)
            passing = f".{secrets.token_hex(8)}.tmp"  # hidden, as all names with a dot
            try:
                with os.fdopen(_open(passing, NEW_FILE, folder, path), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(passing, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(passing, dir_fd=folder)
                raise

    def move(self, path: str, target: str) -> None:
        """Give a file another name or folder.

        Raises:
            ValueError: also if it is missing, or something has that name already.
        """
        with (
            self._changing(),
            self._place(path) as (folder, name),
            self._place(target) as (new_folder, new_name),
        ):
            _require(name, folder, path)
            if _look(new_name, new_folder) is not None:
                raise ValueError(f"there already is {target!r}; choose a name that is free")
            os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)

    def delete(self, path: str) -> None:
        """Delete a file for good.

        Raises:
            ValueError: also if it is missing, or a folder.
        """
        with self._changing(), self._place(path) as (folder, name):
            _require(name, folder, path)
            os.unlink(name, dir_fd=folder)

    @contextmanager
    def _top(self) -> Iterator[int]:
        """The folder itself, opened."""
        try:
            top = os.open(self._root, FOLDER | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise ValueError("there is no folder to look in yet") from None
        except OSError as error:
            if error.errno not in MOVED_AWAY:
                raise
            raise ValueError("what should be the folder itself is a link, or no folder") from None
        try:
            yield top
        finally:
            os.close(top)

    @contextmanager
    def _place(self, path: str) -> Iterator[tuple[int, str]]:
        """The folder, opened, that a path leads to, and the name that it has in there.

        Raises:
            ValueError: if the path is refused, or a folder in it is missing.
        """
        *folders, name = parts_of(path)
        with self._top() as top:
            here = os.dup(top)
            try:
                for depth, folder in enumerate(folders, 1):
                    inner = _open_folder(folder, here, "/".join(folders[:depth]))
                    os.close(here)
                    here = inner
                yield here, name
            finally:
                os.close(here)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time, in all processes: what was checked holds until it is used."""
        import fcntl  # not known to Windows, where a sandbox can only be looked for

        with self._top() as top:
            fcntl.flock(top, fcntl.LOCK_EX)
            yield


def parts_of(path: str) -> list[str]:
    """The names that a path consists of.

    Raises:
        ValueError: if the path could lead out of a folder, or deceive; says what to give instead.
    """
    if len(path) > LONGEST_PATH:
        raise ValueError(f"a path has at most {LONGEST_PATH} characters, this one {len(path):,}")
    parts = [part for part in path.split("/") if part != "."]
    if problem := _problem(path, parts):
        raise ValueError(
            f"{path!r} {problem}; give a path from the folder's top, such as notes/plan.md"
        )
    return parts


def _problem(path: str, parts: list[str]) -> str | None:
    if UNSEEN.search(path) or not path.isprintable():
        return "holds characters that can't be seen"
    if path.startswith(("/", "~")) or "\\" in path:
        return "is not a plain relative path"
    if ".." in parts:
        return "leads upwards"
    if not parts or "" in parts:
        return "does not name a file"
    if any(part.startswith(".") for part in parts):
        return "is hidden, and hidden files are out of bounds"
    if any(part != part.strip() for part in parts):
        return "has names that begin or end with a blank"
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST_NAME for part in parts):
        return "is too long or too deep"
    return None


def _look(name: str, folder: int) -> os.stat_result | None:
    """What bears this name, itself and not what it may point to; None if nothing does."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _file(name: str, folder: int, path: str) -> os.stat_result | None:
    """The file of this name, or None.

    Raises:
        ValueError: if it is anything but a plain file.
    """
    found = _look(name, folder)
    if found is not None:
        _refuse_unless_plain(found, path)
    return found


def _require(name: str, folder: int, path: str) -> None:
    if _file(name, folder, path) is None:
        raise ValueError(f"there is no file {path!r}; list the files to see which there are")


def _refuse_unless_plain(found: os.stat_result, path: str) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise ValueError(f"{path!r} is a link, and links are not followed")
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{path!r} is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path!r} is a device, a pipe or the like, not a file")
    if found.st_nlink > 1:
        raise ValueError(f"{path!r} is a hard link: the same file has a name elsewhere, too")


def _open_folder(name: str, folder: int, path: str) -> int:
    found = _look(name, folder)
    if found is None:
        raise ValueError(f"there is no folder {path!r}; use one that there is")
    if stat.S_ISLNK(found.st_mode):
        raise ValueError(f"{path!r} is a link, and links are not followed")
    if not stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{path!r} is a file, not a folder")
    return _open(name, FOLDER, folder, path)


def _open(name: str, how: int, folder: int, path: str) -> int:
    try:
        return os.open(name, how | os.O_NOFOLLOW, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno not in MOVED_AWAY:
            raise
        raise ValueError(f"{path!r} changed in this very moment; look at it again") from None


def _read(opened: int, path: str, most: int) -> bytes:
    """The first bytes of an opened file, which is closed; what it is may have changed till then."""
    try:
        _refuse_unless_plain(os.fstat(opened), path)
        with os.fdopen(opened, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(opened)


def _encoded(text: str, path: str) -> bytes:
    try:
        content = _plain_text(text, path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"the text for {path!r} holds characters that UTF-8 lacks") from None
    if len(content) > LARGEST:
        raise ValueError(
            f"a file holds at most {LARGEST:,} bytes, the text for {path!r} has {len(content):,}"
        )
    return content


def _plain_text(text: str, path: str) -> str:
    if "\0" in text:
        raise ValueError(f"{path!r} would be, or is, no text: it holds null characters")
    return text


def _files_in(folder: int, before: str) -> Iterator[FileFacts]:
    """The plain files in a folder and in those below it; everything else is left out."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in islice(entries, MOST_ENTRIES))
    for name in names:
        path = f"{before}{name}"
        with suppress(ValueError):
            parts_of(path)
            found = _look(name, folder)
            if found is not None and stat.S_ISDIR(found.st_mode):
                yield from _files_below(name, folder, path)
            elif found is not None:
                _refuse_unless_plain(found, path)
                yield FileFacts(path, found.st_size, found.st_mtime)


def _files_below(name: str, folder: int, path: str) -> Iterator[FileFacts]:
    inner = _open_folder(name, folder, path)
    try:
        yield from _files_in(inner, f"{path}/")
    finally:
        os.close(inner)
