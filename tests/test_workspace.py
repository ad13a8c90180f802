"""Workspace reads freely in its folder, and writes, moves and deletes only what was approved."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage

from hitl.agents import AgentConfig, facts_of
from hitl.demo import DemoLLM, next_answer
from hitl.demo_script import read_scripts
from hitl.journal import ToolRequest
from hitl.previewing import DiffShown, MoveShown, preview_of
from hitl.registry import Registry
from hitl.sandbox import LARGEST, Sandbox
from hitl.settings import ROOT
from hitl.tool_modules import ToolModules
from tests.stage import Stage, sqlite_url
from tests.test_previews import TRAPS

CANARY = "what lies outside"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The journal's folder, in which the workspace will be; beside it, what is out of reach."""
    data = tmp_path / "data"
    (tmp_path / "outside" / "inner").mkdir(parents=True)
    (tmp_path / "outside" / "secret.txt").write_text(CANARY)
    data.mkdir()
    (data / "hitl.sqlite").write_text(CANARY)
    monkeypatch.setenv("HITL_DATA_DIR", str(data))
    return data


@pytest.fixture
def tools(data: Path) -> ModuleType:
    return ToolModules(ROOT / "agents").load("workspace")


@pytest.fixture
def place(tools: ModuleType, data: Path) -> Path:
    """The workspace's folder, made."""
    tools.list_files()
    return data / "workspace"


@pytest.fixture(scope="module")
def config() -> AgentConfig:
    return Registry(ROOT / "agents").get("Workspace")


def everything_in(folder: Path) -> dict[str, Any]:
    """Every name below a folder and what it is: a file's bytes, a link's target."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name] = path.stat().st_mode
    return found


def paths(tools: ModuleType) -> list[str]:
    return [file["path"] for file in tools.list_files()]


# Its files


def test_the_workspace_is_made_when_it_is_first_used(data, tools):
    """And only then: looking at the agent makes nothing."""
    assert not (data / "workspace").exists()

    assert paths(tools) == sorted(tools.workspace.__globals__["SAMPLES"])
    assert [row["File"] for row in tools.panel()["Files"]] == paths(tools)
    assert sorted(os.listdir(data)) == ["hitl.sqlite", "workspace"]


def test_many_first_visitors_make_one_workspace(data, tools):
    """Nobody meets it half filled."""
    with ThreadPoolExecutor(12) as pool:
        seen = list(pool.map(lambda _: paths(tools), range(24)))

    assert all(each == seen[0] and len(each) == 6 for each in seen)
    assert sorted(os.listdir(data)) == ["hitl.sqlite", "workspace"]


def test_what_is_written_is_read_to_the_letter(tools):
    """Line ends and blanks are a part of it."""
    for text in ("one\r\ntwo\n\n  three", "", "ünïcode \u202e \x1b[31m <b>x</b>"):
        tools.write_file("notes/new.txt", text)
        assert tools.read_file("./notes/new.txt")["text"] == text
    assert tools.write_file("notes/new.txt", "a\nb\n") == {
        "path": "notes/new.txt",
        "new": False,
        "lines": 2,
    }


def test_words_are_found_with_their_lines(tools):
    """In any case, and as they are, not as a pattern; in text files only."""
    assert [hit["path"] for hit in tools.search_files("PRIYA")] == [
        "notes/meeting.md",
        "notes/meeting.md",
        "todo.md",
    ]
    assert tools.search_files("(.*") == []
    tools.write_file("notes/long.txt", ("needle" + "x" * 1000 + "\n") * 500)
    assert len(tools.search_files("needle")) == 50
    assert all(len(hit["text"]) == 200 for hit in tools.search_files("needle"))


def test_a_file_is_moved_and_deleted(place, tools):
    """Within the workspace, into folders that there are."""
    tools.move_file("notes/ideas.md", "stock/ideas.md")
    assert "stock/ideas.md" in paths(tools)
    assert "notes/ideas.md" not in paths(tools)

    tools.delete_file("stock/ideas.md")
    assert not (place / "stock" / "ideas.md").exists()
    for call in (
        lambda: tools.delete_file("stock/ideas.md"),
        lambda: tools.read_file("stock/ideas.md"),
        lambda: tools.move_file("stock/ideas.md", "x.md"),
    ):
        with pytest.raises(ValueError, match="there is no file 'stock/ideas"):
            call()


def test_nothing_is_overwritten_by_moving(place, tools):
    """Not a file, not a folder, not a link, not even itself."""
    (place / "link.md").symlink_to("nowhere")
    before = everything_in(place)
    for target in ("todo.md", "settings.toml", "notes", "link.md"):
        with pytest.raises(ValueError, match="there already is"):
            tools.move_file("todo.md", target)
    assert everything_in(place) == before


def test_folders_are_neither_made_nor_deleted(place, tools):
    """The answer says what is wrong, for the model to do better."""
    before = everything_in(place)
    with pytest.raises(ValueError, match="there is no folder 'drafts'; use one that there is"):
        tools.write_file("drafts/a.md", "x")
    with pytest.raises(ValueError, match="'notes' is a folder, not a file"):
        tools.delete_file("notes")
    with pytest.raises(ValueError, match="is a file, not a folder"):
        tools.write_file("todo.md/a.md", "x")
    assert everything_in(place) == before


def test_what_is_too_large_or_no_text_is_neither_read_nor_written(place, tools):
    """A megabyte is the limit."""
    tools.write_file("todo.md", "x" * LARGEST)
    assert len(tools.read_file("todo.md")["text"]) == LARGEST
    for text, why in (("ä" * (LARGEST // 2 + 1), "at most"), ("\0", "null"), ("\udcff", "UTF-8")):
        with pytest.raises(ValueError, match=why):
            tools.write_file("todo.md", text)
    (place / "big.txt").write_bytes(b"x" * 10_000_000)
    (place / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    for path, why in (("big.txt", "too large"), ("photo.jpg", "not a text file")):
        with pytest.raises(ValueError, match=why):
            tools.read_file(path)
    assert tools.search_files("price")


def test_a_write_that_breaks_off_leaves_what_was_there(place, tools, monkeypatch):
    """And nothing else: no half of a file, no trace of the attempt."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = everything_in(place)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        tools.write_file("todo.md", "x" * 100_000)
    assert everything_in(place) == before


def test_what_passes_by_is_never_listed(place, tools):
    """What a write uses on its way, and what is hidden, are no files of the workspace."""
    (place / ".0123456789abcdef.tmp").write_text("half")
    (place / ".git").mkdir()
    (place / ".git" / "config").write_text("x")
    assert len(paths(tools)) == 6
    assert tools.search_files("half") == []


def test_the_reset_brings_the_sample_files_back(data, place, tools):
    """Whatever was put there meanwhile is gone, and nothing beside it."""
    before = everything_in(place)
    tools.delete_file("todo.md")
    (place / "out").symlink_to(data.parent / "outside")
    os.mkfifo(place / "pipe")
    outside = everything_in(data.parent / "outside")

    tools.reset()

    assert everything_in(place) == before
    assert everything_in(data.parent / "outside") == outside
    assert sorted(os.listdir(data)) == ["hitl.sqlite", "workspace"]


def test_a_workspace_that_somebody_emptied_stays_empty(tools):
    """It is not filled behind anybody's back."""
    for path in paths(tools):
        tools.delete_file(path)
    assert tools.list_files() == []
    assert tools.panel() == {"Files": []}


# What is out of reach


def attempts(tools: ModuleType, path: str) -> Iterator[Callable[[], Any]]:
    """Every way to touch what a path names."""
    yield lambda: tools.read_file(path)
    yield lambda: tools.write_file(path, "broken in")
    yield lambda: tools.delete_file(path)
    yield lambda: tools.move_file(path, "stolen.txt")
    yield lambda: tools.move_file("todo.md", path)


def assert_out_of_reach(tools: ModuleType, path: str) -> None:
    for attempt in attempts(tools, path):
        with pytest.raises(ValueError, match=r"^(?!.*Errno)") as refused:
            attempt()
        assert str(refused.value).isprintable()
        assert CANARY not in str(refused.value)


LEADING_OUT = [
    *("../hitl.sqlite", "notes/../../hitl.sqlite", "notes/../todo.md", "..", "../..", "./..", "."),
    *("/etc/passwd", "//etc/passwd", "~/x", "~root/x", "C:\\x", "..\\hitl.sqlite", "notes\\a"),
    *("", "/", "notes/", "notes//a", "\0", "todo.md\0.txt", "a\nb", "a\tb", "\x1b[31m", "\x7f"),
    *("txt\u202eexe.md", "a\u200b.md", "a\u00a0.md", "\u3164", ".env", ".git/config", "a/.b"),
    *(" todo.md", "todo.md ", "a" * 300, "a/" * 200 + "b", "é" * 120, "\udcff", "../" * 100),
]


@pytest.mark.parametrize("path", LEADING_OUT)
def test_a_path_that_leads_out_or_deceives_is_refused(data, place, tools, path):
    """By every tool, with a word that helps; nothing changes, in or outside."""
    before = everything_in(data.parent)

    assert_out_of_reach(tools, path)

    assert everything_in(data.parent) == before


def test_an_absolute_path_is_refused_even_into_the_workspace(data, place, tools):
    """A path counts from the workspace's top."""
    for path in (place / "todo.md", data / "hitl.sqlite", ROOT / "agents" / "workspace.yaml"):
        assert_out_of_reach(tools, str(path))


@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap != "a folder"])
@pytest.mark.parametrize("where", ["", "notes/"])
def test_links_pipes_and_devices_are_refused(data, place, tools, trap, where):
    """Whether they are the file itself or on the way to it."""
    TRAPS[trap](place / f"{where}trap", data.parent / "outside")
    before = everything_in(data.parent)

    for path in ("trap", "trap/secret.txt", "trap/inner/new.txt"):
        assert_out_of_reach(tools, f"{where}{path}")
    assert len(paths(tools)) == 6
    assert tools.search_files(CANARY) == []
    assert len(tools.panel()["Files"]) == 6

    assert everything_in(data.parent) == before


def test_links_to_the_gate_are_refused(data, place, tools):
    """To the journal, to the agents' files, to the settings."""
    (place / "journal").symlink_to("../hitl.sqlite")
    (place / "agents").symlink_to(ROOT / "agents")
    (place / "settings").symlink_to(ROOT / ".streamlit")
    (place / "hard").hardlink_to(data / "hitl.sqlite")
    before = everything_in(data)
    for path in (
        "journal",
        "agents/workspace.yaml",
        "agents/new.py",
        "settings/config.toml",
        "hard",
    ):
        assert_out_of_reach(tools, path)
    assert tools.search_files("system_prompt") == []
    assert everything_in(data) == before


def test_a_workspace_that_became_a_link_is_refused(data, place, tools):
    """The folder itself may not lead elsewhere; a reset makes it a folder again."""
    place.rename(data / "moved")
    place.symlink_to(data.parent / "outside")
    for attempt in (*attempts(tools, "secret.txt"), tools.list_files, tools.panel):
        with pytest.raises(ValueError, match="is a link"):
            attempt()
    assert (data.parent / "outside" / "secret.txt").read_text() == CANARY

    tools.reset()
    assert len(paths(tools)) == 6
    assert sorted(os.listdir(data.parent / "outside")) == ["inner", "secret.txt"]


@pytest.mark.parametrize("deed", ["read", "write", "move from", "move to", "delete"])
@pytest.mark.parametrize("swapped", ["notes", "notes/x.md"])
@pytest.mark.parametrize("step", ["open", "replace", "rename", "unlink"])
def test_a_link_that_is_put_there_meanwhile_leads_nowhere(
    data, place, tools, monkeypatch, deed, swapped, step
):
    """A folder, or a file, is swapped for a link between the last check and the use itself."""
    outside, real = data.parent / "outside", getattr(os, step)
    (outside / "x.md").write_text(CANARY)
    (place / "notes" / "x.md").write_text("inside")
    target = outside if swapped == "notes" else outside / "x.md"
    before = everything_in(outside)

    def swap(name: Any, *more: Any, **named: Any) -> Any:
        is_there = name == "x.md" or "x.md" in more or str(name).endswith(".tmp")
        if name == swapped or (is_there and "dir_fd" in str(named)):
            monkeypatch.setattr(os, step, real)
            with suppress(FileNotFoundError):
                (place / swapped).rename(data / "away")
            (place / swapped).symlink_to(target)
        return real(name, *more, **named)

    monkeypatch.setattr(os, step, swap)
    with suppress(ValueError, FileNotFoundError):
        if deed == "read":
            assert tools.read_file("notes/x.md")["text"] == "inside"
        elif deed == "write":
            tools.write_file("notes/x.md", "inside")
        elif deed == "delete":
            tools.delete_file("notes/x.md")
        elif deed == "move from":
            tools.move_file("notes/x.md", "moved.md")
        else:
            tools.move_file("todo.md", "notes/new.md")
    assert everything_in(outside) == before
    moved = place / "moved.md"
    assert moved.is_symlink() or not moved.exists() or moved.read_text() == "inside"


def test_parallel_moves_to_one_name_lose_nothing(place, tools):
    """One arrives; the others stay where they are."""
    for number in range(8):
        (place / f"{number}.txt").write_text(str(number))
    start = threading.Barrier(8)

    def move(number: int) -> bool:
        start.wait()
        try:
            tools.move_file(f"{number}.txt", "target.txt")
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(move, range(8))) == 1
    held = [file.read_text() for file in place.glob("*.txt")]
    assert sorted(held) == [str(number) for number in range(8)]


def test_parallel_writes_leave_one_of_the_texts_whole(place, tools):
    """Never a mixture, and readers meet only whole ones."""
    texts = [str(number) * 50_000 for number in range(4)]
    tools.write_file("x.txt", texts[0])

    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(tools.write_file, "x.txt", text) for text in texts * 5]
        reads = [pool.submit(tools.read_file, "x.txt") for _ in range(40)]

    assert all(read.result()["text"] in texts for read in reads)
    assert all(write.result()["lines"] == 1 for write in writes)
    assert not list(place.glob(".*"))


# As an agent


def test_it_reads_freely_and_asks_for_every_change(config):
    """With the risk that each change has, and what it would change."""
    assert config.snapshot()["tools"] == {
        "list_files": "allow",
        "read_file": "allow",
        "search_files": "allow",
        "write_file": "ask",
        "move_file": "ask",
        "delete_file": "ask",
    }
    facts = {name: facts_of(config.tool(name)) for name in config.tool_names()}
    assert [facts[name].idempotent for name in facts] == [True] * 3 + [False] * 3
    assert [facts[name].risk for name in facts] == [None] * 3 + ["medium", "medium", "high"]
    assert all(facts[name].preview for name in ("write_file", "move_file", "delete_file"))


@pytest.mark.parametrize(
    ("words", "first_call"),
    [
        ("Show me the files", ("list_files", {})),
        ("What is in todo.md?", ("read_file", {"path": "todo.md"})),
        ("read notes/ideas.md.", ("read_file", {"path": "notes/ideas.md"})),
        ("please show stock/prices.csv", ("read_file", {"path": "stock/prices.csv"})),
        ('Add "Buy string" to todo.md.', ("read_file", {"path": "todo.md"})),
        ("add Buy string to todo.md", ("read_file", {"path": "todo.md"})),
        ('Write "hello" to a.md', ("write_file", {"path": "a.md", "content": "hello\n"})),
        ("rename a.md to b.md.", ("move_file", {"path": "a.md", "target": "b.md"})),
        ("Delete the file a-1.md.", ("delete_file", {"path": "a-1.md"})),
        ("Which files mention Priya?", ("search_files", {"words": "Priya"})),
    ],
)
def test_the_demo_model_understands_obvious_words(config, words, first_call):
    """Without a model, too, it can be tried."""
    said = [ChatMessage(role="user", content=words)]

    answer = next_answer(read_scripts(config.demo), config.samples, said)

    assert answer.calls[0] == first_call


@pytest.fixture
def stage(config: AgentConfig, place: Path, tmp_path: Path) -> Iterator[Stage]:
    """The agent with the demo model, a real engine and a real journal."""
    (tmp_path / "journal").mkdir()
    model = DemoLLM(config.demo, config.samples, pace=0)
    stage = Stage(sqlite_url(tmp_path / "journal"), config, model)
    yield stage
    stage.close()


def answer(stage: Stage, run: str) -> str:
    """What the agent says at the end."""
    record = stage.ended(run)
    return str(record.messages[max(record.messages)].content)


def shown(stage: Stage, request: ToolRequest) -> Any:
    preview = facts_of(stage.agents.agent.tool(request.tool)).preview
    assert preview is not None
    return preview_of(preview, request.final_arguments)


def test_it_reads_without_asking(stage):
    """And tells what the file says."""
    _, run = stage.send("What is in todo.md?")
    assert "- [ ] Print the price list" in answer(stage, run)

    _, run = stage.send("Show the files")
    assert answer(stage, run).startswith("There are 6: notes/ideas.md, notes/meeting.md,")

    _, run = stage.send("What is in ../hitl.sqlite?")
    assert "leads upwards" in answer(stage, run)


def test_a_line_is_added_once_its_diff_was_approved(stage, place):
    """The file is as it was until then."""
    before = (place / "todo.md").read_text()
    _, run = stage.send('Add "Order paper bags" to todo.md.')
    [request] = stage.waiting(run)

    assert (place / "todo.md").read_text() == before
    preview = shown(stage, request)
    assert isinstance(preview, DiffShown)
    assert preview.summary == "1 line added."
    assert preview.lines[-1].text == "- [ ] Order paper bags"

    assert stage.approve(request)
    assert answer(stage, run) == "I added it: todo.md has 7 lines now."
    assert (place / "todo.md").read_text() == before + "- [ ] Order paper bags\n"


def test_moving_and_deleting_are_asked_for_at_once_and_decided_one_by_one(stage, place):
    """What was rejected stays, and the agent says so."""
    _, run = stage.send(stage.agents.agent.samples[2])
    move, delete = stage.waiting(run, 2)
    assert isinstance(shown(stage, move), MoveShown)
    assert shown(stage, move).fits
    assert shown(stage, delete).summary == "The file would be deleted, with its 4 lines."

    assert stage.approve(move)
    assert stage.reject(delete, "we still need them")

    assert answer(stage, run) == (
        "notes/ideas.md is now notes/spring.md. I did not delete stock/prices-last-year.csv. "
        "Reason: we still need them"
    )
    assert (place / "notes" / "spring.md").exists()
    assert (place / "stock" / "prices-last-year.csv").exists()


def test_a_link_that_appears_after_approval_was_asked_is_refused_all_the_same(stage, place, data):
    """What was a file when it was shown may be a link when it is written."""
    _, run = stage.send('Add "x" to todo.md')
    [request] = stage.waiting(run)
    (place / "todo.md").unlink()
    (place / "todo.md").symlink_to(data.parent / "outside" / "secret.txt")

    assert stage.approve(request)

    assert "is a link, and links are not followed" in answer(stage, run)
    assert (data.parent / "outside" / "secret.txt").read_text() == CANARY


def test_a_missing_file_is_told_not_invented(stage):
    """Failures are said as they are."""
    _, run = stage.send('Add "x" to nowhere.md')
    assert "there is no file 'nowhere.md'" in answer(stage, run)


def test_a_huge_folder_is_listed_in_part(tmp_path):
    """At most 500 files, and none of them is read for it."""
    for number in range(600):
        (tmp_path / f"{number}.txt").touch()
    assert len(Sandbox(tmp_path).files()) == 500
