"""Text that somebody wrote reaches the page to the letter, and does nothing there."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.ui.text import BREAK, code, is_short, label, prose, value, visible, words


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


@pytest.mark.parametrize(
    "text",
    [
        "naïve café Ångström weiß Łódź Ærø nasıl güzel ﬆ".replace("ﬆ", "œuvre"),
        "Привет, как дела? А у вас? Дом 5а, оса и сор.",
        "Ελληνικά: ο, η, α. Οὐκ οἶδα",
        "日本語のPCノートABC、ＡＢＣ：１０",
        "한국어PC와 API",
        "中文API时间：10:30",
        "ใช้API ה-API الـAPI हिन्दीAPI",
        "Δt = 5 μs, 3 kΩ, ρ = 0.5, α/β, 1ª, H₂O, ½, €5, ™, №",
        "“typographic” – quotes… ‘and’ dashes — 2×3",
        "tab\tand\nline",
        "🇩🇪 👍🏽",
    ],
)
def test_what_people_really_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("deceiving", "marked"),
    [
        ("p\u0430ypal.com", "p\u0430[U+0430]ypal.com"),
        ("g\u03bf\u03bfgle", "g\u03bf[U+03BF]\u03bf[U+03BF]gle"),
        ("\u0585k, \u13aaO", "\u0585[U+0585]k, \u13aa[U+13AA]O"),
        ("п\u0061роль", "п\u0061[U+0061]роль"),
        ("\u0441\u043e\u0440\u0435", "\u0441[U+0441]\u043e[U+043E]\u0440[U+0440]\u0435[U+0435]"),
        ("Дом: \u043e\u0441.com", "Дом: \u043e[U+043E]\u0441[U+0441].com"),
        ("Дом: 1\u041e0", "Дом: 1\u041e[U+041E]0"),
        ("\u0261o nas\u0131l", "\u0261[U+0261]o nas\u0131[U+0131]l"),
        ("\uff50ay", "\uff50[U+FF50]ay"),
        ("\U0001d429ay \u216f \ufb01le", "\U0001d429[U+1D429]ay \u216f[U+216F] \ufb01[U+FB01]le"),
        ("g\u3007\u3007gle", "g\u3007[U+3007]\u3007[U+3007]gle"),
        ("\u09ea left", "\u09ea[U+09EA] left"),
        ("http:\u2215\u2215a\u2024b", "http:\u2215[U+2215]\u2215[U+2215]a\u2024[U+2024]b"),
        ("one\u23cetwo\u21e5", "one\u23ce[U+23CE]two\u21e5[U+21E5]"),
    ],
)
def test_letters_that_pass_for_others_are_marked(deceiving: str, marked: str) -> None:
    assert visible(deceiving) == marked
    assert prose(deceiving).replace("\\", "") == marked


def test_marks_that_bury_their_neighbours_are_spelled_out() -> None:
    assert visible("Z" + "\u0301" * 5) == "Z" + "[U+0301]" * 5
    assert visible("e\u0301\u0323 שָּׁ֖לוֹם မြွှို့") == "e\u0301\u0323 שָּׁ֖לוֹם မြွှို့"


HARD = st.text(
    st.sampled_from("aZ1о0рαԱ𝐚ａ日ー中\u200d\ufe0f❤👩\u0301\u202e\x00 \n[]U+0430/∕⏎:`")
    | st.characters(),
    max_size=60,
)


@given(HARD)
def test_nothing_is_lost_and_what_is_marked_is_not_marked_again(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    rest = iter(shown)
    for character in text:  # each is there, or its number is, in this order
        number = f"[U+{ord(character):04X}]"
        assert all(each in rest for each in (number if character not in shown else character))


@pytest.mark.parametrize(
    "sentence",
    [
        "Привет, это модель API и слово. ",
        "日本語のテキスト、PCとノート。",
        "naïve “café” — \u200b ",
        "Ключ:value ",
    ],
)
def test_a_long_text_is_read_in_no_time(sentence: str) -> None:
    text = (
        (sentence * (100_000 // len(sentence.encode())))
        .encode()[:100_000]
        .decode("utf-8", "ignore")
    )
    visible(text)
    begun = time.process_time()
    visible(text)
    assert time.process_time() - begun < 0.25  # 10 to 30 ms on a machine that does nothing else


@pytest.mark.parametrize("text", ["`", "``", "a ` b `` c", "`start", "end`", " ", ""])
def test_a_code_span_holds_any_number_of_backticks(text: str) -> None:
    span = code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    assert span.endswith(fence)
    assert f" {fence} " not in span[len(fence) : -len(fence)].strip() or fence not in text


@pytest.mark.parametrize(
    ("written", "inert"),
    [
        ("![x](http://evil/leak)", "!\\[x](http\\::small{}//evil/leak)"),
        ("[x](javascript:1)\n\n[r]: /x", "\\[x](javascript:1)\n\n\\[r]: /x"),
        ("see www.evil.example", "see www:small{}\\.evil.example"),
        ("write to a.@-evil.example", "write to a.\\@:small{}-evil.example"),
        ("https\\://evil.example", "```\nhttps\\://evil.example\n```"),
        ("www&period;evil &#x202e;x AT&T", "www\\&period;evil \\&#x202e;x AT\\&T"),
        ("it costs $5 and $6", "it costs \\$5 and \\$6"),
        (":green-badge[Approved]", "\\:green-badge\\[Approved]"),
        (":material/check:", ":material\\/check:"),
        ("::leaf", "\\::leaf"),
        ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)>"),
        ("[^1]: a\n\n[^1]", "\\[^1]: a\n\n\\[^1]"),
        (r"\[x](u) \\[x](u)", r"\[x](u) \\\[x](u)"),
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
    inert = re.sub(r"(?<!\])([\[<$]|:(?=red))", r"\\\1", power)
    assert inert in prose(disguise.format(power))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://evil/`a ![x](u) `", "https\\::small{}//evil/`a ![x](u) `"),
        ("WWW.evil/`a ![x](u) `", "WWW:small{}\\.evil/`a ![x](u) `"),
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
    markdown = "**bold**, _thin_\n\n> quoted\n\n- one\n- two at 10:30"
    assert prose(markdown) == markdown


def test_a_label_can_hold_no_markup() -> None:
    assert label("**a** [b](c) :x: $y$") == r"\*\*a\*\* &#91;b&#93;\(c\) \::small{}x\: \$y\$"


@pytest.mark.parametrize(
    "literal",
    [
        ":smile: :material_check: :streamlit: :+1: :red",
        "a -> b <- c <-> d -- e >= f <= g ~= h --> i",
        "http://evil.example www.evil.example dana@evil.example a.@-evil.example",
        "&#58;smile&#58; :material\\_check: \\:smile:",
    ],
)
def test_ready_text_is_broken_where_it_would_become_a_picture_a_link_or_an_arrow(
    literal: str,
) -> None:
    acting = r":[+-]?\w[\w+-]*:|://|www\.|[-.\w+]@[-\w]|(^|\s)(<?->|<-|--|[<>~]=)(\s|$)"
    for made in (words(literal), label(literal)):
        pieces = [read(piece) for piece in made.split(BREAK)]
        assert "".join(pieces) == literal
        assert not [piece for piece in pieces if re.search(acting, piece)]


def read(markdown: str) -> str:
    """What a page reads in Markdown that is escaped."""
    return re.sub(r"\\(.)|&#(\d+);", lambda found: found[1] or chr(int(found[2])), markdown)


@pytest.mark.parametrize(
    ("written", "inert"),
    [
        ("well :smile: done", "well \\::small{}smile: done"),
        (":material_check:", "\\::small{}material_check:"),
        ("the light is :red and key:green", "the light is \\:red and key\\:green"),
        ("&#58;material_check:", "\\&#58;material_check:"),
        ("\\:smile: :material\\_check:", "```\n\\:smile: :material\\_check:\n```"),
        ("at 10:30:45, |:-:|", "at 10:30:45, |:-:|"),
        ("```mermaid\nA-->B\n```", "``` text mermaid\nA-->B\n```"),
        ("- ~~~ Mermaid\n  x\n  ~~~", "- ~~~ text Mermaid\n  x\n  ~~~"),
        ("````\n```mermaid\n````", "````\n```mermaid\n````"),
    ],
)
def test_prose_draws_no_pictures_by_name(written: str, inert: str) -> None:
    assert prose(written) == inert


def test_code_keeps_the_one_name_that_streamlit_changes_even_there() -> None:
    assert code("a :material/check: b") == "`a `\\:material\\/`check: b`"


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
