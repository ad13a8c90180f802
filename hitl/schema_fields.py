"""From a tool's JSON schema to the fields of a form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from hitl.schema_words import in_words, resolve, without_null

Schema = Mapping[str, Any]
Kind = Literal["line", "text", "integer", "number", "switch", "choice", "date", "lines", "json"]

LONG_TEXT = 200
LONG_NAMES = ("body", "text", "message", "content", "description", "comment", "note", "prompt")
SAFE_INTEGER = 2**53 - 1  # more a browser can't tell apart
EMPTY: dict[Kind, Any] = {"line": "", "text": "", "lines": "", "json": "", "switch": False}
BY_TYPE: dict[Any, Kind] = {"boolean": "switch", "integer": "integer", "number": "number"}
MISSING = ...  # no default at all, which is not the same as a default of null


@dataclass(frozen=True)
class FormField:
    """One argument of a tool, as a person fills it in.

    Args:
        kind: what it is filled in with; whatever fits nothing else is "json".
        shape: what may be filled in, in words: `whole number, at least 1`.
        description: what the tool's author says about it.
        required: whether it has no default.
        nullable: whether nothing at all is a value too.
        default: as JSON data, or MISSING.
        choices: the values of a "choice".
    """

    name: str
    kind: Kind
    shape: str
    description: str = ""
    required: bool = True
    nullable: bool = False
    default: Any = MISSING
    choices: tuple[Any, ...] = ()

    @property
    def start(self) -> Any:
        """What the field shows before anybody touched it."""
        if self.default is MISSING or self.default is None:
            return EMPTY.get(self.kind)
        match self.kind:
            case "date":
                return date.fromisoformat(self.default)
            case "lines":
                return "\n".join(self.default)
            case "json":
                return json.dumps(self.default, ensure_ascii=False, indent=2)
            case "number":
                return float(self.default)
            case _:
                return self.default


def fields_of(schema: Schema, *, without: tuple[str, ...] = ()) -> list[FormField]:
    """The fields for a tool's arguments, in their order.

    Args:
        schema: a JSON schema of an object, with its `$defs`.
        without: arguments that are not to be given.
    """
    required = schema.get("required", ())
    return [
        _field(name, each, schema, name in required)
        for name, each in schema.get("properties", {}).items()
        if name not in without
    ]


def _field(name: str, described: Any, root: Schema, required: bool) -> FormField:
    whole = resolve(described, root)
    plain, nullable = without_null(whole, root)
    default = whole.get("default", MISSING)
    kind = _kind(name, plain, default, root)
    choices = _choices(plain)
    if kind == "switch" and (nullable or default is None):
        kind, choices = "choice", (True, False)
    if not _can_show(kind, choices, default):
        kind = "json"
    description = str(whole.get("description") or plain.get("description") or "")
    shape = in_words(plain, root)
    return FormField(name, kind, shape, description, required, nullable, default, choices)


def _choices(schema: Schema) -> tuple[Any, ...]:
    if "const" in schema:
        return (schema["const"],)
    return tuple(each for each in schema.get("enum", ()) if each is not None)


def _kind(name: str, schema: Schema, default: Any, root: Schema) -> Kind:
    if _choices(schema):
        return "choice"
    kind = schema.get("type")
    if kind == "string":
        if schema.get("format") == "date":
            return "date"
        return "text" if _is_long(name, schema, default) else "line"
    if kind == "array" and resolve(schema.get("items", {}), root).get("type") == "string":
        return "lines"
    if _is_decimal(schema):
        return "line"
    return BY_TYPE.get(kind, "json") if isinstance(kind, str) else "json"


def _is_long(name: str, schema: Schema, default: Any) -> bool:
    long_default = isinstance(default, str) and (len(default) > 80 or "\n" in default)
    named_so = any(word in name.lower().split("_") for word in LONG_NAMES)
    return named_so or long_default or schema.get("maxLength", 0) > LONG_TEXT


def _is_decimal(schema: Schema) -> bool:
    """Pydantic's Decimal is a number or its text; as text it keeps every digit."""
    types = [each.get("type") for each in schema.get("anyOf", ()) if isinstance(each, Mapping)]
    return types == ["number", "string"]


def _can_show(kind: Kind, choices: tuple[Any, ...], default: Any) -> bool:
    """Whether the default, which nobody ever checked, can stand in such a field."""
    if default is MISSING or default is None:
        return True
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    match kind:
        case "line" | "text":
            return isinstance(default, str)
        case "integer":
            return is_number and isinstance(default, int) and abs(default) <= SAFE_INTEGER
        case "number":
            return is_number and abs(default) <= SAFE_INTEGER
        case "switch":
            return isinstance(default, bool)
        case "choice":
            return default in choices
        case "date":
            return _is_date(default)
        case "lines":
            return isinstance(default, list) and all(
                isinstance(line, str) and line.strip() and "\n" not in line for line in default
            )
        case "json":
            return True


def _is_date(value: Any) -> bool:
    try:
        return date.fromisoformat(value).year >= 1900
    except (TypeError, ValueError):
        return False
