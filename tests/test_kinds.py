"""What a card lays out how: by the tool's schema first, then by name and value."""

from typing import Any

import pytest

from hitl.kinds import day, kind_of, money


@pytest.mark.parametrize(
    ("name", "value", "schema", "kind"),
    [
        ("amount", 24.9, {}, "money"),
        ("total_amount", 3, {}, "money"),
        ("amounts_of_rain", 3, {}, "plain"),
        ("x", 24.9, {"format": "money"}, "money"),
        ("x", "24.90", {"format": "money"}, "money"),
        ("x", "a lot", {"format": "money"}, "plain"),
        ("amount", True, {}, "plain"),
        ("to", "ann@example.com", {}, "email"),
        ("to", "Ann <ann@example.com>", {}, "plain"),
        ("to", "not an address", {"format": "email"}, "email"),
        ("link", "https://example.com/a", {}, "url"),
        ("when", "2026-11-25", {}, "date"),
        ("when", "2026-11-25T10:00:00", {"format": "date-time"}, "date"),
        ("when", "2026-13-25", {"format": "date"}, "plain"),
        ("number", "20261125", {}, "plain"),
        ("query", "SELECT *\nFROM orders", {}, "code"),
        ("body", "Hello,\nit is done.", {}, "text"),
        ("body", "word " * 30, {}, "text"),
        ("name", "Ann", {}, "plain"),
        ("rows", [{"a": 1, "b": "x"}, {"a": 2, "b": None}], {}, "table"),
        ("rows", [{"a": 1}, {"b": 2}], {}, "plain"),
        ("rows", [{"a": [1]}], {}, "plain"),
        ("rows", [], {}, "plain"),
        ("data", {"a": 1}, {}, "plain"),
        ("data", None, {"format": "email"}, "plain"),
    ],
)
def test_kind_of_an_argument(name: str, value: Any, schema: dict[str, Any], kind: str):
    """A schema that says what the value is not counts for nothing."""
    assert kind_of(name, value, schema) == kind


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (24.9, "24.90"),
        (1234567, "1,234,567.00"),
        (-3.5, "-3.50"),
        (0.1 + 0.2, None),  # more than two decimals: nothing is rounded on a card
        (float("nan"), None),
        (1e300, None),
        ("12", "12.00"),
        ("٣", "3.00"),
        ("", None),
    ],
)
def test_money_is_never_rounded(value: Any, shown: str | None):
    """What people would read as another amount is shown to the letter only."""
    assert money(value) == shown


def test_days_are_named():
    """So that a wrong month is seen."""
    assert day("2026-11-25") == "Wednesday, 25 November 2026"
    assert day("2026-11-25T09:30:00") == "Wednesday, 25 November 2026, 09:30"
    assert day("25.11.2026") is None
