"""From what was filled into a tool's form to the arguments of a call, and to what is wrong."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hitl.schema_fields import MISSING, TYPED, FormField, Kind
from hitl.toolcalls import InvalidArguments, parse_arguments

EMPTIEST: dict[Kind, Any] = {"line": "", "text": "", "lines": [], "numbers": []}
Fields = Sequence[FormField]


class _Unreadable(ValueError):
    """Raised when what was written is not what was asked for, for example not JSON."""


def arguments_from(fields: Fields, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a filled-in form stands for; whether they fit, the tool's schema says.

    In a form that started from a call, what nobody touched is exactly what the call has there.

    Args:
        answers: what each field holds, by name; None or blank where nothing was filled in.

    Raises:
        InvalidArguments: if JSON or numbers were asked for and something else was written.
    """
    problems: dict[str, str] = {}
    arguments = _read_all(fields, answers, "", problems)
    if problems:
        message = " ".join(f"{path} is {problem}." for path, problem in problems.items())
        by_path = {path: f"This is {problem}." for path, problem in problems.items()}
        raise InvalidArguments(message, by_path)
    return arguments


def _read_all(
    fields: Fields, answers: Mapping[str, Any], within: str, problems: dict[str, str]
) -> dict[str, Any]:
    arguments = {}
    for field in fields:
        path = within + field.name
        try:
            value = _value(field, answers.get(field.name), path, problems)
        except _Unreadable as error:
            problems[path] = str(error)
            continue
        if value is not MISSING:
            arguments[field.name] = value
    return arguments


def _value(field: FormField, answer: Any, path: str, problems: dict[str, str]) -> Any:
    if field.prefilled and is_untouched(field, answer):
        return field.asked
    if _is_empty(field, answer):
        return _if_empty(field)
    if field.kind == "object":
        return _read_all(field.fields, answer, f"{path}.", problems)
    return _read(field, answer)


def is_untouched(field: FormField, answer: Any) -> bool:
    """Whether a field holds what it started with."""

    def written(value: Any) -> str:
        return json.dumps(value, sort_keys=True, default=str)

    return written(answer) == written(field.start)


def _is_empty(field: FormField, answer: Any) -> bool:
    if field.kind == "object":
        return answer is None or not (
            field.prefilled or field.required or not is_untouched(field, answer)
        )
    if field.prefilled and field.kind in TYPED:
        return answer is None
    if field.kind in ("lines", "numbers", "json"):
        return not (answer or "").strip()
    return answer is None or answer == ""


def _if_empty(field: FormField) -> Any:
    """What an empty field means: left out where that is the same, else the emptiest value."""
    if field.prefilled:
        return None if field.nullable else MISSING
    if not field.required and (field.kind == "object" or field.default in (MISSING, None, "", [])):
        return MISSING
    if field.nullable:
        return None
    return EMPTIEST.get(field.kind, MISSING)


def _read(field: FormField, answer: Any) -> Any:
    match field.kind:
        case "date":
            return answer.isoformat()
        case "lines":
            return [line for line in _lines(answer) if line.strip()]
        case "numbers":
            return list(_numbers(answer))
        case "json":
            return _parse(answer)
        case _:
            return answer


def _lines(written: str) -> list[str]:
    """Ended only by what a person types to end a line; other characters that may belong in it."""
    return re.split(r"\r\n|\r|\n", written)


def _numbers(written: str) -> Iterator[int | float]:
    for place, line in enumerate(_lines(written), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError):
            value = None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or (isinstance(value, float) and math.isinf(value)):
            raise _Unreadable(f"not a list of numbers: line {place} is {line.strip()[:40]!r}")
        yield value


def _parse(written: str) -> Any:
    try:
        value = json.loads(written, parse_constant=_refuse, parse_float=_finite)
        return parse_arguments({"": value})[""]
    except InvalidArguments:
        raise _Unreadable("nested too deep, or holds half a character") from None
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"not valid JSON ({error})") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError(f"{number} is too large")
    return value


def problems_at(fields: Fields, problems: Mapping[str, str]) -> dict[str, str]:
    """What is wrong, by the path of the field that shows it: the nearest one to the trouble.

    What no field is to blame for is under "".

    Args:
        problems: as `InvalidArguments` has them.
    """
    paths = sorted(_paths(fields), key=lambda each: len(each[0]), reverse=True)
    placed: dict[str, list[str]] = {}
    for where, problem in problems.items():
        named, path = next(
            (each for each in paths if f"{where}.".startswith(f"{each[0]}.")), ("", "")
        )
        inside = where[len(named) :].removeprefix(".")
        placed.setdefault(path, []).append(f"{_place(inside)}{problem}")
    return {path: " ".join(said) for path, said in placed.items()}


def _paths(fields: Fields, named: str = "", path: str = "") -> Iterator[tuple[str, str]]:
    """How problems name each field, and its path."""
    for field in fields:
        yield named + field.name, path + field.step
        yield from _paths(field.fields, f"{named}{field.name}.", f"{path}{field.step}.")


def _place(inside: str) -> str:
    """Where in a value that has one field something is wrong; people count from 1."""
    if not inside:
        return ""
    return f"number {int(inside) + 1}: " if inside.isdecimal() else f"{inside}: "
