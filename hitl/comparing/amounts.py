"""Numbers and days as people write them: 1,000.50, 24,90, March 5, 2026."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation

from hitl.comparing.standing import MINUS, stands_alone

LONGEST_DIGITS = 60

NUMBER = re.compile(r"[0-9](?:[0-9.,'’]*[0-9])?")
PLAIN = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")  # 1042, 24.90
EITHER = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")  # 1.000: one, or a thousand?
ENGLISH = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")  # 1,000.50
COMMA = re.compile(r"(?:0|[1-9][0-9]*),[0-9]+")  # 24,90
GERMAN = re.compile(
    r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3}){2,}(?:,[0-9]+)?|(?:\.[0-9]{3})+,[0-9]+)"
)  # 1.000,50
SWISS = re.compile(r"[1-9][0-9]{0,2}(?:['’][0-9]{3})+(?:\.[0-9]+)?")  # 1'000.50
# 10 + 10, 3×4, 8 minus 2; a dash or slash is as often a range, a day, or between two things.
SUM = re.compile(
    r"(?<![\w.,'’])(?:[0-9][0-9.,'’]*(?: ?[+*×·÷] ?| x | (?:plus|minus|times) ))+"
    r"[0-9](?:[0-9.,'’]*[0-9])?(?![.,'’]*\w)"
)
MONTHS = "january february march april may june july august september october november december"


def days_in_words(said: str) -> Iterator[str]:
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


def as_decimal(value: int | float) -> Decimal | None:
    """The number, to the digit; None if nobody writes it: too long, or not finite."""
    if isinstance(value, int) and value.bit_length() > 3 * LONGEST_DIGITS:
        return None
    number = Decimal(repr(value))
    return number if number.is_finite() else None


def read_number(written: str) -> Decimal | None:
    """A number as JSON writes it; None if it is none, or too long."""
    try:
        return Decimal(written) if len(written) <= LONGEST_DIGITS else None
    except InvalidOperation:  # 1e99999999999999999999
        return None


def numbers_in(text: str) -> Iterator[tuple[Decimal, int, int]]:
    """Each with where it begins and ends."""
    for found in NUMBER.finditer(text):
        start, end = found.span()
        is_negative = start > 0 and text[start - 1] in MINUS
        if end - start > LONGEST_DIGITS or not stands_alone(text, start - is_negative, end):
            continue
        number = amount_of(found[0])
        if number is not None:
            yield -number if is_negative else number, start - is_negative, end


def terms_in(text: str) -> Iterator[tuple[Decimal, int, int]]:
    """The numbers of each sum that stands alone, with where the sum begins and ends.

    Of 10 + 10 nobody said 10, yet an agent that adds did not make it up.
    """
    for sum_ in SUM.finditer(text):
        start, end = sum_.span()
        if not stands_alone(text, start, end):
            continue
        for found in NUMBER.finditer(sum_[0]):
            number = amount_of(found[0]) if len(found[0]) <= LONGEST_DIGITS else None
            if number is not None:
                yield number, start, end


def amount_of(written: str) -> Decimal | None:
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
