"""The gate is out of an agent's reach: no shipped tool gets at its rules, settings or journal."""

import hashlib
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from llama_index.core.tools import AsyncBaseTool, FunctionTool
from llama_index.core.tools.types import adapt_to_async_tool

from hitl.execution import run_tool
from hitl.journal import Journal, conversations
from hitl.registry import Registry
from hitl.settings import ROOT
from hitl.toolcalls import InvalidArguments, validate
from tests.stage import sqlite_url

PLAUSIBLE = {"integer": 1042, "number": 1.5, "string": "Mara Lindqvist", "boolean": True}
REAL_CONNECT = sqlite3.connect
ATTACH = 24  # SQLite's number of it, to which Python gives no name
# What of the process's own deeds names a file; the file is the first argument, or the first two.
DEEDS = {
    "open", "sqlite3.connect", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.link",
    "os.symlink", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.chown", "os.utime",
    "os.setxattr", "shutil.copyfile", "shutil.move", "shutil.rmtree", "glob.glob",
}  # fmt: skip
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile", "os.fork"}

watchers: list[list[str]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Sees what any code of this process does; once installed, it stays."""
    if not watchers:
        return
    if event in STARTS:
        watchers[-1].append(f"started: {arguments[0]!r}")
    elif event in DEEDS:
        named = arguments[:2] if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]
        watchers[-1].extend(_place(each) for each in named if isinstance(each, str | bytes | Path))


def _place(name: str | bytes | Path) -> str:
    """Where a file really is, through links, `..` and `file:` addresses."""
    path = os.fsdecode(name)
    if path.startswith("file:"):
        path = unquote(path.removeprefix("file:").removeprefix("//").partition("?")[0])
    with suppress(ValueError):  # a null character
        return os.path.realpath(path)
    return path


sys.addaudithook(_watch)


@contextmanager
def watching() -> Iterator[list[str]]:
    """What is touched meanwhile; SQLite's own doings, which are no events, included."""
    seen: list[str] = []

    def authorize(action: int, name: str | None, *_: str | None) -> int:
        if action == ATTACH:
            # SQLite tells no name that is a parameter; no tool here needs a second file.
            seen.append(_place(name) if name else "started: ATTACH")
        return sqlite3.SQLITE_OK

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = REAL_CONNECT(*arguments, **options)
        connection.set_authorizer(authorize)
        return connection

    watchers.append(seen)
    sqlite3.connect = connect
    try:
        yield seen
    finally:
        sqlite3.connect = REAL_CONNECT
        watchers.remove(seen)


class Guarded:
    """What no tool may touch: the agents' files, the settings, a journal; and links to them."""

    def __init__(self, folder: Path) -> None:
        self.data, self.link = folder / "data", folder / "link"
        self.data.mkdir()
        journal = Journal(sqlite_url(self.data))
        journal.write(conversations.create, "Back Office")
        journal.close()
        (self.journal,) = self.data.glob("*.sqlite")
        self.link.symlink_to(ROOT / "agents")
        (self.data / "letters.txt").symlink_to(self.journal)
        self.places = [ROOT / "agents", ROOT / ".streamlit", self.journal]

    def touched(self, seen: list[str]) -> list[str]:
        """What of that was touched, a database's companion files included."""
        guarded = [os.path.realpath(place) for place in self.places]
        return [
            name
            for name in seen
            if name.startswith("started: ")
            or any(name == each or name.startswith((f"{each}/", f"{each}-")) for each in guarded)
        ]

    def digest(self) -> dict[str, str]:
        """Every guarded byte."""
        files = [path for place in self.places for path in [place, *place.rglob("*")]]
        files += self.journal.parent.glob(f"{self.journal.name}*")
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file() and "__pycache__" not in path.parts
        }

    def hostile_texts(self) -> list[str]:
        """Every way to name these that a tool might fall for."""
        agents, journal = ROOT / "agents" / "back_office.yaml", self.journal
        up = "../" * 12
        return [
            str(agents), "agents/back_office.yaml", "./agents/../agents/shop.py", "agents/",
            f"{up}{str(agents)[1:]}", "..%2f..%2fagents%2fshop.py", f"file://{agents}",
            f"file:{journal}?mode=rw", f"file://localhost{agents}", f"sqlite:///{journal}",
            str(ROOT / ".streamlit" / "config.toml"), ".streamlit/config.toml", ".env",
            str(journal), f"{journal}-wal", str(self.data / "letters.txt"),
            str(self.link / "shop.py"), f"{agents}\0.txt", f"~{up}{str(agents)[1:]}",
            f"$(cat {agents})", f"`cat {agents}`", f"; rm -rf {ROOT / 'agents'}", f"|cat {journal}",
            f"'; ATTACH DATABASE '{journal}' AS j; DELETE FROM j.tool_request; --",
            f"' UNION SELECT readfile('{agents}'), 1, 1 --", "'; DROP TABLE orders; --",
            f"'); VACUUM INTO '{ROOT / 'agents' / 'stolen.yaml'}'; --", "' OR '1'='1",
            f'"; SELECT load_extension("{journal}"); --', "{0.__class__.__init__.__globals__}",
            "__import__('hitl.settings')", f"{{{{ open('{agents}').read() }}}}",
            f"eve@example.com{up}{agents}", f"!include {agents}", f"@{agents}", f"\\\\?\\{agents}",
        ]  # fmt: skip


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guarded:
    guarded = Guarded(tmp_path)
    monkeypatch.setenv("HITL_DATA_DIR", str(guarded.data))
    monkeypatch.chdir(ROOT)  # where relative names would find something
    return guarded


SHIPPED = {
    f"{agent.name}: {name}": agent.tool(name)
    for agent in Registry(ROOT / "agents").agents().values()
    for name in agent.tool_names()
}


def calls(tool: AsyncBaseTool, hostile: list[str]) -> Iterator[dict[str, Any]]:
    """One call for every text and every argument that can be one, and one with all of them."""
    fields = tool.metadata.get_parameters_dict()["properties"]
    usual = {name: _plausible(field) for name, field in fields.items()}
    texts = [name for name, field in fields.items() if "string" in _types(field)]
    yield usual
    for text in hostile:
        for name in texts:
            yield {**usual, name: text}
        yield {**usual, **dict.fromkeys(texts, text)}


def _kinds(field: dict[str, Any]) -> list[dict[str, Any]]:
    return field.get("anyOf", [field])


def _types(field: dict[str, Any]) -> list[str]:
    return [kind["type"] for kind in _kinds(field) if "type" in kind and "enum" not in kind]


def _plausible(field: dict[str, Any]) -> Any:
    kind = _kinds(field)[0]
    return kind["enum"][0] if "enum" in kind else PLAUSIBLE[kind["type"]]


async def call(tool: AsyncBaseTool, arguments: dict[str, Any]) -> str:
    """The tool's result, or what it says against it."""
    try:
        return await run_tool(tool, validate(tool, arguments), None)
    except (InvalidArguments, ValueError, LookupError) as refused:
        return str(refused)


@pytest.mark.parametrize("name", SHIPPED)
async def test_no_shipped_tool_touches_agents_settings_or_the_journal(name: str, guarded: Guarded):
    tool, before = SHIPPED[name], guarded.digest()
    assert tool is not None
    for arguments in calls(tool, guarded.hostile_texts()):
        (guarded.data / "shop.sqlite").unlink(missing_ok=True)  # each call finds all that there was
        with watching() as seen:
            result = await call(tool, arguments)
        assert guarded.touched(seen) == [], arguments
        assert "system_prompt:" not in result, "nothing of an agent's file comes out"
    assert guarded.digest() == before


def test_every_shipped_tool_is_tried_and_the_agents_really_have_some():
    assert len(SHIPPED) >= 8


# That the watch would see it


def read(place: str) -> str:
    """Reads a file."""
    return Path(place).read_text(errors="replace")


def write(place: str) -> str:
    """Writes a file."""
    with open(place, "ab"):
        return "written"


def rename(place: str) -> str:
    """Moves a file to where it is."""
    os.rename(place, place)
    return "moved"


def look_into(place: str) -> str:
    """Lists what is beside a file."""
    return str(os.listdir(Path(place).parent))


def connect(place: str) -> str:
    """Opens a database, by its address too."""
    with suppress(sqlite3.DatabaseError):
        sqlite3.connect(f"file:{place}?mode=ro", uri=True).close()
    return "opened"


def attach(place: str) -> str:
    """Gets at a database from inside of another one."""
    connection = sqlite3.connect(":memory:")
    with suppress(sqlite3.DatabaseError):
        connection.execute("ATTACH DATABASE ? AS other", (place,))
    connection.close()
    return "attached"


def shell(place: str) -> str:
    """Starts a program."""
    return str(os.system(f": {place}"))


@pytest.mark.parametrize("culprit", [read, write, rename, look_into, connect, attach, shell])
async def test_a_tool_that_touched_them_would_be_seen(
    culprit: Callable[..., str], guarded: Guarded
):
    tool = adapt_to_async_tool(FunctionTool.from_defaults(culprit))
    agents = ROOT / "agents" / "shop.py"
    places = [str(agents), "agents/shop.py", f"{guarded.data}/../link/shop.py"]
    for place in [*places, str(guarded.link / "shop.py")]:
        with watching() as seen:
            await run_tool(tool, {"place": place}, None)
        assert guarded.touched(seen), place


async def test_the_journal_too_is_watched_through_a_link(guarded: Guarded):
    for culprit in (read, connect, attach):
        with watching() as seen:
            tool = FunctionTool.from_defaults(culprit)
            await run_tool(tool, {"place": str(guarded.data / "letters.txt")}, None)
        assert guarded.touched(seen), culprit


def test_a_changed_byte_would_be_seen(guarded: Guarded):
    before = guarded.digest()
    with guarded.journal.open("ab") as journal:
        journal.write(b"x")
    assert guarded.digest() != before
