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
        (":material/check:", "\\:material/check:"),
        (":smile:", "\\:smile:"),
        ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)>"),
    ],
)
def test_prose_keeps_its_words_and_loses_its_powers(written: str, inert: str) -> None:
    assert prose(written) == inert


@pytest.mark.parametrize(
    "markdown",
    ["`echo $HOME ![x](y)`", "```\necho $HOME\n![x](y)\n```", "    indented $code ![x](y)"],
)
def test_code_in_prose_keeps_every_character(markdown: str) -> None:
    assert prose(markdown) == markdown


def test_prose_stays_markdown() -> None:
    markdown = "**bold**, a [link](https://example.com)\n\n- one\n- two at 10:30"
    assert prose(markdown) == markdown


def test_a_label_can_hold_no_markup() -> None:
    assert label("**a** [b](c) :x: $y$") == r"\*\*a\*\* \[b\]\(c\) \:x\: \$y\$"


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
