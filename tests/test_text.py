"""Text that somebody wrote reaches the page to the letter, and does nothing there."""

import pytest

from hitl.ui.text import code, is_short, label, prose, value, visible


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("abc\u202efdp.exe", "abc[U+202E]fdp.exe"),
        ("pay\u200bpal", "pay[U+200B]pal"),
        ("a\x00b\x1bc", "a[U+0000]b[U+001B]c"),
        ("tag\U000e0041", "tag[U+E0041]"),
        ("half\ud800", "half[U+D800]"),
        ("line\u2028end", "line[U+2028]end"),
        ("vs\ufe01\U000e0100", "vs[U+FE01][U+E0100]"),
        ("a\u034fb\u115f\u1160\u3164\uffa0", "a[U+034F]b[U+115F][U+1160][U+3164][U+FFA0]"),
        ("\u17b4\u17b5\u180b\u180f\u2800", "[U+17B4][U+17B5][U+180B][U+180F][U+2800]"),
        ("1\u00a0000\u202f000\u3000", "1[U+00A0]000[U+202F]000[U+3000]"),
    ],
)
def test_characters_that_cannot_be_seen_are_spelled_out(hidden: str, shown: str) -> None:
    assert visible(hidden) == shown


def test_letters_of_all_scripts_stay_as_they_are() -> None:
    for text in ("naïve", "Привет", "你好", "مرحبا", "tab\tand\nline"):
        assert visible(text) == text


@pytest.mark.parametrize("text", ["`", "``", "a ` b `` c", "`start", "end`", " ", ""])
def test_a_code_span_holds_any_number_of_backticks(text: str) -> None:
    span = code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    assert span.endswith(fence)
    assert f" {fence} " not in span[len(fence) : -len(fence)].strip() or fence not in text


@pytest.mark.parametrize(
    ("written", "inert"),
    [
        ("![x](http://evil/leak)", "\\![x](http://evil/leak)"),
        ("it costs $5 and $6", "it costs \\$5 and \\$6"),
        (":green-badge[Approved]", "\\:green-badge[Approved]"),
        (":material/check:", ":material\\/check:"),
        ("::leaf", "\\::leaf"),
        ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)>"),
        ("[^1]: a\n\n[^1]", "\\[^1]: a\n\n\\[^1]"),
        (r"\![x](u) \\![x](u)", r"\![x](u) \\\![x](u)"),
    ],
)
def test_prose_keeps_its_words_and_loses_its_powers(written: str, inert: str) -> None:
    assert prose(written) == inert


@pytest.mark.parametrize("power", ["![x](u)", "$x^2$", ":red[x]", "<img src=x>"])
@pytest.mark.parametrize(
    "disguise",
    [
        "\\`{}\\`",
        "a ` b\n\n{}\n\nc ` d",
        "<pre></pre>\n    {}",
        "<!-- -->\n    {}",
        "- ` a\n- {} ` b",
        "| a | b |\n|---|---|\n| ` | {} ` |",
        "[](<`>) {} `",
        "    {}\n\nStreamlit takes the indentation of the first line away",
        "    {}",
        # What the browser takes for a line's beginning and we don't.
        "` a\n[^1]: {} ` b",
        "` a\n::leaf\n{} ` b",
        "[r]: http://evil/r\n    {}",
        "[r]: http://evil/r\n\t{}",
        "a\n[^1]:\n    {}",
    ],
)
def test_power_that_only_looks_like_code_is_lost(disguise: str, power: str) -> None:
    assert "\\" + power.replace("2$", "2\\$") in prose(disguise.format(power))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://evil/`a ![x](u) `", "https\\://evil/`a ![x](u) `"),
        ("WWW.evil/`a ![x](u) `", "WWW\\.evil/`a ![x](u) `"),
        ("`curl https://a.example/$x`", "`curl https://a.example/$x`"),
    ],
)
def test_address_swallows_no_backtick(written: str, shown: str) -> None:
    assert prose(written) == shown


@pytest.mark.parametrize(
    "markdown",
    [
        "`echo $HOME ![x](y)`",
        "```\necho $HOME\n![x](y)\n```",
        "So:\n\n    indented $code ![x](y)",
        "- one\n  ```\n  $x <b>\n  ```\n- `<b>`\n\n> `$x`",
        "| a | b |\n|:-:|---|\n| `$x` | `<b>` |",
        "`https://a.example/$ID` and `![a](b)`",
    ],
)
def test_code_in_prose_keeps_every_character(markdown: str) -> None:
    assert prose(markdown) == markdown


def test_prose_that_acts_in_spite_of_all_becomes_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl.ui.text._is_surely_code", lambda *_: True)
    assert prose("``` a`` ![x](u)") == "````\n``` a`` ![x](u)\n````"


def test_prose_keeps_emoji_and_the_blanks_of_typography() -> None:
    written = "❤\ufe0f 👩\u200d🚀 10\u202f000\u00a0€ 你\u3000好"
    assert prose(written) == written


def test_prose_stays_markdown() -> None:
    markdown = "**bold**, a [link](https://example.com)\n\n- one\n- two at 10:30"
    assert prose(markdown) == markdown


def test_a_label_can_hold_no_markup() -> None:
    assert label("**a** [b](c) :x: $y$") == r"\*\*a\*\* &#91;b&#93;\(c\) \::small{}x\: \$y\$"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("plain", "plain"),
        ("10", '"10"'),
        (10, "10"),
        ("true", '"true"'),
        (True, "true"),
        (None, "null"),
        ("null", '"null"'),
        ("", '""'),
        (" padded ", '" padded "'),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
    ],
)
def test_a_value_cannot_be_mistaken_for_another(data: object, shown: str) -> None:
    assert value(data) == shown


@pytest.mark.parametrize("text", ["two  spaces", "a\nb", "tab\there", "x" * 100])
def test_what_a_line_would_change_is_not_short(text: str) -> None:
    assert not is_short(text)
