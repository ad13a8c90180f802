"""What kind of thing an argument is, so that a card can lay it out as people know it."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Kind = Literal["money", "date", "email", "url", "code", "table", "text", "plain"]
FORMATS: dict[Any, Kind] = {
    "money": "money",
    "email": "email",
    "idn-email": "email",
    "date": "date",
    "date-time": "date",
    "uri": "url",
    "url": "url",
    "code": "code",
}
MONEY = re.compile(r"(^|_)(amount|price|total|cost|fee|salary|budget)($|_)")
CODE = re.compile(r"(^|_)(code|sql|query|script|command|regex|html|json|yaml|diff|patch)($|_)")
EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")
URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
LANGUAGES = ("sql", "html", "json", "yaml", "diff")
MOST_COLUMNS = 8


def kind_of(name: str, value: Any, schema: Mapping[str, Any]) -> Kind:
    """The kind of an argument: as its tool's schema says, else as its name and value suggest.

    Args:
        schema: of this argument; may be empty.
    """
    declared = FORMATS.get(schema.get("format"))
    if declared and _fits(declared, value):
        return declared
    lower = name.lower()
    match value:
        case bool() | None:
            return "plain"
        case int() | float():
            return "money" if MONEY.search(lower) else "plain"
        case str():
            return _kind_of_text(lower, value)
        case list() if _is_table(value):
            return "table"
        case _:
            return "plain"


def _fits(kind: Kind, value: Any) -> bool:
    """Whether a value can be shown as what its schema calls it."""
    match kind:
        case "money":
            return money(value) is not None
        case "date":
            return day(value) is not None
        case _:
            return isinstance(value, str)


def _kind_of_text(name: str, value: str) -> Kind:
    if EMAIL.fullmatch(value):
        return "email"
    if URL.fullmatch(value):
        return "url"
    if day(value) is not None:
        return "date"
    if CODE.search(name) and ("\n" in value or len(value) > 40):
        return "code"
    return "text" if "\n" in value or len(value) > 72 else "plain"


def _is_table(value: list[Any]) -> bool:
    """Whether it is a list of flat objects with the same names."""
    if not value or not all(isinstance(row, dict) and row for row in value):
        return False
    names = list(value[0])
    flat = (str, int, float, bool, type(None))
    return len(names) <= MOST_COLUMNS and all(
        list(row) == names and all(isinstance(cell, flat) for cell in row.values()) for row in value
    )


def money(value: Any) -> str | None:
    """An amount as people write it, with two decimals and parted thousands; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if (
        not amount.is_finite()
        or abs(amount) >= 10**15
        or amount != amount.quantize(Decimal("0.01"))
    ):
        return None
    return f"{amount:,.2f}"


def day(value: Any) -> str | None:
    """A date, or a date with a time, in words: `Monday, 7 July 2026`; None if it is none."""
    if not isinstance(value, str) or len(value) < 8:
        return None
    try:
        if "T" not in value and " " not in value.strip():
            return _in_words(date.fromisoformat(value)) if "-" in value else None
        moment = datetime.fromisoformat(value)
        return f"{_in_words(moment)}, {moment:%H:%M}"
    except ValueError:
        return None


def _in_words(moment: date) -> str:
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


def language(name: str) -> str | None:
    """The language of code, as far as the argument's name tells it."""
    return next((each for each in LANGUAGES if each in name.lower()), None)
