"""Whether what was found in a text stands there whole: not as a part of a longer word, name,
number, address or link, and of several lines all of each."""

import re
import unicodedata
from functools import lru_cache

import regex

MOST_SIGNS, LONGEST_PIECE = 100, 300

UNSEEN = regex.compile(
    r"[\p{M}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Default_Ignorable_Code_Point}\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
)
PLAIN_WORDS = regex.compile(r"[\p{L}\p{M} '’-]+")
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
# What may stand before the first line of a text, and after its last.
LEADS_IN, LEADS_OUT = frozenset("\"'`“„‘«:："), "\"'`”“’»"
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

Joins = tuple[frozenset[str], frozenset[str]]


NONE: Joins = (frozenset(), frozenset())


def joins_around(wanted: str) -> Joins:
    """The signs that make what is before it, and after it, another name; none if it is no name."""
    words = wanted.split()
    return (_joins_of(words[0]), _joins_of(words[-1])) if words else NONE


def _joins_of(word: str) -> frozenset[str]:
    if PLAIN_WORDS.fullmatch(word) or not any(map(str.isalpha, word)):
        return frozenset()
    return JOINS | {"="} if "@" in word else JOINS


def stands_alone(text: str, start: int, end: int, joins: Joins = NONE) -> bool:
    """Whether what is at `start` up to `end` is a whole, and nothing beside it makes more of it.

    Args:
        joins: the signs that make another name of it, before it and after it.
    """
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
