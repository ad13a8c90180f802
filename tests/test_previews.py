"""Previews tell what would happen, whatever is in the files, the database and the arguments."""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from hitl.agents import ToolFacts
from hitl.journal import ToolRequest
from hitl.previewing import (
    LARGEST_TEXT,
    MOST_LINES,
    MOST_ROWS,
    DiffShown,
    EmailShown,
    MoveShown,
    NoPreview,
    RowsShown,
    preview_of,
)
from hitl.previews import EmailPreview, FilePreview, Preview, RowsPreview
from tests.hostile import LOADS, LOOKS, RUNS
from tests.openai_server import Call
from tests.stage import agent

CANARY = "what lies outside"
HOSTILE = "\u202eevil\u200b \x1b[31mred\x07 <img src=http://evil.example/x.png> :red[x]"
SPELLED = "[U+202E]evil[U+200B] [U+001B][31mred[U+0007] <img src=http://evil.example/x.png> :red[x]"
HOSTILES = list(dict.fromkeys([HOSTILE, *LOADS.values(), *RUNS.values(), *LOOKS.values()]))
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder, beside which there is something that no preview may show."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(CANARY)
    (tmp_path / "secret.txt").write_text(CANARY)
    root = tmp_path / "root"
    (root / "notes").mkdir(parents=True)
    return root


def writing(root: Path, path: Any, content: Any) -> Any:
    return preview_of(FilePreview(root, "p", content="c"), {"p": path, "c": content})


def deleting(root: Path, path: str) -> Any:
    return preview_of(FilePreview(root, "p"), {"p": path})


def moving(root: Path, path: str, target: str) -> Any:
    return preview_of(FilePreview(root, "p", target="t"), {"p": path, "t": target})


def drawn(shown: DiffShown) -> str:
    marks = {"added": "+", "removed": "-", "same": " ", "skipped": "@", "note": "\\"}
    return "\n".join(f"{marks[line.kind]}{line.text}" for line in shown.lines)


# Files


def test_a_changed_line_is_shown_among_its_neighbours(root):
    """Three lines around a change; how many are left out is said."""
    (root / "a.txt").write_text("".join(f"{number}\n" for number in range(20)))
    new = "".join(f"{'ten' if number == 10 else number}\n" for number in range(20))

    shown = writing(root, "a.txt", new)

    assert drawn(shown) == (
        "@7 lines as before\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n@6 lines as before"
    )
    assert (shown.summary, shown.truncated) == ("1 line added, 1 removed.", False)


def test_a_new_file_is_all_added_a_deleted_one_all_removed(root):
    """Both say so in words, too."""
    shown = writing(root, "new.txt", "one\ntwo\n")
    assert (shown.summary, drawn(shown)) == (
        "A new file would be made, with 2 lines.",
        "+one\n+two",
    )

    (root / "old.txt").write_text("one\n")
    shown = deleting(root, "old.txt")
    assert (shown.summary, drawn(shown)) == ("The file would be deleted, with its 1 line.", "-one")


def test_nothing_would_change_is_said(root):
    """The same content is no change."""
    (root / "a.txt").write_text("one\n")

    assert writing(root, "a.txt", "one\n").summary.startswith("Nothing would change")


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("a\n", "a", "-a\n+a\n\\no line end at the end of the file"),
        ("a\n", "a\r\n", "-a\n+a\r"),
        ("a\u2028b\n", "a\nb\n", "-a\u2028b\n+a\n+b"),
        ("a\n", "", "-a"),
        ("", "a\n", "+a"),
        ("+ a\n", "+ a\n- b\n", " + a\n+- b"),
    ],
)
def test_line_ends_and_marks_in_a_file_hide_no_change(root, old, new, shown):
    """What differs by a line end alone is still a difference."""
    (root / "a.txt").write_text(old, newline="")

    assert drawn(writing(root, "a.txt", new)) == shown


def test_a_move_tells_from_where_to_where_and_whether_it_fits(root):
    """A move onto something, or of nothing, is told before it is refused."""
    (root / "a.txt").write_text("a")
    (root / "b.txt").write_text("b")

    assert moving(root, "a.txt", "notes/c.txt") == MoveShown(
        "a.txt", "notes/c.txt", "The file would be moved; what it holds stays the same.", True
    )
    assert "already is a file" in moving(root, "a.txt", "b.txt").summary
    assert "no such file" in moving(root, "gone.txt", "c.txt").summary
    assert not moving(root, "a.txt", "b.txt").fits
    assert deleting(root, "gone.txt") == NoPreview("There is no such file.")


def sockets(place: Path) -> None:
    with suppress(OSError), closing(socket.socket(socket.AF_UNIX)) as each:
        each.bind(str(place))


TRAPS: dict[str, Callable[[Path, Path], object]] = {
    "a link to a file": lambda place, out: place.symlink_to(out / "secret.txt"),
    "a link to a folder": lambda place, out: place.symlink_to(out),
    "a link that leads nowhere": lambda place, out: place.symlink_to(out / "new.txt"),
    "a link to itself": lambda place, _: place.symlink_to(place),
    "a link to zeros without end": lambda place, _: place.symlink_to("/dev/zero"),
    "a hard link": lambda place, out: place.hardlink_to(out / "secret.txt"),
    "a pipe": lambda place, _: os.mkfifo(place),
    "a socket": lambda place, _: sockets(place),
    "a folder": lambda place, _: place.mkdir(),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_is_no_file_of_the_folder_is_not_read(root, trap):
    """No link, pipe or device is followed, waited for or read, under whichever change."""
    TRAPS[trap](root / "trap", root.parent / "outside")
    (root / "a.txt").write_text("a")
    started = time.process_time()

    for path in ("trap", "trap/secret.txt") if trap != "a folder" else ("trap",):
        for shown in (writing(root, path, "x"), deleting(root, path), moving(root, path, "b.txt")):
            assert isinstance(shown, NoPreview)
            assert CANARY not in shown.why

    assert time.process_time() - started < 1
    assert (root.parent / "outside" / "secret.txt").read_text() == CANARY
    assert not (root.parent / "outside" / "new.txt").exists()


@pytest.mark.parametrize(
    "path",
    [
        *("../secret.txt", "notes/../../secret.txt", "..", ".", "", "/", "//", "notes//a", "a/"),
        *("~/x", "a\\b", "a\0b", "a\nb", "\u202etxt.exe", "a\u200bb", ".hidden", "notes/.git/x"),
        *("a" * 5000, "a/" * 200, "é" * 150, "\udcff", " a", "a\u00a0b", "\x1b[31m"),
    ],
)
def test_a_path_that_could_lead_out_or_deceive_has_no_preview(root, path):
    """Nor may its own characters come along unseen in the reason."""
    for shown in (writing(root, path, "x"), deleting(root, path), moving(root, "a.txt", path)):
        assert isinstance(shown, NoPreview)
        assert shown.why.isprintable()
        assert len(shown.why) < 700
        assert CANARY not in shown.why


def test_an_absolute_path_is_not_read_not_even_into_the_folder(root):
    """Only paths from the folder's top count."""
    (root / "a.txt").write_text("a")
    for path in (root.parent / "secret.txt", root / "a.txt"):
        assert isinstance(deleting(root, str(path)), NoPreview)


def test_a_folder_that_is_a_link_or_missing_is_not_looked_into(root, tmp_path):
    """The folder itself may not have been replaced."""
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    for folder in (tmp_path / "link", tmp_path / "missing", tmp_path / "secret.txt"):
        assert isinstance(deleting(folder, "secret.txt"), NoPreview)
    assert isinstance(writing(root, "missing/a.txt", "x"), NoPreview)


def test_the_folder_is_asked_for_when_the_preview_is_made(root):
    """It may follow from the settings."""
    assert isinstance(
        preview_of(FilePreview(lambda: root, "p", "c"), {"p": "a", "c": ""}), DiffShown
    )


@pytest.mark.parametrize("content", [b"\0\1\2", b"\xff\xfe", "Größe".encode("latin-1")])
def test_what_is_no_text_is_not_compared(root, content):
    """It says so instead."""
    (root / "a.bin").write_bytes(content)
    for shown in (writing(root, "a.bin", "x"), deleting(root, "a.bin")):
        assert isinstance(shown, NoPreview)
        assert "text" in shown.why


def test_huge_files_and_contents_are_refused_at_once(root):
    """Ten megabytes are neither read nor compared."""
    (root / "big.txt").write_bytes(b"x\n" * 5_000_000)
    started = time.process_time()

    for shown in (
        writing(root, "big.txt", "x"),
        deleting(root, "big.txt"),
        writing(root, "new.txt", "x" * 10_000_000),
        writing(root, "big.txt", "x" * 10_000_000),
    ):
        assert isinstance(shown, NoPreview)
        assert "too" in shown.why
    assert time.process_time() - started < 0.5


EVERY_OTHER = ["".join(f"{n if n % 2 else kind}{n}\n" for n in range(9000)) for kind in "ab"]
LONG = {
    "many lines": ("\n" * 200_000, "x\n" * 100_000),
    "all lines alike": ("\n" * 9_000, "a\n\n" * 4_000),
    "few lines, over and over": ("abcdefgh\n" * 9_000, "gh\nabcdefgh\n" * 9_000),
    "every other line": tuple(EVERY_OTHER),
    "lines that come in another order": (
        "".join(f"{n % 97}\n" for n in range(9_900)),
        "".join(f"{n * 31 % 97}\n" for n in range(9_900)),
    ),
    "one long line": ("a" * 250_000, "b" * 250_000),
    "long lines": (("a" * 5000 + "\n") * 50, ("b" * 5000 + "\n") * 50),
}


@pytest.mark.parametrize("case", LONG)
def test_what_is_hard_to_compare_takes_little_time_and_room(root, case):
    """Neither time nor size can be driven up by what is compared."""
    old, new = (text[:LARGEST_TEXT] for text in LONG[case])
    (root / "a.txt").write_text(old)
    started = time.process_time()

    shown = writing(root, "a.txt", new)

    assert time.process_time() - started < 2.5
    assert isinstance(shown, DiffShown)
    assert len(shown.lines) <= MOST_LINES
    assert sum(len(line.text) for line in shown.lines) < 70_000
    assert shown.summary
    assert shown.truncated or not shown.lines or len(drawn(shown)) > 1000


def test_a_long_file_with_few_changes_is_compared(root):
    """Size alone is no reason not to."""
    lines = [f"line {number}\n" for number in range(9_000)]
    (root / "a.txt").write_text("".join(lines))
    lines[5], lines[8_995] = "x\n", "y\n"

    shown = writing(root, "a.txt", "".join(lines))

    assert shown.summary == "2 lines added, 2 removed."
    assert len(shown.lines) == 19


# E-mails


def test_an_e_mail_is_shown_as_it_will_look():
    """To several people, too."""
    preview = EmailPreview("to", "subject", "body")
    said = {"to": "a@example.com", "subject": "Hello", "body": "One\n\nTwo"}

    assert preview_of(preview, said) == EmailShown("a@example.com", "Hello", "One\n\nTwo")
    assert preview_of(preview, {**said, "to": ["a@b.c", "d@e.f"]}).to == "a@b.c, d@e.f"


def test_a_huge_e_mail_is_cut_and_says_so():
    """The arguments beside it hold all of it."""
    said = {"to": "a" * 10_000, "subject": "s" * 10_000, "body": "b" * 1_000_000}

    shown = preview_of(EmailPreview("to", "subject", "body"), said)

    assert shown.truncated
    assert len(shown.to + shown.subject + shown.body) < 21_000


# Rows


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    database = tmp_path / "a shop?#%.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER, customer TEXT, password TEXT)")
        rows = [(number, f"customer {number % 3}", "hunter2") for number in range(200)]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    return database


def matching(database: Path, query: str, **given: Any) -> Any:
    return preview_of(RowsPreview(database, query, tuple(given), "Orders"), given)


def test_the_rows_that_match_are_shown(shop):
    """With the arguments as parameters, never as a part of the query."""
    query = "SELECT id, customer FROM orders WHERE id = :order"

    assert matching(shop, query, order=7) == RowsShown(
        "Orders", ("id", "customer"), (("7", "customer 1"),)
    )
    for order in ("7 OR 1=1", "7; DROP TABLE orders", None, 2.5, ["7"], {"a": 7}):
        assert matching(shop, query, order=order).rows == ()


def test_many_rows_and_long_cells_are_cut(shop):
    """Fifty rows, with a word that there are more; a secret's column is masked."""
    shown = matching(shop, "SELECT id, password, printf('%.5000c', 'x') AS note, id FROM orders")

    assert (len(shown.rows), shown.truncated) == (MOST_ROWS, True)
    assert shown.columns == ("id", "password", "note", "id (2)")
    assert shown.rows[0][1] == "••••••"
    assert len(shown.rows[0][2]) == 120
    assert not matching(shop, "SELECT id FROM orders LIMIT 50").truncated
    assert matching(shop, "SELECT x'00ff' AS a, NULL AS b").rows == (("2 bytes", ""),)
    wide = ", ".join(f"{number} AS c{number}" for number in range(500))
    assert len(matching(shop, f"SELECT {wide}").columns) == 12


def test_a_query_that_never_ends_is_given_up(shop):
    """After half a second, and it says so."""
    for query in (
        ENDLESS,
        f"SELECT * FROM orders, ({ENDLESS})",
        ENDLESS.replace("max(x)", "x - x"),
    ):
        started = time.process_time()
        shown = matching(shop, query)
        assert time.process_time() - started < 2
        assert shown == NoPreview("Looking for the rows took too long.") or shown.truncated


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "DELETE FROM orders RETURNING id",
        "UPDATE orders SET id = 1 RETURNING id",
        "INSERT INTO orders VALUES (1, 'x', 'y') RETURNING id",
        "DROP TABLE orders",
        "CREATE TEMP TABLE x (y)",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = WAL",
        "SELECT * FROM pragma_database_list",
        "ATTACH DATABASE 'other.sqlite' AS other",
        "VACUUM INTO 'copy.sqlite'",
        "BEGIN IMMEDIATE",
        "REINDEX",
    ],
)
def test_a_query_that_would_do_more_than_read_is_refused(shop, query, monkeypatch):
    """Not a byte changes, and no file appears."""
    monkeypatch.chdir(shop.parent)
    before = shop.read_bytes()

    shown = matching(shop, query)

    expected = "asks for no rows" if query == "REINDEX" else "would do more than read"
    assert expected in shown.why
    assert (shop.read_bytes(), sorted(os.listdir())) == (before, [shop.name])


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT * FROM customers", "no such table: customers"),
        ("SELECT total FROM orders", "no such column: total"),
        ("SELECT id FROM orders WHERE id = :other", "could not"),
        ("SELECT", "could not"),
        ("", ""),
        ("SELECT 1; SELECT 2", "could not"),
        ("SELECT zeroblob(900000000)", "could not"),
        ("SELECT load_extension('x')", ""),
    ],
)
def test_a_query_that_does_not_fit_is_told(shop, query, why):
    """A declaration may be older than the database."""
    shown = matching(shop, query)

    assert why in shown.why if why else isinstance(shown, NoPreview | RowsShown)


def test_a_database_that_is_missing_locked_or_none_at_all_is_told(shop, tmp_path):
    """None of it makes anybody wait, and nothing is made by looking."""
    query, started = "SELECT id FROM orders", time.monotonic()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text.txt").write_text("no database " * 100)
    for missing in (tmp_path / "missing.sqlite", tmp_path / "pipe", tmp_path):
        assert matching(missing, query) == NoPreview("There is no database to look in.")
    assert matching(tmp_path / "text.txt", query) == NoPreview("The rows could not be read.")
    with closing(sqlite3.connect(shop, isolation_level=None)) as somebody:
        somebody.execute("BEGIN EXCLUSIVE")
        assert matching(shop, query) == NoPreview("The database is busy.")
    assert time.monotonic() - started < 2
    assert not (tmp_path / "missing.sqlite").exists()


def test_a_number_that_no_database_holds_is_no_error(shop):
    """Models write such numbers."""
    query = "SELECT id FROM orders WHERE id = :order"
    for order in (10**30, -(10**30), float("inf"), float("nan"), "\udcff"):
        assert isinstance(matching(shop, query, order=order), NoPreview | RowsShown)


# Whatever comes


def test_no_arguments_break_a_preview(root, shop):
    """Arguments may be missing, or of another type than was declared."""
    previews: list[Preview] = [
        EmailPreview("a", "b", "c"),
        FilePreview(root, "a"),
        FilePreview(root, "a", content="b"),
        FilePreview(root, "a", target="b"),
        RowsPreview(shop, "SELECT id FROM orders WHERE id = :a", ("a",)),
        FilePreview(lambda: root / str(1 / 0), "a"),
        FilePreview(None, "a"),  # type: ignore[arg-type]
    ]
    texts = [*LOADS.values(), *LOOKS.values(), *RUNS.values(), HOSTILE, "\0", "\udcff"]
    for given in (None, 1, 1.5, True, [], {}, [None], {"a": [1]}, b"x", *texts):
        for preview in previews:
            for arguments in ({}, dict.fromkeys("abc", given), {"a": given, "b": "b", "c": "c"}):
                assert preview_of(preview, arguments) is not None


# On the card


def draw(request: ToolRequest, facts: ToolFacts, state: dict[str, Any] | None = None) -> AppTest:
    return draw_all([(request, facts)], state or {})


def draw_all(cards: list[tuple[ToolRequest, ToolFacts]], state: dict[str, Any]) -> AppTest:
    def page(cards):  # type: ignore[no-untyped-def]
        from hitl.ui.preview import draw_preview

        for request, facts in cards:
            draw_preview(request, facts)

    drawing = AppTest.from_function(page, kwargs={"cards": cards}, default_timeout=60)
    for name, each in state.items():
        drawing.session_state[name] = each
    drawing.run()
    assert not drawing.exception
    return drawing


def words(drawing: AppTest) -> str:
    """All that it shows, as it is sent to the page."""
    kinds = (drawing.caption, drawing.markdown, drawing.code, drawing.text, drawing.warning)
    shown = [str(each.value) for kind in kinds for each in kind]
    shown += [line["text"] for line in lines_of(drawing)]
    return "\n".join([*shown, *(each.value.to_csv() for each in drawing.table)])


def lines_of(drawing: AppTest) -> list[dict[str, str]]:
    """The lines of all diffs, as their component gets them: it makes text of each, and no more."""
    parts = [json.loads(each.proto.json) for each in drawing.get("bidi_component")]
    return [line for part in parts for line in part["lines"]]


@pytest.fixture
def asked(play: Callable[..., Any]) -> ToolRequest:
    """A request that waits, from a real journal."""

    def act(path: str, content: str) -> str:
        """Acts."""
        return path + content

    stage = play(agent(act), Call("act", {"path": "a.txt", "content": "x"}))
    _, run = stage.send("Do it")
    return stage.waiting(run)[0]


@pytest.fixture
def journal_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'hitl.sqlite'}"


def with_arguments(request: ToolRequest, **arguments: Any) -> ToolRequest:
    return replace(request, arguments=arguments)


def test_a_card_shows_a_diff_literally(root, asked):
    """Marks of a file stay behind ours; what can't be seen is spelled out."""
    (root / "a.txt").write_text("+ no change\n```\n")
    new = f"+ no change\n```\n{HOSTILE}\n"

    drawing = draw(
        with_arguments(asked, path="a.txt", content=new),
        ToolFacts(preview=FilePreview(root, "path", "content")),
    )

    assert lines_of(drawing) == [
        {"kind": "same", "mark": "", "text": "+ no change"},
        {"kind": "same", "mark": "", "text": "```"},
        {"kind": "added", "mark": "+", "text": SPELLED},
    ]
    assert "Preview: what would happen" in drawing.caption[0].value
    assert "exact arguments" in drawing.caption[0].value


def test_what_is_decided_has_no_preview_any_more(root, asked):
    """What would happen has happened, or won't."""
    facts = ToolFacts(preview=FilePreview(root, "path", "content"))
    decided = ("approved", "running", "succeeded", "failed", "unknown", "rejected", "expired")
    cards = [(replace(asked, status=status), facts) for status in decided]

    assert words(draw(asked, facts))
    assert words(draw_all([*cards, (asked, ToolFacts())], {})) == ""


def test_a_secret_stays_hidden_in_a_preview_until_it_is_revealed(root, asked):
    """Declared as secret, by the request or beside the tool, or by its name."""
    plain, named = FilePreview(root, "path", "content"), FilePreview(root, "path", "password")
    request = with_arguments(asked, path="a.txt", content="hunter2")
    cards = [
        (request, ToolFacts(secret=("content",), preview=plain)),
        (replace(request, id="two", secret=["content"]), ToolFacts(preview=plain)),
        (
            replace(request, id="three", arguments={"path": "a.txt", "password": "hunter2"}),
            ToolFacts(preview=named),
        ),
    ]

    hidden = words(draw_all(cards, {}))
    assert "hunter2" not in hidden
    assert hidden.count("Hidden while it is secret") == 3

    revealed = {f"reveal-{request.id}": True for request, _ in cards}
    assert words(draw_all(cards, revealed)).count("hunter2") == 3


def test_an_edited_request_previews_what_would_run(root, asked):
    """Not what was asked at first."""
    request = replace(asked, edited={"path": "a.txt", "content": "edited"})
    facts = ToolFacts(preview=FilePreview(root, "path", "content"))

    assert lines_of(draw(request, facts))[0]["text"] == "edited"


@pytest.mark.parametrize("kind", ["diff", "move", "e-mail", "rows"])
def test_no_text_acts_in_a_preview(root, asked, shop, kind):
    """In files, paths, e-mails, rows and columns: nothing unseen, nothing that Markdown makes."""
    with closing(sqlite3.connect(shop)) as connection, connection:
        cards = [
            (
                replace(asked, id=f"{kind}-{number}", arguments={"path": "a", "content": hostile}),
                ToolFacts(preview=hostile_preview(kind, hostile, root, shop, connection)),
            )
            for number, hostile in enumerate(HOSTILES)
        ]

    drawing = draw_all(cards, {})

    shown = words(drawing)
    assert len(shown) > len("".join(HOSTILES))
    assert not [each for each in shown if not each.isprintable() and each not in "\n\t"]
    marked = [str(each.value) for each in (*drawing.markdown, *drawing.caption, *drawing.warning)]
    names = [str(name) for table in drawing.table for name in table.value.columns]
    cells = [str(each) for table in drawing.table for each in table.value.to_numpy().flat]
    assert [each for each in (*marked, *names, *cells) if acts(each)] == []


def hostile_preview(
    kind: str, hostile: str, root: Path, shop: Path, connection: sqlite3.Connection
) -> Preview:
    """A preview into which this text has got as deeply as it can."""
    if kind == "e-mail":
        return EmailPreview("content", "content", "content")
    if kind == "rows":
        plain = hostile.replace("\0", "")
        number = HOSTILES.index(hostile)
        connection.execute("INSERT INTO orders VALUES (?, ?, '')", (-number - 1, plain))
        name = plain.replace('"', '""')
        query = f'SELECT customer AS "{name}" FROM orders WHERE id = {-number - 1}'
        return RowsPreview(shop, query, (), hostile)
    if kind == "diff":
        return FilePreview(root, "path", "content")
    return FilePreview(root, "path", target="content")


def acts(markdown: str) -> bool:
    """Whether a page would make more than text, bold and code of it."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    parts = [part for token in tokens for part in token.children or [token]]
    kinds = {part.type for part in parts}
    made = {"image", "link_open", "html_inline", "html_block", "heading_open", "table_open", "hr"}
    return bool(kinds & made)
