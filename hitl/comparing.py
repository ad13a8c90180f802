"""Whether a value stands in a text: whole, not as a part of a longer word, number or address.

Words and e-mail addresses may differ in case, text on one line in the number of its blanks, and a
number may be written as people write it. Nothing else may: letters that only look alike are other
letters, which `resembles` tells. In doubt it does not stand there. All of it takes time in
proportion to the lengths, whatever the texts are.
"""

import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from functools import cached_property
from typing import Any

import regex

from hitl.amounts import (
    amount_of,
    as_decimal,
    days_in_words,
    numbers_in,
    read_number,
    terms_in,
)
from hitl.standing import (
    LONGEST_PIECE,
    MINUS,
    PLAIN_WORDS,
    UNSEEN,
    joins_around,
    stands_alone,
)

MOST_LOOKS, MOST_FIELDS = 200, 2_000
WORDS_IN_A_ROW, MOST_WORDS = 5, 20_000
SHORTEST_ALIKE, LONGEST_ALIKE, SHORTEST_PIECE = 4, 500, 6

# Not characters of any text, so that what they join or part is never found by accident.
CUT, BETWEEN = "\ufdd0", "\ufdd2"
# Three signs that Unicode takes for the same as one of ASCII, though they are not: K is one.
NO_ASCII = {0x037E: "\ufdd3", 0x1FEF: "\ufdd4", 0x212A: "\ufdd5"}

BLANKS = regex.compile(r"[\t\p{Zs}]+")
# What a value has only on purpose: line breaks, control characters, blanks that are not plain.
UNEVEN = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]|[^\P{Zs} ]")
LAST_BREAK = re.compile(r"\r?\n\Z")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")

# Quotation marks make one name of what is in them: 'my file.txt'.
QUOTED = regex.compile(
    r"""(?<![\w"'`])(?:"([^"\n]{1,120})"|`([^`\n]{1,120})`|'(?=\S)([^\n]{1,120}?)(?<=\S)'(?!\w))"""
    r"|“([^”\n]{1,120})”|„([^“”\n]{1,120})[“”]|[‘‚](?=\S)([^\n]{1,120}?)(?<=\S)[’‘](?!\w)"
    r"|«([^»\n]{1,120})»|「([^」\n]{1,120})」|『([^』\n]{1,120})』|《([^》\n]{1,120})》"
)

# A run of either kind: text without blanks puts Latin words and numbers between its own.
WORD = re.compile(r"[a-z0-9_]+|[^\Wa-z0-9_]+")


DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
APART = re.compile(r"[\s<>()\[\]{}\"'`,;|?&=#\ufdd2]+")
AROUND_WORDS = ".,:;!?()[]{}<>\"'`*_"
LOOKS_LIKE = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o"})


class Text:
    """A text to find values in; of JSON, its names and values as they are without their marks.

    Args:
        written: the text.
        longest: characters that are looked at: of a longer text its head and tail.
        has_names: whether what it has in quotation marks is one name, of which no part is found.
    """

    def __init__(self, written: str, longest: int, has_names: bool = False) -> None:
        if len(written) > longest:  # a word that a cut goes through must not look like a whole one
            half = longest // 2
            written = f"{written[:half]}{CUT}\n{CUT}{written[-half:]}"
        self._written, self._longest, self._has_names = written, longest, has_names
        # Each look costs; a text that is made to need many is soon no longer looked at.
        self._looks_left = MOST_LOOKS + len(written) // 20
        self._names: dict[str, list[tuple[int, int]]] = {}

    @cached_property
    def _parts(self) -> list[tuple[str, str]]:
        """Of JSON, each value after the name of its field."""
        parts = _parts_of_json(self._written)
        return [("", self._written)] if parts is None else parts

    @cached_property
    def _plain(self) -> str:
        return f"\n{BETWEEN}\n".join(part for _, part in self._parts)

    @cached_property
    def fields(self) -> list[tuple[str, "Text"]]:
        """The values of a JSON text after the names of their fields; itself if it is none."""
        if len(self._parts) == 1:
            return [(self._parts[0][0], self)]
        few = self._parts if len(self._parts) <= MOST_FIELDS else []
        return [(name, Text(part, self._longest, self._has_names)) for name, part in few]

    @cached_property
    def _exact(self) -> str:
        return composed(self._plain)

    @cached_property
    def _exact_lines(self) -> str:
        return self._exact.replace("\r\n", "\n")

    @cached_property
    def _lines(self) -> str:
        return evened(self._plain)

    @cached_property
    def _small_lines(self) -> str:
        return self._lines.lower()

    @cached_property
    def _small(self) -> str:
        return self._small_lines.replace("\n", " ")

    @cached_property
    def numbers(self) -> frozenset[Decimal]:
        read = (read_number(part) for _, part in self._parts if isinstance(part, JsonNumber))
        free = (
            number for number, start, end in numbers_in(self._lines) if self._is_free(start, end)
        )
        return frozenset(number for number in (*read, *free) if number is not None)

    @cached_property
    def terms(self) -> frozenset[Decimal]:
        """The numbers of its sums."""
        return frozenset(terms_in(self._lines))

    def _is_free(self, start: int, end: int) -> bool:
        return not self._is_in_name(self._lines, start, end)

    @cached_property
    def amount(self) -> Decimal | None:
        """The number that is all of it."""
        if isinstance(self._written, JsonNumber):
            return read_number(self._written)
        number = amount_of(self._lines.lstrip(MINUS))
        return -number if number is not None and self._lines[0] in MINUS else number

    @cached_property
    def alike(self) -> str:
        """What it looks like at a glance."""
        return glance(self._plain)

    @cached_property
    def pieces(self) -> frozenset[str]:
        """Its addresses, paths and numbers: what nobody writes twice by chance."""
        return frozenset(telling_pieces(self._lines))

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(WORD.findall(self._small))

    @cached_property
    def rows(self) -> frozenset[str]:
        """Each few words in a row."""
        return frozenset(word_rows(self._small))

    def compared_with(self, form: "Form") -> str:
        """What of it a form must be the same as."""
        match form.how:
            case How.EXACT:
                return self._exact if "\r" in form.said else self._exact_lines
            case How.ON_A_LINE:
                return self._lines
            case How.IN_ANY_CASE:
                return self._small_lines

    def holds(self, form: "Form") -> bool:
        """Whether it stands there."""
        words = WORD.findall(form.said.lower())
        return all(map(self.words.__contains__, words)) and self._finds(
            form.said, self.compared_with(form), form.said
        )

    def looks_as_if_it_held(self, glance: str, value: str) -> bool:
        return self._finds(glance, self.alike, value)

    def _finds(self, wanted: str, text: str, value: str) -> bool:
        joins = joins_around(value)
        at = text.find(wanted)
        while at >= 0 and self._looks_left > 0:
            self._looks_left -= 1
            end = at + len(wanted)
            if stands_alone(text, at, end, joins) and not self._is_in_name(text, at, end):
                return True
            at = text.find(wanted, at + 1)
        return False

    def _is_in_name(self, text: str, start: int, end: int) -> bool:
        """Whether it is a part of what stands in quotation marks."""
        if not self._has_names:
            return False
        if text not in self._names:
            found = QUOTED.finditer(text)
            self._names[text] = [each.span(each.lastindex) for each in found]
        names = self._names[text]
        nearest = bisect_right(names, (start, len(text))) - 1
        if nearest < 0:
            return False
        begins, ends = names[nearest]
        rest = text[begins:start] + text[end:ends]
        return start < ends and end <= ends and any(map(str.isalnum, rest))


class How(Enum):
    """How exactly a text must be the same as another."""

    EXACT = auto()
    ON_A_LINE = auto()  # but for the number of its blanks
    IN_ANY_CASE = auto()  # and number of blanks


@dataclass(frozen=True)
class Form:
    """One way to write a value."""

    said: str
    how: How

    @classmethod
    def of(cls, said: str) -> "Form":
        """Of a text on one line."""
        if PLAIN_WORDS.fullmatch(said) or ADDRESS.fullmatch(said):
            return cls(said.lower(), How.IN_ANY_CASE)
        return cls(said, How.ON_A_LINE)


@dataclass(frozen=True)
class Wanted:
    """A value to find, as the ways that people write it.

    Args:
        forms: any of these, as text.
        number: this number, however it is written.
        glance: what it looks like at a glance; "" if that says nothing.
        value: the value itself, if it is text.
    """

    forms: tuple[Form, ...] = ()
    number: Decimal | None = None
    glance: str = ""
    value: str = ""

    @classmethod
    def of(cls, value: Any) -> "Wanted":
        """Of true, false and nothing no text can tell whether it means them."""
        match value:
            case bool() | None:
                return cls()
            case int() | float():
                return cls(number=as_decimal(value))
            case str():
                forms = tuple(form for form in _forms(value) if _tells(form.said))
                return cls(forms, glance=_telling_glance(value), value=value)
            case _:
                return cls()

    def is_in(self, text: Text) -> bool:
        """Whether it stands there."""
        if self.number is not None:
            return self.number in text.numbers
        return any(map(text.holds, self.forms))

    def is_term_in(self, text: Text) -> bool:
        """Whether it is a number of a sum there."""
        return self.number in text.terms

    def is_all_of(self, text: Text) -> bool:
        """Whether nothing else stands there."""
        if self.number is not None:
            return text.amount == self.number and self.is_in(text)
        return any(text.compared_with(form).strip("\n") == form.said for form in self.forms)

    def resembles(self, text: Text) -> bool:
        """Whether it stands there for somebody who reads quickly."""
        return bool(self.glance) and text.looks_as_if_it_held(self.glance, self.value)


def composed(text: str) -> str:
    """With one character for each letter; look-alikes stay what they are."""
    return unicodedata.normalize("NFC", text.translate(NO_ASCII))


def evened(text: str) -> str:
    """With single blanks on each line, and no empty lines."""
    lines = (BLANKS.sub(" ", line).strip(" ") for line in re.split("\r\n?|\n", composed(text)))
    return "\n".join(filter(None, lines))


class JsonNumber(str):
    """A number of a JSON text, as it is written there: of 1.000 there is no doubt."""


def _parts_of_json(text: str) -> list[tuple[str, str]] | None:
    """The names and values of a JSON text, each number as it is written; None if it is none.

    Each comes after the name of the field that it is in, or "".
    """
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        read = json.loads(text, parse_float=JsonNumber, parse_int=JsonNumber, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    parts: list[tuple[str, str]] = []
    level = [("", read)]
    while level:
        parts += [(field, each) for field, each in level if isinstance(each, str)]
        for field, each in level:
            parts += [(field, name) for name in each] if isinstance(each, dict) else []
        level = [below for field, each in level for below in _inside(field, each)]
    return parts


def _inside(field: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return [(field, each) for each in value] if isinstance(value, list) else []


# As people write it


def _forms(value: str) -> Iterator[Form]:
    written = composed(LAST_BREAK.sub("", value))
    if UNEVEN.search(written):
        yield Form(written, How.EXACT)
        return
    said = evened(written)
    yield Form.of(said)
    if re.fullmatch(r"#[0-9]+", said):
        yield Form.of(said[1:])
    if " " in said and said[-1] in ".!":
        yield Form.of(said[:-1])
    if DAY.fullmatch(said):
        yield from (Form(day, How.IN_ANY_CASE) for day in days_in_words(said))


def _tells(form: str) -> bool:
    """Whether finding it says anything: a single letter or sign is everywhere."""
    is_word = len(form) > 1 and any(map(str.isalnum, form))
    return is_word or (form.isascii() and form.isdigit())


# At a glance


def glance(text: str) -> str:
    """What a text looks like to somebody who reads quickly: `pаypaI` and `paypal` are one."""
    shown = unicodedata.normalize("NFKD", text).translate(_PLAINEST)
    return " ".join(shown.split()).replace("rn", "m").replace("vv", "w")


class _Plainest(dict[int, str]):
    """Each character as the plainest one that it looks like."""

    def __missing__(self, number: int) -> str:
        character = chr(number)
        if character in (CUT, BETWEEN):
            self[number] = character
        elif UNSEEN.match(character):
            self[number] = ""
        else:
            self[number] = min(each.lower().translate(LOOKS_LIKE) for each in _twins(character))
        return self[number]


_PLAINEST = _Plainest()


def _twins(character: str) -> frozenset[str]:
    if character.isascii():
        return frozenset(character)
    from hitl.lookalikes import TWINS  # its lists take a moment to read

    return TWINS.get(character, frozenset(character))


def _telling_glance(value: str) -> str:
    if not any(map(str.isalpha, value)) or len(value) > LONGEST_ALIKE:
        return ""
    seen = glance(value)
    return seen if len(seen) >= SHORTEST_ALIKE else ""


# A part of a longer text


def telling_pieces(text: str) -> Iterator[str]:
    """The addresses, in small letters, the paths and the long numbers of a text."""
    for part in APART.split(text):
        for piece in _with_what_it_leads_to(part.strip(AROUND_WORDS)):
            if SHORTEST_PIECE <= len(piece) <= LONGEST_PIECE and _is_telling(piece):
                yield piece.lower() if ADDRESS.fullmatch(piece) else piece


def _with_what_it_leads_to(piece: str) -> Iterator[str]:
    """A link, and its server alone; `mailto:` and the address behind it."""
    yield piece
    before, colon, address = piece.partition(":")
    if colon and before.isalpha():
        address = address.lstrip("/")
        yield address
        yield address.partition("/")[0]


def _is_telling(piece: str) -> bool:
    has_sign = any(character.isdigit() or character in "@.\\" for character in piece)
    return has_sign or piece.count("/") > 1


def word_rows(text: str) -> Iterator[str]:
    """Each few words in a row of a text, as they are written."""
    words = [word.strip(AROUND_WORDS) for word in text.split()[:MOST_WORDS]]
    for start in range(len(words) - WORDS_IN_A_ROW + 1):
        yield " ".join(words[start : start + WORDS_IN_A_ROW])
