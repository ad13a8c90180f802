"""Plain text: what a model, a tool or a person wrote as rows that can't act on what shows them."""

import json
import re
import unicodedata
from collections.abc import Callable, Set
from typing import Any

import regex

# Also the blanks that are no space, among them an empty pattern of Braille.
UNSEEN = regex.compile(r"[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800--[ \t\n]]", regex.V1)
EMOJI_JOINERS = frozenset("\u200d\ufe0f")
# What a model may write beside words: emoji, and the blanks of other languages' typography.
IN_PROSE = EMOJI_JOINERS | set("\u00a0\u2002\u2003\u2009\u202f\u3000")
PIECES = re.compile(r"\n|[^\S\n]+|\S+")


def visible(text: str, *, keep: Set[str] = frozenset()) -> str:
    """The text with characters that can't be seen, or that turn others around, spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character in keep or not UNSEEN.match(character)
        else f"[U+{ord(character):04X}]"
        for character in text
    )


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
        self._word = ""

    def write(self, text: str) -> None:
        """Add text; its last word is held back until it is whole."""
        pieces = PIECES.findall(self._word + _seen(text))
        self._word = pieces.pop() if pieces and not pieces[-1].isspace() else ""
        self._put(pieces)

    def end(self) -> None:
        """Write what was held back, and finish the row."""
        self._put([self._word] if self._word else [])
        self._word = ""
        if self._column is not None:
            self._say("\n")
            self._column = None

    def line(self, text: str) -> None:
        """Write rows of their own."""
        self.write(text)
        self.end()

    def _put(self, pieces: list[str]) -> None:
        out = [part for piece in pieces for part in self._placed(piece)]
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


def _seen(text: str) -> str:
    return visible(text, keep=IN_PROSE).replace("\t", "⇥")
