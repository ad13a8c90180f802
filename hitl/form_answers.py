"""From what was filled into a tool's form to the arguments of a call."""

import json
from collections.abc import Mapping
from typing import Any

from hitl.schema_fields import MISSING, FormField, Kind
from hitl.toolcalls import InvalidArguments

EMPTIEST: dict[Kind, Any] = {"line": "", "text": "", "lines": []}


def arguments_from(fields: list[FormField], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a filled-in form stands for; whether they fit, the tool's schema says.

    Args:
        answers: what each field holds, by name; None or blank where nothing was filled in.

    Raises:
        InvalidArguments: if JSON was asked for and something else was written.
    """
    arguments = {}
    for field in fields:
        answer = answers.get(field.name)
        value = _if_empty(field) if _is_empty(field, answer) else _read(field, answer)
        if value is not MISSING:
            arguments[field.name] = value
    return arguments


def _is_empty(field: FormField, answer: Any) -> bool:
    if field.kind in ("lines", "json"):
        return not (answer or "").strip()
    return answer is None or answer == ""


def _if_empty(field: FormField) -> Any:
    """What an empty field means: left out where that is the same, else the emptiest value."""
    if not field.required and field.default in (MISSING, None, "", []):
        return MISSING
    if field.nullable:
        return None
    return EMPTIEST.get(field.kind, MISSING)


def _read(field: FormField, answer: Any) -> Any:
    match field.kind:
        case "date":
            return answer.isoformat()
        case "lines":
            return [line for line in answer.splitlines() if line.strip()]
        case "json":
            return _parse(field.name, answer)
        case _:
            return answer


def _parse(name: str, written: str) -> Any:
    try:
        return json.loads(written)
    except (ValueError, RecursionError) as error:
        raise InvalidArguments(f"{name} is not valid JSON ({error}).") from None
