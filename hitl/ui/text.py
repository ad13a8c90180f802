"""Safe text: the way by which anything that a model, a tool or a person wrote reaches the page."""

import re

from markdown_it import MarkdownIt

from hitl.plain import EMOJI_JOINERS
from hitl.plain import value as value
from hitl.plain import visible as visible

MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&\"'/@])")
INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
ACTIVE = re.compile(r"!(?=\[)|\$|:(?=[a-zA-Z0-9_+-]+(?:\[|:|/))|<")
blocks = MarkdownIt("commonmark")


def code(text: str) -> str:
    """One line as a Markdown code span, whatever it holds."""
    line = visible(text).replace("\n", "⏎").replace("\t", "⇥") or " "
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if "`" in line or line.isspace() else f"{fence}{line}{fence}"


def label(text: str) -> str:
    """One line for a label, with everything that Markdown would read made harmless."""
    return words(" ".join(visible(text).split()))


def words(text: str) -> str:
    """A piece of a line, with everything that Markdown would read made harmless."""
    return MARKDOWN.sub(r"\\\1", text)


def makes_links(text: str) -> bool:
    """Whether a page would turn a part of the text into a link all by itself."""
    return "@" in text or "://" in text or "www." in text.lower()


def shorten(text: str, length: int) -> str:
    """The beginning of a text, with an ellipsis where something was left out."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def prose(text: str) -> str:
    """An assistant's Markdown without images, HTML, formulas and Streamlit's own directives.

    Code keeps every character: only text outside of it is escaped.
    """
    lines = visible(text, keep=EMOJI_JOINERS).split("\n")
    in_code = {
        number
        for token in blocks.parse("\n".join(lines))
        if token.type in ("fence", "code_block") and token.map
        for number in range(*token.map)
    }
    parts: list[str] = []
    chunk: list[str] = []
    for number, line in enumerate(lines):
        if number in in_code:
            parts += [_disarm("\n".join(chunk))] if chunk else []
            parts.append(line)
            chunk = []
        else:
            chunk.append(line)
    return "\n".join([*parts, *([_disarm("\n".join(chunk))] if chunk else [])])


def _disarm(text: str) -> str:
    kept, position = [], 0
    for span in INLINE_CODE.finditer(text):
        kept += [_escape(text[position : span.start()]), span.group()]
        position = span.end()
    return "".join([*kept, _escape(text[position:])])


def _escape(text: str) -> str:
    return ACTIVE.sub(lambda match: "\\" + match.group(), text)


def is_short(shown: str) -> bool:
    """Whether a value reads well, and whole, inside of a line."""
    return len(shown) <= 72 and "\n" not in shown and "\t" not in shown and "  " not in shown
