"""JSON data as one text that is the same wherever it is made: RFC 8785, by a library."""

import json
import re
from typing import Any

import rfc8785

EXACT = 2**53
STAND_IN = "integer"


def canonical(value: Any) -> str:
    """The RFC 8785 text of JSON data.

    RFC 8785 knows no integers beyond ±2⁵³; `{"integer": "<digits>"}` stands in their place. As
    everywhere in RFC 8785, 1 and 1.0 are the same number.

    Raises:
        ValueError: if it is not JSON: NaN, an infinity, half a character.
    """
    plain = json.loads(json.dumps(value, allow_nan=False))  # tuples, keys that are numbers
    return rfc8785.dumps(_with_stand_ins(plain)).decode()


def read(text: str) -> Any:
    """The data of a canonical text, with its stand-ins.

    Raises:
        ValueError: if it is not JSON.
    """
    return json.loads(text, parse_int=_number)


def again(data: Any) -> str:
    """The canonical text of data that was read from one, which holds its stand-ins already.

    Raises:
        ValueError: if no canonical text holds it.
    """
    return rfc8785.dumps(data).decode()


def _number(digits: str) -> int | float:
    """Whole numbers beyond ±2⁵³ were floats: integers of that size have stand-ins."""
    number = int(digits)
    return number if abs(number) < EXACT else float(digits)


def _with_stand_ins(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() if abs(value) >= EXACT:
            return {STAND_IN: str(value)}
        case list():
            return [_with_stand_ins(each) for each in value]
        case dict() if value.keys() == {STAND_IN} and _is_taken(value[STAND_IN]):
            return {STAND_IN: [value[STAND_IN]]}
        case dict():
            return {key: _with_stand_ins(each) for key, each in value.items()}
        case _:
            return value


def _is_taken(value: Any) -> bool:
    """Whether it could pass for a stand-in: two values must never have one text."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return isinstance(value, str) and re.fullmatch(r"-?[0-9]{16,}", value) is not None
