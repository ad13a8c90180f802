"""From a tool's JSON schema, and perhaps a call of it, to the fields of a form."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from hitl.plain import UNSEEN
from hitl.schema_words import in_words, resolve, without_null
from hitl.secrecy import is_secret_name, masked

Schema = Mapping[str, Any]
Kind = Literal[
    "line",
    "text",
    "integer",
    "number",
    "switch",
    "choice",
    "date",
    "lines",
    "numbers",
    "object",
    "json",
]

LONG_TEXT = 200
LONG_NAMES = ("body", "text", "message", "content", "description", "comment", "note", "prompt")
SAFE_INTEGER = 2**53 - 1  # more a browser can't tell apart
FIRST_YEAR, LAST_YEAR = 1900, 2199
DEEPEST_OBJECT = 2
TYPED: tuple[Kind, ...] = ("line", "text", "lines", "numbers")
EMPTY: dict[Kind, Any] = {**dict.fromkeys((*TYPED, "json"), ""), "switch": False}
BY_TYPE: dict[Any, Kind] = {"boolean": "switch", "integer": "integer", "number": "number"}
BY_ITEMS: dict[Any, Kind] = {"string": "lines", "integer": "numbers", "number": "numbers"}
# What can hold a text that doesn't fit a field of this kind, before it is written as JSON.
MORE_GENERAL: dict[Kind, tuple[Kind, ...]] = {"date": ("line", "text"), "line": ("text",)}
EXAMPLES = {"date-time": "such as 2030-01-31T09:30:00", "time": "such as 09:30:00"}
# What a browser changes or can't take; of the rest, a field of one line can't show these two.
UNTYPABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
NOT_IN_LINE = re.compile(r"[\n\t]")
MISSING = ...  # no value at all, which is not the same as a value of null


@dataclass(frozen=True)
class FormField:
    """One argument of a tool, or a part of one, as a person fills it in.

    Args:
        kind: what it is filled in with; whatever fits nothing else is "json".
        shape: what may be filled in, in words: `whole number, at least 1`.
        description: what the tool's author says about it.
        required: whether it has no default.
        nullable: whether nothing at all is a value too.
        default: as JSON data, or MISSING.
        choices: the values of a "choice".
        fields: the parts of an "object".
        secret: whether it is to be hidden from whoever looks over a shoulder.
        prefilled: whether the form starts from a call, and what nobody touches stays as it is.
        asked: what that call has here, as JSON data; MISSING if it has nothing.
    """

    name: str
    kind: Kind
    shape: str
    description: str = ""
    required: bool = True
    nullable: bool = False
    default: Any = MISSING
    choices: tuple[Any, ...] = ()
    fields: tuple["FormField", ...] = ()
    secret: bool = False
    prefilled: bool = False
    asked: Any = MISSING

    @property
    def step(self) -> str:
        """Its name as a part of a path, such that no two fields have the same path."""
        return self.name.replace("%", "%25").replace(".", "%2E")

    @property
    def start(self) -> Any:
        """What the field shows before anybody touched it; None where it shows no value."""
        value = self.default if self.asked is MISSING else self.asked
        if self.kind == "object" and not (self.nullable and value is None):
            return {field.name: field.start for field in self.fields}
        if self.kind == "json" and self.asked is None:
            return "null"
        if value is MISSING or value is None:
            is_none = value is None and self.can_be_cleared
            return None if is_none else EMPTY.get(self.kind)
        return _shown(self.kind, value, in_one_line=self.secret)

    @property
    def can_be_cleared(self) -> bool:
        """Whether "no value" has to be said beside the field, as an empty one says something."""
        return self.nullable and (self.kind == "object" or (self.prefilled and self.kind in TYPED))


def _shown(kind: Kind, value: Any, *, in_one_line: bool) -> Any:
    match kind:
        case "date":
            return date.fromisoformat(value)
        case "lines":
            return "\n".join(value)
        case "numbers":
            return "\n".join(map(json.dumps, value))
        case "json":
            return _json(value, indent=None if in_one_line else 2)
        case "number":
            return float(value)
        case _:
            return value


def _json(value: Any, indent: int | None) -> str:
    """JSON without a character that can't be seen: what is typed into shows no warnings."""
    written = json.dumps(value, ensure_ascii=False, indent=indent)
    return str(UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], written))


def fields_of(
    schema: Schema,
    *,
    without: Collection[str] = (),
    values: Mapping[str, Any] | None = None,
    secret: Collection[str] = (),
) -> list[FormField]:
    """The fields for a tool's arguments, in their order.

    Args:
        schema: a JSON schema of an object, with its `$defs`.
        without: arguments that are not to be given.
        values: the arguments of a call that the form starts from; None starts from the defaults.
            Each of them gets a field that holds it exactly, whatever the schema says.
        secret: arguments to be hidden, besides those that bear a secret name.
    """
    reader = _Reader(schema, values is not None, secret)
    fields = [each for each in reader.fields(schema, values or {}) if each.name not in without]
    known = {field.name for field in fields}
    strangers = [name for name in values or {} if name not in known]
    return fields + [reader.field(name, {}, (values or {})[name], False) for name in strangers]


@dataclass(frozen=True)
class _Reader:
    """Reads one schema for one form.

    Args:
        root: the whole schema.
        prefilled: whether the form starts from a call.
        secret: arguments that are declared secret.
    """

    root: Schema
    prefilled: bool
    secret: Collection[str]

    def fields(
        self, schema: Schema, held: Mapping[str, Any], depth: int = 0
    ) -> tuple[FormField, ...]:
        """The fields of an object's properties.

        Args:
            held: what they hold: in a call, or in the object's own default.
        """
        required = schema.get("required", ())
        return tuple(
            self.field(name, each, held.get(name, MISSING), name in required, depth)
            for name, each in schema.get("properties", {}).items()
        )

    def field(
        self, name: str, described: Any, held: Any, required: bool, depth: int = 0
    ) -> FormField:
        whole = resolve(described, self.root)
        plain, nullable = without_null(whole, self.root)
        default = whole.get("default", MISSING)
        if not self.prefilled and held is not MISSING:
            default = held
        value = default if held is MISSING else held
        secret = is_secret_name(name) or (depth == 0 and name in self.secret)
        kind, choices = self._kind(name, plain, value, nullable, depth)
        secret = secret or (kind == "json" and _holds_secrets(value))
        if secret and self.prefilled:
            kind, choices = _hidden_kind(plain, value, nullable), ()
        parts = value if isinstance(value, Mapping) else {}
        return FormField(
            name,
            kind,
            _shape(plain, self.root),
            str(whole.get("description") or plain.get("description") or ""),
            required,
            nullable,
            default,
            choices,
            self.fields(plain, parts, depth + 1) if kind == "object" else (),
            secret,
            self.prefilled,
            held if self.prefilled else MISSING,
        )

    def _kind(
        self, name: str, schema: Schema, value: Any, nullable: bool, depth: int
    ) -> tuple[Kind, tuple[Any, ...]]:
        """What it is filled in with, and the choices that there are."""
        choices = _choices(schema)
        kind = "choice" if choices else _kind_by_type(name, schema, value, self.root)
        if kind == "switch" and (nullable or (value is None and not self.prefilled)):
            kind, choices = "choice", (True, False)
        if kind == "object" and not _has_fields(schema, value, depth):
            kind = "json"
        may_be_none = nullable or not self.prefilled
        return next(
            (
                (each, choices if each == "choice" else ())
                for each in (kind, *MORE_GENERAL.get(kind, ()))
                if _can_show(each, choices, value, may_be_none)
            ),
            ("json", ()),
        )


def _choices(schema: Schema) -> tuple[Any, ...]:
    if "const" in schema:
        return (schema["const"],)
    return tuple(each for each in schema.get("enum", ()) if each is not None)


def _kind_by_type(name: str, schema: Schema, value: Any, root: Schema) -> Kind:
    kind = schema.get("type")
    if kind == "string":
        if schema.get("format") == "date":
            return "date"
        return "text" if _is_long(name, schema, value) else "line"
    if kind == "object":
        return "object"
    if kind == "array":
        items = resolve(schema.get("items", {}), root).get("type")
        return BY_ITEMS.get(items, "json") if isinstance(items, str) else "json"
    if _is_decimal(schema):
        return "line"
    return BY_TYPE.get(kind, "json") if isinstance(kind, str) else "json"


def _is_long(name: str, schema: Schema, value: Any) -> bool:
    long_value = isinstance(value, str) and (len(value) > 80 or "\n" in value)
    named_so = any(word in name.lower().split("_") for word in LONG_NAMES)
    return named_so or long_value or schema.get("maxLength", 0) > LONG_TEXT


def _is_decimal(schema: Schema) -> bool:
    """Pydantic's Decimal is a number or its text; as text it keeps every digit."""
    types = [each.get("type") for each in schema.get("anyOf", ()) if isinstance(each, Mapping)]
    return sorted(map(str, types)) == ["number", "string"]


def _has_fields(schema: Schema, value: Any, depth: int) -> bool:
    """Whether an object can be filled in part by part, without loss of what it holds."""
    known = schema.get("properties") or {}
    is_closed = not schema.get("additionalProperties") and depth < DEEPEST_OBJECT
    held = value if isinstance(value, Mapping) else {}
    return bool(known) and is_closed and all(name in known for name in held)


def _holds_secrets(value: Any) -> bool:
    return value is not MISSING and masked({"": value}, ()) != {"": value}


def _hidden_kind(schema: Schema, value: Any, nullable: bool) -> Kind:
    """Only a field of one line can hide what it holds; JSON brings everything else into one."""
    is_text = schema.get("type") == "string"
    return "line" if is_text and _can_show("line", (), value, nullable) else "json"


def _shape(schema: Schema, root: Schema) -> str:
    example = EXAMPLES.get(str(schema.get("format")), "")
    return ", ".join(filter(None, [in_words(schema, root), example]))


def _can_show(kind: Kind, choices: tuple[Any, ...], value: Any, may_be_none: bool) -> bool:
    """Whether a value, which nobody ever checked, is safe in such a field.

    It has to be seen as it is, and must come back from the browser as it went there.
    """
    if value is MISSING or value is None:
        return value is MISSING or may_be_none
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "line":
            return _is_typable(value) and not NOT_IN_LINE.search(value)
        case "text":
            return _is_typable(value)
        case "integer":
            return is_number and isinstance(value, int) and abs(value) <= SAFE_INTEGER
        case "number":
            return is_number and abs(value) <= SAFE_INTEGER
        case "switch":
            return isinstance(value, bool)
        case "choice":
            return json.dumps(value) in map(json.dumps, choices)
        case "date":
            return _is_date(value)
        case "lines":
            return isinstance(value, list) and all(
                _is_typable(line) and line.strip() and "\n" not in line for line in value
            )
        case "numbers":
            return isinstance(value, list) and all(
                isinstance(each, int | float) and not isinstance(each, bool) for each in value
            )
        case "object":
            return isinstance(value, Mapping)
        case "json":
            return True


def _is_typable(value: Any) -> bool:
    return isinstance(value, str) and not UNTYPABLE.search(value)


def _is_date(value: Any) -> bool:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return FIRST_YEAR <= day.year <= LAST_YEAR and day.isoformat() == value
