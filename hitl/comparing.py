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
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import Enum, auto
from functools import cached_property, lru_cache
from typing import Any

import regex

MOST_SIGNS, MOST_LOOKS, MOST_FIELDS, LONGEST_DIGITS = 100, 200, 2_000, 60
WORDS_IN_A_ROW, MOST_WORDS = 5, 20_000
SHORTEST_ALIKE, LONGEST_ALIKE, SHORTEST_PIECE, LONGEST_PIECE = 4, 500, 6, 300

# Not characters of any text, so that what they join or part is never found by accident.
CUT, BETWEEN = "\ufdd0", "\ufdd2"
# Three signs that Unicode takes for the same as one of ASCII, though they are not: K is one.
NO_ASCII = {0x037E: "\ufdd3", 0x1FEF: "\ufdd4", 0x212A: "\ufdd5"}

UNSEEN = regex.compile(
    r"[\p{M}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Default_Ignorable_Code_Point}\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
)
BLANKS = regex.compile(r"[\t\p{Zs}]+")
# What a value has only on purpose: line breaks, control characters, blanks that are not plain.
UNEVEN = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]|[^\P{Zs} ]")
LAST_BREAK = re.compile(r"\r?\n\Z")
PLAIN_WORDS = regex.compile(r"[\p{L}\p{M} '’-]+")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")

DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
MINUS = "-\u2212"
# What goes on with a word, number or address, if another part of it follows.
SIGNS = frozenset(DASHES + ".@+~&%?#'’")
PATH = frozenset("/\\")
# What else may be a part of a name such as `jo$ann@example.com`, and what is between two names.
JOINS = frozenset("!#$%&?^~")
APART_BEFORE, APART_AFTER = frozenset(",;:<>=、"), frozenset(",;:<>)]、")
# Signs of other scripts that pass for these.
DOTS, SLASHES = frozenset("。·‧∙⋅・･"), frozenset("⁄∕")

# Quotation marks make one name of what is in them: 'my file.txt'.
QUOTED = regex.compile(
    r"""(?<![\w"'`])(?:"([^"\n]{1,120})"|`([^`\n]{1,120})`|'(?=\S)([^\n]{1,120}?)(?<=\S)'(?!\w))"""
    r"|“([^”\n]{1,120})”|„([^“”\n]{1,120})[“”]|[‘‚](?=\S)([^\n]{1,120}?)(?<=\S)[’‘](?!\w)"
    r"|«([^»\n]{1,120})»|「([^」\n]{1,120})」|『([^』\n]{1,120})』|《([^》\n]{1,120})》"
)
# What may stand before the first line of a text, and after its last.
LEADS_IN, LEADS_OUT = frozenset("\"'`“„‘«:："), "\"'`”“’»"

# A run of either kind: text without blanks puts Latin words and numbers between its own.
WORD = re.compile(r"[a-z0-9_]+|[^\Wa-z0-9_]+")
NUMBER = re.compile(r"[0-9](?:[0-9.,'’]*[0-9])?")
PLAIN = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")  # 1042, 24.90
EITHER = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")  # 1.000: one, or a thousand?
ENGLISH = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")  # 1,000.50
COMMA = re.compile(r"(?:0|[1-9][0-9]*),[0-9]+")  # 24,90
GERMAN = re.compile(
    r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3}){2,}(?:,[0-9]+)?|(?:\.[0-9]{3})+,[0-9]+)"
)  # 1.000,50
SWISS = re.compile(r"[1-9][0-9]{0,2}(?:['’][0-9]{3})+(?:\.[0-9]+)?")  # 1'000.50

# What makes a number a part of something: of groups (`3704 0044`), a sum (`10^6`), an amount with a
# sign (`-$5`), another notation (`5٬000`), or so many (`10 million`, `10 %`).
NEAR = 24
SUM, TIMES = rf"[{DASHES}+*×⋅·∙^/÷⁄∕∶=]", "[*×⋅·∙^÷]"
BEFORE_NUMBER = regex.compile(
    rf"""(?r)(?:
        \d\)?\ | \d[^\w\s]{{1,8}} | [\w)]{TIMES}+ | [\d)%\p{{Sc}}]\ ?(?:{SUM}+|[xX])\ ?[\p{{Sc}}(]?
        | (?<=[^\n])[{DASHES}]\ (?:(?:\p{{Sc}}|[A-Z]{{3}})\ ?)?
        | [{DASHES}](?:\p{{Sc}}|[A-Z]{{3}})\ ?
        | [±~≈]\ ?\p{{Sc}}?
        | (?<!\w)(?i:minus|negative|plus|times)\ (?:\p{{Sc}}\ ?)?
    )\Z""",
    regex.VERBOSE,
)
MANY = r"""hundred|thousand|million|billion|trillion|dozen|score|lakh|crore|percent|pct|per\ cent
    |per\ mille|mn|mln|mio|mill|bn|mrd|tsd|hundert|tausend|millionen|milliarden?|prozent|mille
    |milliers?|milliard|pour\ cent|mil|mill[oó]n(?:es)?|por\ ciento|mila|milion[ei]|miliard[oi]
    |milh(?:ão|ões)|bin|milyon|milyar|tys|тыс|тысячи?|тысяч|млн|миллион(?:а|ов)?|млрд
    |[kmt](?:[€$£]|eur|usd|chf|gbp)?|and\ a\ half"""
AFTER_NUMBER = regex.compile(
    rf"""\ \(?(?:[A-Z]{{4}}\ )?\d | [^\w\s]{{1,8}}\d | {TIMES}+[\w(]
        | \ ?(?:{SUM}+|[xX])\ ?[\p{{Sc}}(]?[\d(]
        | [{DASHES}] | \ ?[%‰‱٪\p{{No}}] | \ ?[十百千万萬億亿兆割백천만억조]
        | \ (?i:plus|minus|times)\ \p{{Sc}}?\d
        | \ ?(?i:{MANY})s?(?!\p{{L}})""",
    regex.VERBOSE,
)

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
        read = (_read_number(part) for _, part in self._parts if isinstance(part, JsonNumber))
        free = (
            number for number, start, end in _numbers_in(self._lines) if self._is_free(start, end)
        )
        return frozenset(number for number in (*read, *free) if number is not None)

    def _is_free(self, start: int, end: int) -> bool:
        return not self._is_in_name(self._lines, start, end)

    @cached_property
    def amount(self) -> Decimal | None:
        """The number that is all of it."""
        if isinstance(self._written, JsonNumber):
            return _read_number(self._written)
        number = _amount(self._lines.lstrip(MINUS))
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
        joins = _joins(value)
        at = text.find(wanted)
        while at >= 0 and self._looks_left > 0:
            self._looks_left -= 1
            end = at + len(wanted)
            if _stands_alone(text, at, end, joins) and not self._is_in_name(text, at, end):
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
                return cls(number=_as_decimal(value))
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


# Whole, not as a part


Joins = tuple[frozenset[str], frozenset[str]]
NONE: Joins = (frozenset(), frozenset())


def _joins(wanted: str) -> Joins:
    """The signs that make what is before it, and after it, another name; none if it is no name."""
    words = wanted.split()
    return (_joins_of(words[0]), _joins_of(words[-1])) if words else NONE


def _joins_of(word: str) -> frozenset[str]:
    if PLAIN_WORDS.fullmatch(word) or not any(map(str.isalpha, word)):
        return frozenset()
    return JOINS | {"="} if "@" in word else JOINS


def _stands_alone(text: str, start: int, end: int, joins: Joins = NONE) -> bool:
    if _goes_on(text, start, -1, joins[0]) or _goes_on(text, end - 1, 1, joins[1]):
        return False
    if "\n" in text[start:end] and not _is_whole_lines(text, start, end):
        return False
    number_before = text[start].isdigit() or (
        text[start] in MINUS and text[start + 1 : end].isdigit()
    )
    if number_before and BEFORE_NUMBER.search(text[max(0, start - NEAR) : start]):
        return False
    if text[end - 1].isdigit() and AFTER_NUMBER.match(text[end : end + NEAR]):
        return False
    return not _is_in_link(text, start)


def _is_whole_lines(text: str, start: int, end: int) -> bool:
    """Whether lines begin where lines begin, or after a colon or quotation mark, and end there."""
    before = text[max(0, start - 2) : start]
    begins = not before or before[-1] == "\n" or before.rstrip(" ")[-1:] in LEADS_IN
    after = text[end : end + 4].lstrip(LEADS_OUT)
    return begins and (
        end == len(text) or after.startswith("\n") or (not after and end + 4 > len(text))
    )


def _is_in_link(text: str, start: int) -> bool:
    before = text[max(0, start - LONGEST_PIECE) : start]
    return "://" in before and "://" in re.split(r"[\s<>\"]", before)[-1]


def _goes_on(text: str, edge: int, step: int, joins: frozenset[str]) -> bool:
    """Whether what ends with the character at `edge` is part of something longer."""
    at = edge + step
    if not 0 <= at < len(text):
        return False
    inner, outer = text[edge], _plain_sign(text[at]) if joins else text[at]
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
    if (outer in SIGNS or (outer == "=" and step > 0)) and _signs_lead_on(text, at, step):
        return True
    return bool(joins) and _is_joined(text, at, step, joins)


def _signs_lead_on(text: str, at: int, step: int) -> bool:
    """Whether something follows the signs that begin at `at`: `ann@example.com.evil.org`."""
    for _ in range(MOST_SIGNS):
        at += step
        if not 0 <= at < len(text):
            return False
        sign = _plain_sign(text[at])
        if sign not in SIGNS and sign not in PATH:
            return _is_wordy(sign)
    return True


def _is_joined(text: str, at: int, step: int, joins: frozenset[str]) -> bool:
    """Whether the sign at `at` makes another name: `jo$ann@example.com`, `"jo"ann@example.com`."""
    if step < 0 and text[at] in joins:
        return True
    for _ in range(MOST_SIGNS):
        if not 0 <= at < len(text) or _is_apart(text[at], step):
            return False
        if _is_wordy(text[at]):
            return True
        at += step
    return True


def _is_apart(sign: str, step: int) -> bool:
    """Whether it stands between two names, rather than in one."""
    if sign.isspace() or sign in (APART_BEFORE if step < 0 else APART_AFTER):
        return True
    if unicodedata.normalize("NFKC", sign) in (",", ";", ":"):
        return True
    kinds = ("Ps", "Pi") if step < 0 else ("Pe", "Pf")
    return not sign.isascii() and unicodedata.category(sign) in kinds


@lru_cache(maxsize=4096)
def _plain_sign(character: str) -> str:
    """The dot, slash, colon or @ that it passes for, or itself."""
    if character.isascii():
        return character
    if character in DOTS:
        return "."
    first = "/" if character in SLASHES else unicodedata.normalize("NFKC", character)[:1]
    return first if first in (".", "@", "/", "\\", ":") else character


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
        yield from (Form(day, How.IN_ANY_CASE) for day in _days_in_words(said))


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


def _read_number(written: str) -> Decimal | None:
    try:
        return Decimal(written) if len(written) <= LONGEST_DIGITS else None
    except InvalidOperation:  # 1e99999999999999999999
        return None


def _numbers_in(text: str) -> Iterator[tuple[Decimal, int, int]]:
    """Each with where it begins and ends."""
    for found in NUMBER.finditer(text):
        start, end = found.span()
        is_negative = start > 0 and text[start - 1] in MINUS
        if end - start > LONGEST_DIGITS or not _stands_alone(text, start - is_negative, end):
            continue
        number = _amount(found[0])
        if number is not None:
            yield -number if is_negative else number, start - is_negative, end


def _amount(written: str) -> Decimal | None:
    """The number; None if it is none, rather a key (007), or one of two (1.000)."""
    if EITHER.fullmatch(written):
        return None
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
