"""A text as it is compared: letters in one form, blanks single; and the parts of a JSON text."""

import json
import re
import unicodedata
from typing import Any

import regex

# Not characters of any text, so that what they join or part is never found by accident.
CUT, BETWEEN = "\ufdd0", "\ufdd2"
# Three signs that Unicode takes for the same as one of ASCII, though they are not: K is one.
NO_ASCII = {0x037E: "\ufdd3", 0x1FEF: "\ufdd4", 0x212A: "\ufdd5"}

BLANKS = regex.compile(r"[\t\p{Zs}]+")


def composed(text: str) -> str:
    """With one character for each letter; look-alikes stay what they are."""
    return unicodedata.normalize("NFC", text.translate(NO_ASCII))


def evened(text: str) -> str:
    """With single blanks on each line, and no empty lines."""
    lines = (BLANKS.sub(" ", line).strip(" ") for line in re.split("\r\n?|\n", composed(text)))
    return "\n".join(filter(None, lines))


class JsonNumber(str):
    """A number of a JSON text, as it is written there: of 1.000 there is no doubt."""


def parts_of_json(text: str) -> list[tuple[str, str]] | None:
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
