"""Editing a call before it is approved: fields that hold it exactly, and what was changed."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_index.core.tools import AsyncBaseTool, FunctionTool, adapt_to_async_tool
from pydantic import BaseModel, BeforeValidator, Field
from streamlit.testing.v1 import AppTest

from hitl.agents import facts_of
from hitl.agents import tool as declare
from hitl.edits import GAP, NOTHING, Change, changed_lines, changes, edited
from hitl.form_answers import arguments_from
from hitl.function_tools import as_tool
from hitl.journal import ToolRequest
from hitl.journal.values import same
from hitl.schema_fields import FormField, fields_of
from hitl.toolcalls import InvalidArguments, validate
from hitl.ui import edit, text
from tests.openai_server import Call
from tests.scripted import ScriptedModel
from tests.stage import Stage, agent, sqlite_url

AT_LEISURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What a field holds ------------------------------------------------------------------------------

JSON_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**53, -(2**60), 1.0, -0.0, 1e-300, "2030-01-31", "0001-01-01", "a\nb"])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())  # half characters and controls included
    | st.text(alphabet="\r\n\t\0\x1b\x85\u2028\u200b\u202eab ", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
PLAIN_SCHEMAS = st.sampled_from(
    [
        {},
        {"type": "string"},
        {"type": "string", "maxLength": 500},
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 3},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "boolean", "default": True},
        {"enum": ["a", 1, True, 1.5]},
        {"const": "a"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "number"}, "default": [1]},
        {"type": "array"},
        {"anyOf": [{"type": "number"}, {"type": "string"}]},
    ]
)
SCHEMAS = st.recursive(
    PLAIN_SCHEMAS,
    lambda inner: (
        inner.map(lambda each: {"anyOf": [each, {"type": "null"}]})
        | st.dictionaries(st.sampled_from(["a", "b", "token"]), inner, min_size=1).map(
            lambda each: {"type": "object", "properties": each}
        )
    ),
    max_leaves=4,
)


@st.composite
def fitting(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    """A value of about that shape, so that not every field is the last resort."""
    if "anyOf" in schema:
        return draw(fitting(draw(st.sampled_from([{"enum": [None]}, schema["anyOf"][0]]))))
    match schema.get("type"):
        case "object":
            held = {name: draw(fitting(each)) for name, each in schema["properties"].items()}
            left = draw(st.sets(st.sampled_from(sorted(held))))
            return {name: value for name, value in held.items() if name not in left}
        case "string":
            return draw(st.text(alphabet="ab\n\t\r 0", max_size=5) | st.just("2030-01-31"))
        case "integer" | "number":
            return draw(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
        case "boolean":
            return draw(st.booleans())
        case "array":
            return draw(st.lists(fitting(schema.get("items", {})), max_size=3))
        case _:
            return draw(st.sampled_from(schema["enum"])) if "enum" in schema else draw(JSON_DATA)


@st.composite
def forms(draw: st.DrawFn) -> tuple[list[FormField], dict[str, Any]]:
    """The fields of any tool, and any call of it that they start from."""
    schemas = draw(st.dictionaries(st.sampled_from(["n", "body", "pin", "a.b"]), SCHEMAS))
    names = [*schemas, "stranger"]
    values = {
        name: draw(fitting(schemas.get(name, {})) | JSON_DATA)
        for name in names
        if draw(st.booleans())
    }
    root = {"properties": schemas, "required": [name for name in schemas if draw(st.booleans())]}
    return fields_of(root, values=values, secret=["n"] if draw(st.booleans()) else []), values


def starts(fields: list[FormField]) -> dict[str, Any]:
    return {field.name: field.start for field in fields}


def leaves(fields: list[FormField] | tuple[FormField, ...]) -> Iterator[FormField]:
    for field in fields:
        yield from leaves(field.fields) if field.fields else [field]


def sent_back(field: FormField, shown: Any) -> Any:
    """What a browser makes of what it shows, before anybody typed anything."""
    if isinstance(shown, str):
        shown.encode()  # a message to a browser can't hold half a character
        one_line = field.kind == "line" or field.secret
        return shown.replace("\n", "") if one_line else shown.replace("\r\n", "\n")
    if isinstance(shown, int) and not isinstance(shown, bool):
        return int(float(shown))
    return shown


@given(forms())
@AT_LEISURE
def test_what_nobody_touches_stays_exactly_as_it_was_asked(
    form: tuple[list[FormField], dict[str, Any]],
) -> None:
    """Whatever the schema, whatever the call: even if it does not fit, or nobody could type it."""
    fields, values = form
    assert same(arguments_from(fields, starts(fields)), values)


@given(forms())
@AT_LEISURE
def test_no_browser_changes_what_it_only_shows(
    form: tuple[list[FormField], dict[str, Any]],
) -> None:
    for field in leaves(form[0]):
        assert json.dumps(sent_back(field, field.start), default=str) == json.dumps(
            field.start, default=str
        )


@given(forms())
@AT_LEISURE
def test_what_a_field_shows_reads_as_what_was_asked(
    form: tuple[list[FormField], dict[str, Any]],
) -> None:
    """Also without the memory of what was there: nothing is shown as something else."""
    for field in leaves(form[0]):
        if field.asked in (..., None) or field.kind == "object":
            continue
        as_new = dataclasses.replace(field, prefilled=False, required=True, nullable=False)
        read = arguments_from([as_new], {field.name: field.start})[field.name]
        wanted = float(field.asked) if field.kind == "number" else field.asked
        assert json.dumps(read, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def test_no_value_and_an_empty_text_are_two_things() -> None:
    schema = {"properties": {"note": {"type": ["string", "null"]}}}
    for asked, typed in ((None, ""), ("", None), ("x", ""), ("x", None)):
        (field,) = fields_of(schema, values={"note": asked})
        assert arguments_from([field], {"note": typed}) == {"note": typed}


def test_json_shows_what_cannot_be_seen() -> None:
    (field,) = fields_of({"properties": {"x": {}}}, values={"x": ["pay\u200bpal", "\u202e", "é"]})
    assert field.start == '[\n  "pay\\u200bpal",\n  "\\u202e",\n  "é"\n]'


@pytest.mark.parametrize(
    ("schema", "value", "kind"),
    [
        ({"type": "string"}, "a\nb", "text"),
        ({"type": "string"}, "a\tb", "text"),
        ({"type": "string"}, "a\r\nb", "json"),
        ({"type": "string"}, "\ud800", "json"),
        ({"type": "string"}, 5, "json"),
        ({"type": "string", "format": "date"}, "2030-01-31", "date"),
        ({"type": "string", "format": "date"}, "1066-10-14", "line"),
        ({"type": "string", "format": "date"}, "2030-W05-4", "line"),
        ({"type": "integer"}, 2**53, "json"),
        ({"type": "integer"}, 1.0, "json"),
        ({"type": "boolean"}, 1, "json"),
        ({"type": "boolean"}, None, "json"),
        ({"enum": [1]}, True, "json"),
        ({"type": "array", "items": {"type": "string"}}, ["a", ""], "json"),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2**60], "numbers"),
        ({"type": "array", "items": {"type": "integer"}}, [True], "json"),
        ({"type": "object", "properties": {"a": {}}}, {"b": 1}, "json"),
    ],
)
def test_a_value_that_its_field_cannot_hold_gets_one_that_can(
    schema: dict[str, Any], value: Any, kind: str
) -> None:
    (field,) = fields_of({"properties": {"x": schema}}, values={"x": value})
    assert field.kind == kind


def test_whatever_is_secret_fits_into_one_line_that_hides_it() -> None:
    schema = {
        "properties": {
            "password": {"type": "string"},
            "pin": {"type": "integer"},
            "code": {"type": "string"},
            "config": {"type": "object"},
        }
    }
    values = {"password": "x", "pin": 12, "code": "a\nb", "config": {"api_key": "k"}}
    fields = fields_of(schema, values=values, secret=["code"])
    assert all(field.secret and "\n" not in field.start for field in fields)
    assert [field.kind for field in fields] == ["line", "json", "json", "json"]


# What was changed --------------------------------------------------------------------------------


def test_changes_are_found_where_they_are() -> None:
    asked = {"to": "Ann", "address": {"city": "Bonn", "zip": "1"}, "tags": [1], "old": None}
    wanted = {"to": "Ann", "address": {"city": "Ulm", "zip": "1"}, "tags": [1, 2], "new": 0}
    assert changes(asked, wanted) == [
        Change(("address", "city"), "Bonn", "Ulm"),
        Change(("tags",), [1], [1, 2]),
        Change(("old",), None, NOTHING),
        Change(("new",), NOTHING, 0),
    ]
    assert changes(asked, wanted)[0].name == "address.city"


@pytest.mark.parametrize("other", [1.0, True, "1", None, [1], {"a": 1}])
def test_what_only_looks_alike_is_a_change(other: Any) -> None:
    assert [each.after for each in changes({"x": 1}, {"x": other})] == [other]


@given(st.dictionaries(st.text(max_size=3), JSON_DATA), st.data())
@AT_LEISURE
def test_there_are_changes_exactly_if_two_calls_are_not_the_same(
    asked: dict[str, Any], data: st.DataObject
) -> None:
    wanted = data.draw(st.just(asked) | st.dictionaries(st.text(max_size=3), JSON_DATA))
    assert (not changes(asked, wanted)) == same(asked, wanted)


def test_only_the_lines_that_differ_are_told() -> None:
    before = "a b c d e f g h i j".replace(" ", "\n")
    after = before.replace("c", "C").replace("i", "i\n@@")
    told = [" b", "-c", "+C", " d", GAP, " i", "+@@", " j"]
    assert changed_lines(before, after).split("\n") == told


# The form ----------------------------------------------------------------------------------------


class Address(BaseModel):
    city: str
    zip: Annotated[int, Field(ge=1)] = 1


def shout(text: str) -> str:
    return text.upper()


@declare(secret=["pin"])
def ship(
    item: str,
    amount: Annotated[int, Field(gt=0, le=9, description="How *many*.")],
    weight: float,
    address: Address,
    tags: list[str],
    prices: list[float],
    extra: dict[str, Any],
    due: date,
    size: Literal["s", "m"],
    body: str,
    pin: str,
    gift: bool = False,
    note: str | None = None,
    other_address: Address | None = None,
    loud: Annotated[str, BeforeValidator(shout)] = "A",
) -> str:
    """Ship something."""
    return item


ASKED: dict[str, Any] = {
    "item": "lamp",
    "amount": 2,
    "weight": 1.5,
    "address": {"city": "Bonn", "zip": 5},
    "tags": ["one", "two"],
    "prices": [1.5, 2.0],
    "extra": {"a": [1]},
    "due": "2030-01-31",
    "size": "s",
    "body": "Dear Ann,\nhere it is.",
    "pin": "1234",
}
Page = Callable[..., AppTest]
SHOWN: dict[str, Any] = {}


def tool_of(function: Callable[..., Any]) -> AsyncBaseTool:
    return adapt_to_async_tool(as_tool(function, function.__name__))


SHIP = tool_of(ship)


def request_of(tool: AsyncBaseTool, arguments: dict[str, Any]) -> ToolRequest:
    """A pending request, as the journal has it."""
    every: dict[str, Any] = {field.name: None for field in dataclasses.fields(ToolRequest)}
    told = {"id": "r-1", "tool": tool.metadata.get_name(), "arguments": arguments, "secret": []}
    return ToolRequest(**{**every, **told, "status": "pending", "asked_at": 0.0})


def card(shown: dict) -> None:  # type: ignore[type-arg]  # its text is a script of its own
    """What the card does with the form, and no more."""
    import streamlit as st

    from hitl.toolcalls import InvalidArguments
    from hitl.ui import edit

    request, tool = shown["request"], shown["tool"]

    def approve() -> None:
        shown["error"] = None
        try:
            wanted = edit.edited_arguments(request, tool)
            shown["approved"] = wanted if edit.changes_were_shown(request, wanted) else "unseen"
        except InvalidArguments as error:
            shown["error"] = str(error)

    if st.session_state.get("elsewhere"):
        return
    st.button("Edit", on_click=st.session_state.update, args=({f"mode-{request.id}": "edit"},))
    st.button("Keep as asked", on_click=edit.leave_edit, args=(request.id,))
    if edit.is_editing(request.id):
        edit.draw_edit_form(request, tool)
    st.button("Approve", on_click=approve)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Page:
    """`opened()`: the form, open, with what the agent asked."""
    monkeypatch.setattr(edit, "LOOKED_AT_SECONDS", 0.0)

    def open_it(
        arguments: dict[str, Any] | None = None, tool: AsyncBaseTool | None = SHIP
    ) -> AppTest:
        asked = ASKED if arguments is None else arguments
        whole = validate(SHIP, asked) if tool is SHIP and asked is ASKED else asked
        SHOWN.clear()
        SHOWN.update(tool=tool, request=request_of(tool or SHIP, whole))
        return click(
            AppTest.from_function(card, default_timeout=30, kwargs={"shown": SHOWN}).run(), "Edit"
        )

    return open_it


def click(page: AppTest, word: str) -> AppTest:
    next(each for each in page.button if each.label == word).click().run()
    assert not page.exception
    return page


def fill(page: AppTest, path: str, value: Any) -> AppTest:
    page.get_by_key(f"edit-r-1-{path}").set_value(value).run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    kinds = (page.markdown, page.caption, page.code)
    cells = [str(cell) for table in page.table for cell in table.value.to_numpy().flatten()]
    return "\n".join([str(each.value) for kind in kinds for each in kind] + cells)


def rows(page: AppTest) -> list[list[str]]:
    return [list(map(str, row)) for table in page.table for row in table.value.to_numpy()]


def marked(page: AppTest) -> list[str]:
    return [each.value for each in page.markdown if each.value.startswith(":red")]


def test_opening_changes_nothing(opened: Page) -> None:
    """Each kind of field is there, and approving at once approves what the agent asked."""
    page = opened()
    assert "Nothing changed yet." in said(page)
    assert not marked(page)
    click(page, "Approve")
    assert SHOWN["approved"] is SHOWN["request"].arguments


def test_each_change_is_shown_side_by_side_and_is_what_is_approved(opened: Page) -> None:
    page = opened()
    fill(page, "item", "*vase*")
    fill(page, "amount", 3)
    fill(page, "weight", 2.25)
    fill(page, "address.city", "Ulm")
    fill(page, "tags", "one\nthree")
    fill(page, "prices", "1.5\n7")
    fill(page, "extra", '{"a": [1, null]}')
    fill(page, "due", date(2031, 2, 1))
    fill(page, "size", "m")
    fill(page, "gift", True)
    assert rows(page) == [
        ["item", "`lamp`", "`*vase*`"],
        ["amount", "`2`", "`3`"],
        ["weight", "`1.5`", "`2.25`"],
        [r"address\.city", "`Bonn`", "`Ulm`"],
        ["tags", '`["one", "two"]`', '`["one", "three"]`'],
        ["prices", "`[1.5, 2.0]`", "`[1.5, 7.0]`"],
        [r"extra\.a", "`[1]`", "`[1, null]`"],
        ["due", "`2030-01-31`", "`2031-02-01`"],
        ["size", "`s`", "`m`"],
        ["gift", "`false`", "`true`"],
    ]
    click(page, "Approve")
    assert SHOWN["approved"]["address"] == {"city": "Ulm", "zip": 5}
    assert SHOWN["approved"]["tags"] == ["one", "three"]
    assert validate(SHIP, SHOWN["approved"]) == SHOWN["approved"]


def test_a_long_text_is_shown_whole_on_both_sides(opened: Page) -> None:
    page = fill(opened(), "body", "Dear Ann,\nhere :red[it] isn't.")
    assert [each.value for each in page.code] == [ASKED["body"], "Dear Ann,\nhere :red[it] isn't."]
    long = "Dear Ann," + "\nand so on" * 100
    codes = [each.value for each in fill(page, "body", long).code]
    assert codes[1:] == [ASKED["body"], long]
    assert codes[0].startswith(" Dear Ann,\n-here it is.\n+and so on")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("amount", 0, "Input should be greater than 0"),
        ("amount", 10, "Input should be less than or equal to 9"),
        ("amount", None, "Field required"),
        ("address.zip", 0, "Input should be greater than or equal to 1"),
        ("prices", "1.5\nmany", "This is not a list of numbers: line 2 is 'many'"),
        ("extra", "{a: 1}", "This is not valid JSON"),
        ("extra", "[1]", "Input should be a valid dictionary"),
        ("extra", '{"a": NaN}', "NaN is not JSON"),
    ],
)
def test_what_does_not_fit_is_explained_at_its_field_and_never_approved(
    opened: Page, path: str, value: Any, problem: str
) -> None:
    page = fill(opened(), path, value)
    at_field, in_general = marked(page)
    assert problem in at_field.replace("\\", "")
    assert "Nothing can be approved" in in_general
    assert not rows(page)
    click(page, "Approve")
    assert SHOWN["error"]
    assert "approved" not in SHOWN
    fill(page, path, {"amount": 2, "address.zip": 5, "prices": "1.5\n2.0"}.get(path, '{"a": [2]}'))
    assert not marked(page)


def test_what_was_typed_and_not_drawn_yet_is_drawn_before_it_can_be_approved(opened: Page) -> None:
    page = opened()
    page.get_by_key("edit-r-1-item").set_value("vase")  # the click brings it along
    click(page, "Approve")
    assert SHOWN["approved"] == "unseen"
    assert rows(page) == [["item", "`lamp`", "`vase`"]]
    click(page, "Approve")
    assert SHOWN["approved"]["item"] == "vase"


def test_a_change_taken_back_unseen_is_not_approved_either(opened: Page) -> None:
    page = fill(opened(), "item", "vase")
    page.get_by_key("edit-r-1-item").set_value("lamp")
    click(page, "Approve")
    assert SHOWN["approved"] == "unseen"
    click(page, "Approve")
    assert SHOWN["approved"] is SHOWN["request"].arguments


def test_what_was_drawn_a_moment_ago_was_not_seen(
    opened: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The click that leaves a field arrives right after the change that it made appear."""
    page = opened()
    monkeypatch.setattr(edit, "LOOKED_AT_SECONDS", 60.0)
    fill(page, "item", "vase")
    click(page, "Approve")
    assert SHOWN["approved"] == "unseen"


def test_what_is_typed_outlasts_a_redraw_without_the_card(opened: Page) -> None:
    page = fill(fill(opened(), "item", "vase"), "address.city", "Ulm")
    page.session_state["elsewhere"] = True
    page.run()
    page.run()
    page.session_state["elsewhere"] = False
    page.run()
    assert [row[2] for row in rows(page)] == ["`vase`", "`Ulm`"]
    click(page, "Approve")
    assert SHOWN["approved"]["item"] == "vase"


def test_leaving_the_form_forgets_what_was_typed(opened: Page) -> None:
    page = click(fill(opened(), "item", "vase"), "Keep as asked")
    assert "What you changed" not in said(page)
    click(page, "Edit")
    assert "Nothing changed yet." in said(page)
    assert page.get_by_key("edit-r-1-item").value == "lamp"


def test_no_value_can_be_said_and_taken_back(opened: Page) -> None:
    page = opened()
    page.get_by_key("none-edit-r-1-note").uncheck().run()
    assert rows(page) == [["note", "`null`", '`""`']]
    page.get_by_key("none-edit-r-1-note").check().run()
    assert "Nothing changed yet." in said(page)
    assert not any(each.key == "edit-r-1-other_address.city" for each in page.text_input)
    page.get_by_key("none-edit-r-1-other_address").uncheck().run()
    assert any("Field required" in each for each in marked(page))
    fill(page, "other_address.city", "Ulm")
    assert rows(page) == [[r"other\_address", "`null`", '`{"city": "Ulm", "zip": 1}`']]


def test_a_secret_is_neither_shown_nor_told(opened: Page) -> None:
    page = opened()
    assert page.get_by_key("edit-r-1-pin").proto.type == page.text_input[0].proto.PASSWORD
    fill(page, "pin", "9876")
    assert rows(page) == [["pin", "`•••••• (secret)`", "`•••••• (secret, changed)`"]]
    assert "1234" not in said(page)
    assert "9876" not in said(page)


def test_each_field_says_what_it_is(opened: Page) -> None:
    shown = said(opened())
    assert r"How \*many\*\. · Whole number, above 0, at most 9" in shown
    assert "One of s, m" in shown
    assert r"JSON\: Object" in shown


def test_what_a_field_shows_raw_is_spelled_out_below_it(opened: Page) -> None:
    page = opened({**validate(SHIP, ASKED), "item": "pay\u200bpal", "tags": ["\u202egnp"]})
    shown = said(page)
    assert "`pay[U+200B]pal`" in shown
    assert "`[U+202E]gnp`" in shown
    assert "Nothing changed yet." in shown


HOSTILE = [
    "![x](http://example.com/x.png) :red[x] $x$ </b>",
    "a\r\nb\x00c",
    "\ud800",
    "`" * 50,
    "x" * 20_000,
    2**80,
    -0.0,
    [[[]]],
    {"a.b": {"": None}},
    None,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_hostile_arguments_stay_as_they_are(opened: Page, value: Any) -> None:
    """Even those that no longer fit the tool; and nothing that they hold acts."""
    asked = {**ASKED, "item": value, "address": value, "un.known": value, "tags": [value]}
    page = opened(asked)
    assert "Nothing changed yet." in said(page)
    assert not any("http://" in each.value for each in page.markdown)
    click(page, "Approve")
    assert SHOWN["approved"] is asked


def test_an_argument_that_the_tool_does_not_know_can_be_taken_out(opened: Page) -> None:
    page = opened({**validate(SHIP, ASKED), "un.known": 1})
    fill(page, "item", "vase")
    assert any("The tool knows no such argument" in each for each in marked(page))
    fill(page, "un%2Eknown", "")
    assert rows(page) == [["item", "`lamp`", "`vase`"], [r"un\.known", "`1`", "*not given*"]]


def test_two_changes_whose_names_read_alike_are_both_shown(opened: Page) -> None:
    def odd(a: dict[str, int], b: Annotated[int, Field(alias="a.b")]) -> str:
        """Do it."""
        return str((a, b))

    page = opened({"a": {"b": 1}, "a.b": 1}, tool_of(odd))
    fill(page, "a", '{"b": 2}')
    fill(page, "a%2Eb", 3)
    assert rows(page) == [[r"a\.b", "`1`", "`2`"], [r"a\.b", "`1`", "`3`"]]


def test_a_tool_of_another_program_cannot_be_edited(opened: Page) -> None:
    page = opened(tool=None)
    assert edit.NOT_HERE in said(page)
    click(page, "Approve")
    assert SHOWN["error"] == edit.NOT_HERE


def test_a_check_that_breaks_is_no_broken_card(opened: Page) -> None:
    page = opened()
    SHOWN["tool"] = tool_of(_brittle)
    SHOWN["request"] = request_of(SHOWN["tool"], {"x": {"a": 1}})
    page.run()
    fill(page, "x", "[1]")
    assert any(text.label(edit.OWN_CHECK) in each for each in marked(page))


def _keys(value: Any) -> Any:
    return dict(value.items())


def _brittle(x: Annotated[dict[str, int], BeforeValidator(_keys)]) -> str:
    """Break."""
    return str(x)


def test_a_tool_that_changes_while_it_is_edited_gets_its_new_fields(opened: Page) -> None:
    page = fill(opened(), "item", "vase")

    def ship(item: int) -> str:
        """Ship something."""
        return str(item)

    SHOWN["tool"] = tool_of(ship)
    SHOWN["request"] = request_of(SHOWN["tool"], {"item": 3})
    page.run()
    assert not page.exception
    assert page.get_by_key("edit-r-1-item").value == 3


def test_facts_are_read_of_the_tool() -> None:
    assert facts_of(SHIP).secret == ("pin",)


# The whole way -----------------------------------------------------------------------------------


def test_an_edited_call_is_what_runs_and_what_the_rules_see(tmp_path: Path, opened: Page) -> None:
    """An edit can't dodge the rules, and what was shown as changed is what runs."""
    ran: list[Any] = []

    def pay(amount: int, address: Address) -> str:
        """Pay somebody."""
        ran.append((amount, address.city))
        return "paid"

    clerk = agent(FunctionTool.from_defaults(pay), rules={"pay": ["deny when amount > 100", "ask"]})
    asked = {"amount": 1, "address": {"city": "Bonn"}}
    model = ScriptedModel(Call("pay", asked), "Done.")
    stage = Stage(sqlite_url(tmp_path), clerk, model)
    try:
        _, run = stage.send("Pay")
        (request,) = stage.waiting(run)
        page = opened(tool=clerk.tool("pay"))
        SHOWN["request"] = dataclasses.replace(request, id="r-1")
        fill(page.run(), "amount", 101)
        click(page, "Approve")
        with pytest.raises(InvalidArguments, match="do not allow it"):
            edited(clerk, request, SHOWN["approved"])
        fill(fill(page, "amount", 7), "address.city", "Ulm")
        click(page, "Approve")
        decision = edited(clerk, request, SHOWN["approved"])
        assert stage.approve(request, decision.arguments)
        stage.ended(run)
        assert ran == [(7, "Ulm")]
    finally:
        stage.close()
