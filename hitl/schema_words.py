"""JSON schemas as people read them: `whole number, at least 1`."""

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
FORMATS = {"date-time": "date and time", "time": "time of day", "uuid": "UUID", "uri": "address"}
PLAIN = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "yes or no",
    "null": "nothing",
    "array": "list",
    "object": "object",
}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
    "maxLength": "at most {} characters",
    "pattern": "matching {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}
DEEPEST = 3  # a schema may hold itself


def resolve(schema: Any, root: Schema) -> Schema:
    """The schema with its reference followed; what is said beside the reference counts more."""
    if not isinstance(schema, Mapping):
        return {}
    for _ in range(20):  # a reference may lead to itself
        parts = schema.get("allOf", ())
        if "$ref" in schema:
            target = _follow(str(schema["$ref"]), root)
        elif len(parts) == 1 and isinstance(parts[0], Mapping):
            target = parts[0]
        else:
            break
        own = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        schema = {**target, **own}
    return dict(schema)


def _follow(reference: str, root: Schema) -> Schema:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def without_null(schema: Schema, root: Schema) -> tuple[Schema, bool]:
    """The schema for when there is a value, and whether null is allowed instead."""
    options = schema.get("anyOf") or schema.get("oneOf")
    kinds = schema.get("type")
    if options:
        left = [resolve(each, root) for each in options]
        real = [each for each in left if each.get("type") != "null"]
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        plain = {**real[0], **rest} if len(real) == 1 else {**rest, "anyOf": real}
        return plain, len(real) < len(left)
    if isinstance(kinds, list):
        named = [kind for kind in kinds if kind != "null"]
        return {**schema, "type": named[0] if len(named) == 1 else named}, "null" in kinds
    return schema, schema.get("type") == "null" or None in schema.get("enum", ())


def in_words(schema: Schema, root: Schema, depth: int = 0) -> str:
    """What a value must be: its type, its bounds, what it consists of."""
    plain, nullable = without_null(resolve(schema, root), root)
    words = [_type(plain, root, depth), *_bounds(plain)]
    return ", ".join([*words, "or nothing"] if nullable and depth else words)


def _type(schema: Schema, root: Schema, depth: int) -> str:
    if "const" in schema:
        return f"always {_value(schema['const'])}"
    if values := [each for each in schema.get("enum", ()) if each is not None]:
        return f"one of {', '.join(map(_value, values))}"
    if options := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(in_words(each, root, depth + 1) for each in options))
    match schema.get("type"):
        case "string":
            kind = str(schema.get("format", "text"))
            return FORMATS.get(kind, kind)
        case "array" if "items" in schema and depth < DEEPEST:
            return f"list of {in_words(schema['items'], root, depth + 1)}"
        case "object" if depth < DEEPEST:
            return _object(schema, root, depth)
        case list() as kinds:
            return " or ".join(PLAIN.get(kind, str(kind)) for kind in kinds)
        case kind:
            return PLAIN.get(str(kind), "anything")


def _object(schema: Schema, root: Schema, depth: int) -> str:
    required = schema.get("required", ())
    parts = [
        f"{name} ({in_words(each, root, depth + 1)}{'' if name in required else ', optional'})"
        for name, each in schema.get("properties", {}).items()
    ]
    if parts:
        return f"object with {', '.join(parts)}"
    values = schema.get("additionalProperties")
    if not isinstance(values, Mapping) or not values:
        return "object"
    return f"object, each value {in_words(values, root, depth + 1)}"


def _bounds(schema: Schema) -> list[str]:
    words = [wording.format(schema[key]) for key, wording in BOUNDS.items() if key in schema]
    least = schema.get("minLength", 0)
    if least:
        words.insert(0, "not empty" if least == 1 else f"at least {least} characters")
    if schema.get("uniqueItems"):
        words.append("no two the same")
    return words


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
