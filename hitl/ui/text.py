"""Safe text: the way by which anything that a model, a tool or a person wrote reaches the page."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from itertools import chain, groupby, zip_longest
from types import MappingProxyType

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from hitl.plain import IN_PROSE as IN_PROSE
from hitl.plain import value as value
from hitl.plain import visible as visible

MARKDOWN = re.compile(r"([\\`*_{}()<>#+\-.!|~$:^=&\"'/@])")
# Streamlit's names of pictures.
NAMED = r"(?!\d\d:)[+-]?\w[\w+-]*:"
# Its directives that need no brackets; what they stand for would be gone.
COLORS = "red|orange|yellow|green|blue|violet|purple|gray|grey|primary|rainbow"
BARE = rf"(?:shimmer|small|color|help|(?:{COLORS})(?:-background|-badge)?)(?![\w-])"
# What ready text makes of itself, where no backslash helps: pictures by name, and links.
MADE = rf":(?={NAMED}|//)|(?<=www)\.|(?<=[-.\w+])@(?=[-\w])"
# Images, links, footnotes, formulas, HTML, Streamlit's directives, and what stands for another
# character, even for one that can't be seen; not if escaped already.
ACTIVE = rf"\[|\$|<|&(?=[#\w])|:(?=:|[^\s:\[{{]+[\[{{])|(?<=:material)/|:(?={BARE})|{MADE}"
# Where ready text has to be broken, so that it makes no picture, link or arrow.
BREAKS = re.compile(
    rf"(?<=:)(?={NAMED}|//)|(?<=www)(?=\.)|(?<=[-.\w+]@)(?=[-\w])"
    r"|(?<=(?<!\S)[-<])(?=-(?!\S))|(?<=-)(?=>(?!\S))|(?<=(?<!\S)[<>~])(?==(?!\S))"
    r"|(?<=(?<!\S)[-<])(?=->(?!\S))",
    re.IGNORECASE,
)
BREAK = ":small{}"  # takes no room, and parts what stands before from what stands behind
BRACKETS = str.maketrans({"[": "&#91;", "]": "&#93;"})  # `st.badge` escapes them once more
INDENT = re.compile(r"(^|\n)[ \t]+")
ESCAPED = r"\\[!-/:-@\[-`{-~]"
DIAGRAM = re.compile(r"(`{3,}|~{3,})[ \t]*(\S*mermaid)", re.IGNORECASE)
MAKES = re.compile(MADE, re.IGNORECASE)
MARK = re.compile("\ue000(\\d+)\ue001")
LINE_END, GAP = "\ue002", "\ue003"  # none of these four is left in a text by `visible`


def _parser(*rules: str) -> MarkdownIt:
    parser = MarkdownIt("commonmark").disable("text_join").enable(list(rules))
    parser.core.ruler.after("block", "line ends", _mark_line_ends)
    return parser


def _mark_line_ends(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline":
            token.content = token.content.replace("\n", f"{LINE_END}\n")


PARSERS = [_parser(), _parser("table")]


def code(text: str) -> str:
    """One line as a Markdown code span, whatever it holds."""
    line = visible(text).replace("\n", "⏎").replace("\t", "⇥") or " "
    # Streamlit changes this one name everywhere, even in code; there it has to be without.
    parts = line.split(":material/")
    return _escaped(":material/").join(_span(part) if part else "" for part in parts)


def _span(line: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if "`" in line or line.isspace() else f"{fence}{line}{fence}"


def label(text: str, *, keep: Set[str] = frozenset()) -> str:
    """One line for a label, with everything that Markdown would read made harmless."""
    return _escaped(" ".join(visible(text, keep=keep).split()))


def words(text: str) -> str:
    """A piece of a text, with everything that Markdown would read made harmless."""
    return _escaped(INDENT.sub(r"\1 ", visible(text)))


def _escaped(text: str) -> str:
    escaped = MARKDOWN.sub(r"\\\1", BREAKS.sub(GAP, text))
    return escaped.translate(BRACKETS).replace(GAP, BREAK)


def makes_links(text: str) -> bool:
    """Whether a page would turn a part of the text into a link all by itself."""
    return "@" in text or "://" in text or "www." in text.lower()


def shorten(text: str, length: int) -> str:
    """The beginning of a text, with an ellipsis where something was left out."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


@lru_cache(maxsize=256)
def prose(text: str) -> str:
    """An assistant's Markdown without images, links, HTML, formulas and Streamlit's directives.

    Code keeps every character; outside of it, what would act is escaped. A text that acts even so
    becomes one block of code.
    """
    # Streamlit does this too: done after us, it would make text of indented code.
    written = textwrap.dedent(visible(text, keep=IN_PROSE)).strip()
    written = _undrawn(written)
    active = _active(written)
    if not active and "\\" not in written:
        return written
    in_code = _marks_in_code(_replaced(written, active, "\ue000{}\ue001"))
    escaped = [place for number, place in enumerate(active) if number not in in_code]
    makes = [place for place in escaped if MAKES.match(written, place)]
    broken = {place: _broken(written[place]) for place in makes}
    harmless = _replaced(written, escaped, "\\{1}", broken)
    return _fenced(written) if _acts(harmless) else harmless


def _broken(character: str) -> str:
    """A character that makes something of ready text, parted from what it would make that of."""
    return rf"{BREAK}\." if character == "." else rf"\{character}{BREAK}"


def _undrawn(text: str) -> str:
    """The text with diagrams as the code that they are written in."""
    if "mermaid" not in text.lower():
        return text
    lines = text.split("\n")
    for tokens in _readings(text):
        for token in tokens:
            if token.type == "fence" and token.map and "mermaid" in token.info.lower():
                first = token.map[0]
                lines[first] = DIAGRAM.sub(r"\1 text \2", lines[first])
    return "\n".join(lines)


def _active(text: str) -> list[int]:
    """The places of characters that act unless they are in code."""
    pattern = f"{ESCAPED}|({ACTIVE})"
    found = re.finditer(pattern, text, re.IGNORECASE)
    return [each.start() for each in found if each[1]]


def _replaced(
    text: str, places: list[int], form: str, other: Mapping[int, str] = MappingProxyType({})
) -> str:
    """The text with other words for some characters: `{0}` is their number, `{1}` themselves."""
    ends = [0, *(place + 1 for place in places)]
    pieces = [text[start:end] for start, end in zip(ends, [*places, len(text)], strict=True)]
    others = [
        other.get(place, form.format(number, text[place])) for number, place in enumerate(places)
    ]
    return "".join(chain.from_iterable(zip_longest(pieces, others, fillvalue="")))


def _marks_in_code(marked: str) -> set[int]:
    """The numbers of the marks that are in code, whichever way a page reads the text."""
    lines = marked.split("\n")
    return set.intersection(
        *(
            {
                int(number)
                for token in tokens
                if _is_surely_code(token, lines)
                for number in MARK.findall(token.content)
            }
            for tokens in _readings(marked)
        )
    )


def _is_surely_code(token: Token, lines: list[str]) -> bool:
    """Whether it is code for the browser too, which knows more that a line can begin with."""
    if token.type == "code_block" and token.map:
        return token.map[0] == 0 or not lines[token.map[0] - 1].strip()
    return token.type == "fence" or (token.type == "code_inline" and LINE_END not in token.content)


def _acts(markdown: str) -> bool:
    return any(
        (is_text and MAKES.search("".join(part.content for part in parts)))
        or any(_token_acts(part) for part in parts)
        for tokens in _readings(markdown)
        for is_text, parts in _grouped(tokens)
    )


def _grouped(tokens: list[Token]) -> Iterator[tuple[bool, list[Token]]]:
    """Whether it is ready text, piece by piece: what was escaped is part of it."""
    for is_text, parts in groupby(tokens, lambda token: token.type.startswith("text")):
        yield is_text, list(parts)


def _token_acts(token: Token) -> bool:
    if token.type == "text":
        return re.search(ACTIVE, token.content.replace(BREAK, "")) is not None
    return token.type in ("image", "link_open", "html_inline", "html_block")


def _readings(markdown: str) -> list[list[Token]]:
    """What a page may see in a text: with tables, if it could hold one, and without."""
    parsers = PARSERS if "|" in markdown else PARSERS[:1]
    return [
        [part for token in parser.parse(markdown) for part in token.children or [token]]
        for parser in parsers
    ]


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def is_short(shown: str) -> bool:
    """Whether a value reads well, and whole, inside of a line."""
    return len(shown) <= 72 and "\n" not in shown and "\t" not in shown and "  " not in shown
