"""A form from a tool's schema, and the call that it stands for."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from llama_index.core.tools import adapt_to_async_tool
from pydantic import BaseModel, Field

from hitl.form_answers import arguments_from
from hitl.function_tools import as_tool
from hitl.schema_fields import MISSING, FormField, fields_of
from hitl.toolcalls import InvalidArguments, validate


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    number: int | None = None
    neighbours: list["Address"] = []


def order(
    item: str,
    body: str,
    notes: Annotated[str, Field(max_length=500)],
    count: Annotated[int, Field(ge=1, le=9)],
    weight: Annotated[float, Field(gt=0)],
    price: Decimal,
    gift: bool,
    due: date,
    color: Color,
    size: Literal["s", "m", 42],
    tags: list[str],
    address: Address,
    anything: Any,
    names: dict[str, int],
    maybe_gift: bool | None = None,
    maybe_due: date | None = None,
    maybe_color: Color | None = Color.RED,
    maybe_address: Address | None = None,
    maybe_tags: list[str] | None = None,
    greeting: str = "Hello",
    times: int = 3,
) -> str:
    """Order something."""
    return item


TOOL = adapt_to_async_tool(as_tool(order, "order"))
FIELDS = {field.name: field for field in fields_of(TOOL.metadata.get_parameters_dict())}
FILLED: dict[str, Any] = {
    "item": "lamp",
    "body": "Hello\nthere",
    "notes": "none",
    "count": 2,
    "weight": 1.5,
    "price": "24.90",
    "gift": False,
    "due": date(2030, 1, 31),
    "color": "red",
    "size": 42,
    "tags": "one\n\n two\n",
    "address": '{"street": "Elm"}',
    "anything": "[1, null]",
    "names": '{"a": 1}',
}


def sent(**answers: Any) -> dict[str, Any]:
    """The arguments of the form as it is first shown, filled in as far as needed."""
    shown = {name: field.start for name, field in FIELDS.items()}
    return arguments_from(list(FIELDS.values()), {**shown, **FILLED, **answers})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("item", "line"),
        ("body", "text"),
        ("notes", "text"),
        ("count", "integer"),
        ("weight", "number"),
        ("price", "line"),
        ("gift", "switch"),
        ("due", "date"),
        ("color", "choice"),
        ("size", "choice"),
        ("tags", "lines"),
        ("address", "json"),
        ("anything", "json"),
        ("names", "json"),
        ("maybe_gift", "choice"),
        ("maybe_due", "date"),
        ("maybe_color", "choice"),
        ("maybe_address", "json"),
        ("maybe_tags", "lines"),
    ],
)
def test_each_type_gets_its_field(name: str, kind: str) -> None:
    assert FIELDS[name].kind == kind


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("count", "whole number, at least 1, at most 9"),
        ("weight", "number, above 0"),
        ("notes", "text, at most 500 characters"),
        ("gift", "yes or no"),
        ("due", "date"),
        ("color", "one of red, blue"),
        ("size", "one of s, m, 42"),
        ("tags", "list of text"),
        ("names", "object, each value whole number"),
        ("anything", "anything"),
        ("maybe_due", "date"),
    ],
)
def test_a_schema_reads_as_words(name: str, words: str) -> None:
    assert FIELDS[name].shape == words


def test_a_schema_that_holds_itself_is_described_to_some_depth() -> None:
    assert FIELDS["address"].shape.startswith(
        "object with street (text), number (whole number, or nothing, optional), neighbours "
        "(list of object with street (text)"
    )


def test_what_is_filled_in_passes_the_gate() -> None:
    assert validate(TOOL, sent()) == {
        **{name: FILLED[name] for name in ("item", "body", "notes", "count", "weight", "price")},
        "gift": False,
        "due": "2030-01-31",
        "color": "red",
        "size": 42,
        "tags": ["one", " two"],
        "address": {"street": "Elm", "number": None, "neighbours": []},
        "anything": [1, None],
        "names": {"a": 1},
        "maybe_gift": None,
        "maybe_due": None,
        "maybe_color": "red",
        "maybe_address": None,
        "maybe_tags": None,
        "greeting": "Hello",
        "times": 3,
    }


def test_defaults_are_filled_in_before_anybody_typed() -> None:
    assert FIELDS["greeting"].start == "Hello"
    assert FIELDS["times"].start == 3
    assert FIELDS["maybe_color"].start == "red"
    assert FIELDS["item"].start == ""
    assert FIELDS["count"].start is None


def test_an_optional_field_left_empty_is_left_out() -> None:
    left_out = {"maybe_gift", "maybe_due", "maybe_address", "maybe_tags"}
    assert left_out.isdisjoint(sent())


def test_a_default_that_was_cleared_is_not_put_back_where_nothing_is_a_value() -> None:
    cleared = sent(greeting="", maybe_color=None)
    assert cleared["greeting"] == ""
    assert cleared["maybe_color"] is None


def test_a_required_field_left_empty_is_refused_by_name() -> None:
    with pytest.raises(InvalidArguments, match="count: Field required"):
        validate(TOOL, sent(count=None))


def test_broken_json_is_refused_by_name() -> None:
    with pytest.raises(InvalidArguments, match="address is not valid JSON"):
        sent(address="{street: Elm}")


@pytest.mark.parametrize("default", ["one", 2**60, True, [1], {"a": 1}])
def test_a_default_that_does_not_fit_its_field_is_shown_as_json(default: Any) -> None:
    (field,) = fields_of({"properties": {"count": {"type": "integer", "default": default}}})
    assert field.kind == "json"
    assert arguments_from([field], {"count": field.start}) == {"count": default}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "#/$defs/itself"},
        {"type": ["string", "integer"]},
        {"anyOf": []},
        {"oneOf": [{"type": "integer"}, {"type": "string"}]},
        {"type": "array"},
        {"type": "null"},
        True,
    ],
)
def test_a_schema_that_we_never_saw_is_filled_in_as_json(schema: Any) -> None:
    root = {"properties": {"odd": schema}, "$defs": {"itself": {"$ref": "#/$defs/itself"}}}
    (field,) = fields_of(root)
    assert field.kind == "json"


def test_the_nullable_types_of_other_makers_are_understood() -> None:
    (field,) = fields_of({"properties": {"name": {"type": ["string", "null"]}}})
    assert (field.kind, field.nullable) == ("line", True)


def test_one_reference_with_words_beside_it_keeps_both() -> None:
    color = {"allOf": [{"$ref": "#/$defs/C"}], "description": "Which", "default": "b"}
    (field,) = fields_of({"properties": {"c": color}, "$defs": {"C": {"enum": ["a", "b"]}}})
    assert field == FormField("c", "choice", "one of a, b", "Which", False, False, "b", ("a", "b"))


def test_arguments_that_are_fixed_are_no_fields() -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
    assert [field.name for field in fields_of(schema, without=("a",))] == ["b"]


def test_no_default_is_not_a_default_of_null() -> None:
    assert FIELDS["item"].default is MISSING
    assert FIELDS["maybe_due"].default is None
