"""A value, as the ways that people write it, and whether one of these stands in a text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import regex

from hitl.comparing.amounts import as_decimal, days_in_words
from hitl.comparing.glance import telling_glance
from hitl.comparing.lines import composed, evened
from hitl.comparing.searched import Form, How, Text

# What a value has only on purpose: line breaks, control characters, blanks that are not plain.
UNEVEN = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]|[^\P{Zs} ]")
LAST_BREAK = re.compile(r"\r?\n\Z")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Wanted:
    """A value to find, as the ways that people write it.

    Args:
        forms: any of these, as text.
        number: this number, however it is written.
        glance: what it looks like at a glance; "" if that says nothing.
        value: the value itself, if it is text.
    """

    forms: tuple[Form, ...] = ()
    number: Decimal | None = None
    glance: str = ""
    value: str = ""

    @classmethod
    def of(cls, value: Any) -> "Wanted":
        """Of true, false and nothing no text can tell whether it means them."""
        match value:
            case bool() | None:
                return cls()
            case int() | float():
                return cls(number=as_decimal(value))
            case str():
                forms = tuple(form for form in _forms(value) if _tells(form.said))
                return cls(forms, glance=telling_glance(value), value=value)
            case _:
                return cls()

    def is_in(self, text: Text) -> bool:
        """Whether it stands there."""
        if self.number is not None:
            return self.number in text.numbers
        return any(map(text.holds, self.forms))

    def is_term_in(self, text: Text) -> bool:
        """Whether it is a number of a sum there."""
        return self.number in text.terms

    def is_all_of(self, text: Text) -> bool:
        """Whether nothing else stands there."""
        if self.number is not None:
            return text.amount == self.number and self.is_in(text)
        return any(text.compared_with(form).strip("\n") == form.said for form in self.forms)

    def resembles(self, text: Text) -> bool:
        """Whether it stands there for somebody who reads quickly."""
        return bool(self.glance) and text.looks_as_if_it_held(self.glance, self.value)


def _forms(value: str) -> Iterator[Form]:
    written = composed(LAST_BREAK.sub("", value))
    if UNEVEN.search(written):
        yield Form(written, How.EXACT)
        return
    said = evened(written)
    yield Form.of(said)
    if re.fullmatch(r"#[0-9]+", said):
        yield Form.of(said[1:])
    if " " in said and said[-1] in ".!":
        yield Form.of(said[:-1])
    if DAY.fullmatch(said):
        yield from (Form(day, How.IN_ANY_CASE) for day in days_in_words(said))


def _tells(form: str) -> bool:
    """Whether finding it says anything: a single letter or sign is everywhere."""
    is_word = len(form) > 1 and any(map(str.isalnum, form))
    return is_word or (form.isascii() and form.isdigit())
