"""Whether a value stands in a text: whole, not as a part of a longer word, number or address.

Case and blanks don't matter, and a number may be written as people write it. Everything else does:
letters that only look alike are other letters, which `resembles` tells. In doubt it does not stand
there. All of it takes time in proportion to the lengths, whatever the texts are.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import regex

MOST_SIGNS, MOST_LOOKS, MOST_FIELDS, LONGEST_DIGITS = 100, 200, 2_000, 60
WORDS_IN_A_ROW, MOST_WORDS = 5, 20_000
SHORTEST_ALIKE, LONGEST_ALIKE, SHORTEST_PIECE, LONGEST_PIECE = 4, 500, 6, 300

# Not characters of any text, so that what they join or part is never found by accident.
CUT, GROUP, BETWEEN = "\ufdd0", "\ufdd1", "\ufdd2"
# Three signs that Unicode takes for the same as one of ASCII, though they are not: K is one.
NO_ASCII = {0x037E: "\ufdd3", 0x1FEF: "\ufdd4", 0x212A: "\ufdd5"}

UNSEEN = regex.compile(r"[\p{M}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Default_Ignorable_Code_Point}]")
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
MINUS = "-\u2212"
# What goes on with a word, number or address, if another part of it follows.
SIGNS = frozenset(DASHES + ".@+~&%?#'’")
PATH = frozenset("/\\")

# A run of either kind: text without blanks puts Latin words and numbers between its own.
WORD = re.compile(r"[a-z0-9_]+|[^\Wa-z0-9_]+")
NUMBER = re.compile(r"[0-9](?:[0-9.,'’]*[0-9])?")
# `12 500`: one number, or two? Nobody can tell, so it is neither.
GROUPS = re.compile(r"(?<![0-9])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
PLAIN = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")  # 1042, 24.90
ENGLISH = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")  # 1,000.50
COMMA = re.compile(r"(?:0|[1-9][0-9]*),[0-9]+")  # 24,90
GERMAN = re.compile(
    r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3}){2,}(?:,[0-9]+)?|(?:\.[0-9]{3})+,[0-9]+)"
)  # 1.000,50
SWISS = re.compile(r"[1-9][0-9]{0,2}(?:['’][0-9]{3})+(?:\.[0-9]+)?")  # 1'000.50

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MONTHS = "january february march april may june july august september october november december"
APART = re.compile(r"[\s<>()\[\]{}\"'`,;|?&=#\ufdd2]+")
AROUND_WORDS = ".,:;!?()[]{}<>\"'`*_"
LOOKS_LIKE = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o"})


class Text:
    """A text to find values in; of JSON, its names and values as they are without their marks.

    Args:
        written: the text.
        longest: characters that are looked at: of a longer text its head and tail.
    """

    def __init__(self, written: str, longest: int) -> None:
        if len(written) > longest:  # a word that a cut goes through must not look like a whole one
            half = longest // 2
            written = f"{written[:half]}{CUT}\n{CUT}{written[-half:]}"
        self._written, self._longest = written, longest
        # Each look costs; a text that is made to need many is soon no longer looked at.
        self._looks_left = MOST_LOOKS + len(written) // 20

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
        return [(name, Text(part, self._longest)) for name, part in few]

    @cached_property
    def lines(self) -> str:
        return folded(self._plain)

    @cached_property
    def flat(self) -> str:
        """All of it on one line."""
        return self.lines.replace("\n", " ")

    @cached_property
    def numbers(self) -> frozenset[Decimal]:
        return frozenset(_numbers_in(self.flat))

    @cached_property
    def alike(self) -> str:
        """What it looks like at a glance."""
        return glance(self._plain)

    @cached_property
    def pieces(self) -> frozenset[str]:
        """Its addresses, paths and numbers: what nobody writes twice by chance."""
        return frozenset(telling_pieces(self.flat))

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(WORD.findall(self.flat))

    @cached_property
    def rows(self) -> frozenset[str]:
        """Each few words in a row."""
        return frozenset(word_rows(self.flat))

    def holds(self, form: str) -> bool:
        """Whether a folded text stands in it."""
        words = WORD.findall(form)
        return all(map(self.words.__contains__, words)) and self._finds(
            form, self.lines if "\n" in form else self.flat
        )

    def looks_as_if_it_held(self, glance: str) -> bool:
        return self._finds(glance, self.alike)

    def _finds(self, wanted: str, text: str) -> bool:
        at = text.find(wanted)
        while at >= 0 and self._looks_left > 0:
            self._looks_left -= 1
            if _stands_alone(text, at, at + len(wanted)):
                return True
            at = text.find(wanted, at + 1)
        return False


@dataclass(frozen=True)
class Wanted:
    """A value to find, as the ways that people write it.

    Args:
        forms: any of these, as text.
        number: this number, however it is written.
        glance: what it looks like at a glance; "" if that says nothing.
    """

    forms: tuple[str, ...] = ()
    number: Decimal | None = None
    glance: str = ""

    @classmethod
    def of(cls, value: Any) -> "Wanted":
        """Of true, false and nothing no text can tell whether it means them."""
        match value:
            case bool() | None:
                return cls()
            case int() | float():
                return cls(number=_as_decimal(value))
            case str():
                return cls(tuple(filter(_tells, _forms(value))), glance=_telling_glance(value))
            case _:
                return cls()

    def is_in(self, text: Text) -> bool:
        """Whether it stands there."""
        if self.number is not None:
            return self.number in text.numbers
        return any(map(text.holds, self.forms))

    def is_all_of(self, text: Text) -> bool:
        """Whether nothing else stands there."""
        if self.number is not None:
            return _amount(text.flat.lstrip(MINUS)) == abs(self.number) and self.is_in(text)
        return text.lines in self.forms or text.flat in self.forms

    def resembles(self, text: Text) -> bool:
        """Whether it stands there for somebody who reads quickly."""
        return bool(self.glance) and text.looks_as_if_it_held(self.glance)


def folded(text: str) -> str:
    """In small letters, with single blanks and line ends; look-alikes stay what they are."""
    small = unicodedata.normalize("NFC", text.translate(NO_ASCII)).lower()
    lines = (" ".join(line.split()) for line in small.splitlines())
    return GROUPS.sub(lambda found: found[0].replace(" ", GROUP), "\n".join(filter(None, lines)))


def _parts_of_json(text: str) -> list[tuple[str, str]] | None:
    """The names and values of a JSON text, each number as it is written; None if it is none.

    Each comes after the name of the field that it is in, or "".
    """
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        read = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
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


# Whole, not as a part


def _stands_alone(text: str, start: int, end: int) -> bool:
    return not _goes_on(text, start, -1) and not _goes_on(text, end - 1, 1)


def _goes_on(text: str, edge: int, step: int) -> bool:
    """Whether what ends with the character at `edge` is part of something longer."""
    at = edge + step
    if not 0 <= at < len(text):
        return False
    inner, outer = text[edge], text[at]
    if _is_wordy(outer):
        return not (inner.isascii() and _has_no_blanks(outer))
    if outer in PATH or (step < 0 and outer in ".+"):
        return True
    beyond = text[at + step] if 0 <= at + step < len(text) else " "
    if outer == ",":
        return inner.isdigit() and beyond.isdigit()
    if outer == ":":
        return beyond in PATH or (beyond.isdigit() and (step > 0 or inner.isdigit()))
    if step < 0 and outer in DASHES and inner.isdigit():
        return True
    if outer in "'’" and step > 0 and beyond == "s":  # Ann's
        after = text[at + 2 : at + 3]
        return after in PATH or after in SIGNS or _is_wordy(after or " ")
    return (outer in SIGNS or (outer == "=" and step > 0)) and _signs_lead_on(text, at, step)


def _signs_lead_on(text: str, at: int, step: int) -> bool:
    """Whether something follows the signs that begin at `at`: `ann@example.com.evil.org`."""
    for _ in range(MOST_SIGNS):
        at += step
        if not 0 <= at < len(text):
            return False
        if text[at] not in SIGNS and text[at] not in PATH:
            return _is_wordy(text[at])
    return True


@lru_cache(maxsize=4096)
def _is_wordy(character: str) -> bool:
    """Whether it belongs to the word beside it; what can't be seen does."""
    return character.isalnum() or character == "_" or UNSEEN.match(character) is not None


@lru_cache(maxsize=4096)
def _has_no_blanks(character: str) -> bool:
    """Whether its script puts Latin words and numbers between its own without a blank."""
    if character.isascii() or not character.isalpha() or UNSEEN.match(character):
        return False
    from hitl.lookalikes import EAST, TWINS, script  # its lists take a moment to read

    return script(character) in EAST and character not in TWINS


# As people write it


def _forms(value: str) -> Iterator[str]:
    said = folded(value)
    yield said
    if re.fullmatch(r"#[0-9]+", said):
        yield said[1:]
    if " " in said and said[-1] in ".!":
        yield said[:-1]
    if DAY.fullmatch(said):
        yield from _days_in_words(said)


def _tells(form: str) -> bool:
    """Whether finding it says anything: a single letter or sign is everywhere."""
    is_word = len(form) > 1 and any(map(str.isalnum, form))
    return is_word or (form.isascii() and form.isdigit())


def _days_in_words(said: str) -> Iterator[str]:
    """`2026-03-05` as people say it, where that can be no other day: not as 3/5."""
    try:
        day = date.fromisoformat(said)
    except ValueError:
        return
    name, number = MONTHS.split()[day.month - 1], str(day.day)
    teens = 11 <= day.day <= 13
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    for month in {name, name[:3], f"{name[:3]}."}:
        for each in (number, number + ending):
            yield f"{each} {month} {day.year}"
            yield f"{each} of {month} {day.year}"
            yield f"{month} {each}, {day.year}"
            yield f"{month} {each} {day.year}"
    yield f"{number}.{day.month}.{day.year}"
    yield f"{number:0>2}.{day.month:02}.{day.year}"


def _as_decimal(value: int | float) -> Decimal | None:
    if isinstance(value, int) and value.bit_length() > 3 * LONGEST_DIGITS:
        return None
    number = Decimal(repr(value))
    return number if number.is_finite() else None


def _numbers_in(text: str) -> Iterator[Decimal]:
    for found in NUMBER.finditer(text):
        start, end = found.span()
        is_negative = start > 0 and text[start - 1] in MINUS
        if end - start > LONGEST_DIGITS or not _stands_alone(text, start - is_negative, end):
            continue
        number = _amount(found[0])
        if number is not None:
            yield -number if is_negative else number


def _amount(written: str) -> Decimal | None:
    """The number; None if it is none, or rather a key: 007. `1.000` is one, `1,000` a thousand."""
    if PLAIN.fullmatch(written):
        return Decimal(written)
    if ENGLISH.fullmatch(written):
        return Decimal(written.replace(",", ""))
    if COMMA.fullmatch(written):
        return Decimal(written.replace(",", "."))
    if GERMAN.fullmatch(written):
        return Decimal(written.replace(".", "").replace(",", "."))
    if SWISS.fullmatch(written):
        return Decimal(re.sub("['’]", "", written))
    return None


# At a glance


def glance(text: str) -> str:
    """What a text looks like to somebody who reads quickly: `pаypaI` and `paypal` are one."""
    shown = unicodedata.normalize("NFKD", text).translate(_PLAINEST)
    return " ".join(shown.split()).replace("rn", "m").replace("vv", "w")


class _Plainest(dict[int, str]):
    """Each character as the plainest one that it looks like."""

    def __missing__(self, number: int) -> str:
        character = chr(number)
        if character in (CUT, GROUP, BETWEEN):
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
    """The addresses, paths and long numbers of a folded text."""
    for part in APART.split(text):
        for piece in _with_what_it_leads_to(part.strip(AROUND_WORDS)):
            if SHORTEST_PIECE <= len(piece) <= LONGEST_PIECE and _is_telling(piece):
                yield piece


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
    """Each few words in a row of a folded text."""
    words = [word.strip(AROUND_WORDS) for word in text.split()[:MOST_WORDS]]
    for start in range(len(words) - WORDS_IN_A_ROW + 1):
        yield " ".join(words[start : start + WORDS_IN_A_ROW])
