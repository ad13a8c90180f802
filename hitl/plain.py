"""Plain text: what a model, a tool or a person wrote as rows that can't act on what shows them."""

import json
import re
import unicodedata
from collections.abc import Callable, Set
from functools import lru_cache
from typing import Any

import regex

# Also the blanks that are no space, an empty pattern of Braille, and pictures of controls.
UNSEEN = regex.compile(
    r"[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2400-\u243f\u2800--[ \t\n]]", regex.V1
)
EMOJI_JOINERS = frozenset("\u200d\ufe0f")
# What a model may write beside words: emoji, and the blanks of other languages' typography.
IN_PROSE = EMOJI_JOINERS | set("\u00a0\u2002\u2003\u2009\u202f\u3000")
# A joiner where it joins nothing; what is in place matches without a group.
JOINER = regex.compile(
    r"(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})"
    r"|(?<=[\p{Emoji}--[0-9#*]])\ufe0f|(?<=[0-9#*])\ufe0f(?=\u20e3)|([\u200d\ufe0f])",
    regex.V1,
)
# More marks on one letter than Unicode (UTS 39) finds in any language: they bury their neighbours.
FLOOD = regex.compile(r"[[\p{M}--\p{ccc=0}]\p{Me}]{5,}", regex.V1)
PIECES = re.compile(r"\n|[^\S\n]+|\S+")
AROUND = 1000


def visible(text: str, *, keep: Set[str] = frozenset(), around: str = "") -> str:
    """The text with what deceives spelled out, and look-alikes marked; nothing of it is lost.

    Spelled out is what can't be seen, turns others around or buries them: `pay[U+200B]pal`. A
    look-alike keeps its place, and its number follows: `pа[U+0430]ypal`.

    Args:
        keep: characters to leave as they are; joiners only where they join emoji.
        around: more of what was written there; it tells which scripts are really used.
    """
    if text.isascii() and text.isprintable():
        return text
    spelled = _spelled(text, keep)
    if spelled.isascii():
        return spelled
    from hitl.lookalikes import marked  # its lists take a moment to read

    return marked(spelled, around)


def _spelled(text: str, keep: Set[str]) -> str:
    there = set(text)
    if keep & EMOJI_JOINERS & there:
        text = JOINER.sub(lambda found: _numbers(found[1]) if found[1] else found[0], text)
    if any(map(unicodedata.combining, there)):
        text = FLOOD.sub(lambda found: _numbers(found[0]), text)
    hidden = [each for each in there - keep if _is_hidden(each)]
    return text.translate({ord(each): _numbers(each) for each in hidden}) if hidden else text


def _numbers(characters: str) -> str:
    return "".join(f"[U+{ord(each):04X}]" for each in characters)


@lru_cache(maxsize=4096)
def _is_hidden(character: str) -> bool:
    return UNSEEN.match(character) is not None


def value(data: Any) -> str:
    """An argument's value to the letter; strings without quotes unless they'd look like another."""
    if not isinstance(data, str):
        return json.dumps(data, ensure_ascii=False)
    try:
        json.loads(data)
    except ValueError:
        return data if data.strip() == data and data else json.dumps(data, ensure_ascii=False)
    return json.dumps(data, ensure_ascii=False)


def cells(character: str) -> int:
    """How many columns a character takes at most: some screens draw ambiguous ones wide."""
    if unicodedata.category(character) in ("Mn", "Me") or character in EMOJI_JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WFA" else 1


class Rows:
    """Writes text, as it comes, in rows behind a margin: no text can begin a row by itself.

    Only the margin tells whose words a row holds, so a model that writes "approve? [y/n/reason]"
    can't be taken for the one who asks.

    Args:
        say: where to; gets text as it is to appear, newlines included.
        margin: what every row begins with.
        width: the columns of the screen.
        mark: what a row begins with that only goes on with the one above.
    """

    def __init__(self, say: Callable[[str], None], margin: str, width: int, mark: str = "") -> None:
        self._say, self._margin, self._mark = say, margin, mark
        self._room = max(width - len(margin), 20)
        self._column: int | None = None
        self._word = self._said = ""

    def write(self, text: str) -> None:
        """Add text; its last word is held back until it is whole."""
        text = self._word + text
        end = 1 + max(text.rfind(blank) for blank in " \t\n")
        self._word = text[end:]
        self._put(text[:end])

    def end(self) -> None:
        """Write what was held back, and finish the row."""
        self._put(self._word)
        self._word = ""
        if self._column is not None:
            self._say("\n")
            self._column = None

    def line(self, text: str) -> None:
        """Write rows of their own."""
        self.write(text)
        self.end()

    def _put(self, text: str) -> None:
        seen = visible(text, keep=IN_PROSE, around=self._said).replace("\t", "⇥")
        self._said = (self._said + text)[-AROUND:]
        out = [part for piece in PIECES.findall(seen) for part in self._placed(piece)]
        if out:
            self._say("".join(out))

    def _placed(self, piece: str) -> list[str]:
        """A word, a gap or a line's end, with the row ends and margins that it needs."""
        if piece == "\n":
            before = [self._margin] if self._column is None else []
            self._column = None
            return [*before, "\n"]
        out = [] if self._column is not None else [self._margin]
        self._column = self._column or 0
        length = sum(map(cells, piece))
        if self._column + length > self._room and not piece.isspace() and length <= self._room:
            out.append(self._wrap())
        for character in piece:
            if self._column + cells(character) > self._room:
                out.append(self._wrap())
            out.append(character)
            self._column += cells(character)
        return out

    def _wrap(self) -> str:
        self._column = len(self._mark)
        return f"\n{self._margin}{self._mark}"
