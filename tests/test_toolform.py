"""A form from a tool's schema, and the call that it stands for."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from llama_index.core.tools import adapt_to_async_tool
from pydantic import BaseModel, Field

from hitl.form_answers import arguments_from, problems_at
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
    amounts: list[float],
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
    "amounts": "1\n\n 2.5\n",
    "address": {"street": "Elm", "number": None, "neighbours": ""},
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
        ("amounts", "numbers"),
        ("address", "object"),
        ("anything", "json"),
        ("names", "json"),
        ("maybe_gift", "choice"),
        ("maybe_due", "date"),
        ("maybe_color", "choice"),
        ("maybe_address", "object"),
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
        "amounts": [1.0, 2.5],
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
    with pytest.raises(InvalidArguments, match="names is not valid JSON"):
        sent(names="{a: 1}")


def test_all_that_is_unreadable_is_told_at_its_field_at_once() -> None:
    address = {"street": "Elm", "neighbours": "[{]"}
    with pytest.raises(InvalidArguments) as refused:
        sent(names="{a: 1}", amounts="1\ntwo", address=address)
    problems = refused.value.problems
    assert problems.keys() == {"names", "amounts", "address.neighbours"}
    assert problems["amounts"] == "This is not a list of numbers: line 2 is 'two'."


@pytest.mark.parametrize("written", ["NaN", "[1e999]", '"\\ud800"', "[" * 200 + "]" * 200, ""])
def test_json_that_no_call_can_have_is_refused(written: str) -> None:
    with pytest.raises(InvalidArguments):
        validate(TOOL, sent(anything=written))


def test_each_field_of_the_schema_says_what_is_wrong_with_it() -> None:
    address = {"street": "Elm", "number": "x", "neighbours": '[{"street": 1}]'}
    with pytest.raises(InvalidArguments) as refused:
        validate(TOOL, sent(count=0, tags=None, amounts="1\n2", address=address, due=None))
    told = problems_at(list(FIELDS.values()), refused.value.problems)
    assert told == {
        "count": "Input should be greater than or equal to 1.",
        "due": "Field required.",
        "address.number": told["address.number"],
        "address.neighbours": "0.street: Input should be a valid string.",
    }


def test_what_no_field_is_to_blame_for_is_said_of_the_whole() -> None:
    assert problems_at(list(FIELDS.values()), {"": "Too much.", "x.y": "Unknown."}) == {
        "": "Too much. x.y: Unknown."
    }


def test_an_object_in_an_object_has_fields_and_a_deeper_one_is_json() -> None:
    inner: dict[str, Any] = {"type": "integer"}
    for _ in range(3):
        inner = {"type": "object", "properties": {"a": inner}}
    (field,) = fields_of({"properties": {"a": inner}})
    assert [field.kind, field.fields[0].kind, field.fields[0].fields[0].kind] == [
        "object",
        "object",
        "json",
    ]


def test_an_optional_object_counts_once_something_is_filled_into_it() -> None:
    assert "maybe_address" not in sent()
    assert sent(maybe_address={"street": "Oak", "number": 3, "neighbours": ""})[
        "maybe_address"
    ] == {"street": "Oak", "number": 3}


def test_an_object_with_names_of_its_own_choice_is_json() -> None:
    schema = {"type": "object", "properties": {"a": {}}, "additionalProperties": True}
    (field,) = fields_of({"properties": {"free": schema}})
    assert field.kind == "json"


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
