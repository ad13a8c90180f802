"""A text that values are looked for in, read once and asked often."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from functools import cached_property

import regex

from hitl.comparing.amounts import amount_of, numbers_in, read_number, terms_in
from hitl.comparing.glance import glance
from hitl.comparing.lines import BETWEEN, CUT, JsonNumber, composed, evened, parts_of_json
from hitl.comparing.pieces import ADDRESS, telling_pieces, word_rows
from hitl.comparing.standing import MINUS, PLAIN_WORDS, joins_around, stands_alone

MOST_LOOKS, MOST_FIELDS = 200, 2_000

# Quotation marks make one name of what is in them: 'my file.txt'.
QUOTED = regex.compile(
    r"""(?<![\w"'`])(?:"([^"\n]{1,120})"|`([^`\n]{1,120})`|'(?=\S)([^\n]{1,120}?)(?<=\S)'(?!\w))"""
    r"|“([^”\n]{1,120})”|„([^“”\n]{1,120})[“”]|[‘‚](?=\S)([^\n]{1,120}?)(?<=\S)[’‘](?!\w)"
    r"|«([^»\n]{1,120})»|「([^」\n]{1,120})」|『([^』\n]{1,120})』|《([^》\n]{1,120})》"
)

# A run of either kind: text without blanks puts Latin words and numbers between its own.
WORD = re.compile(r"[a-z0-9_]+|[^\Wa-z0-9_]+")


class How(Enum):
    """How exactly a text must be the same as another."""

    EXACT = auto()
    ON_A_LINE = auto()  # but for the number of its blanks
    IN_ANY_CASE = auto()  # and number of blanks


@dataclass(frozen=True)
class Form:
    """One way to write a value."""

    said: str
    how: How

    @classmethod
    def of(cls, said: str) -> "Form":
        """Of a text on one line."""
        if PLAIN_WORDS.fullmatch(said) or ADDRESS.fullmatch(said):
            return cls(said.lower(), How.IN_ANY_CASE)
        return cls(said, How.ON_A_LINE)


class Text:
    """A text to find values in; of JSON, its names and values as they are without their marks.

    Args:
        written: the text.
        longest: characters that are looked at: of a longer text its head and tail.
        has_names: whether what it has in quotation marks is one name, of which no part is found.
    """

    def __init__(self, written: str, longest: int, has_names: bool = False) -> None:
        if len(written) > longest:  # a word that a cut goes through must not look like a whole one
            half = longest // 2
            written = f"{written[:half]}{CUT}\n{CUT}{written[-half:]}"
        self._written, self._longest, self._has_names = written, longest, has_names
        # Each look costs; a text that is made to need many is soon no longer looked at.
        self._looks_left = MOST_LOOKS + len(written) // 20
        self._names: dict[str, list[tuple[int, int]]] = {}

    @cached_property
    def _parts(self) -> list[tuple[str, str]]:
        """Of JSON, each value after the name of its field."""
        parts = parts_of_json(self._written)
        return [("", self._written)] if parts is None else parts

    @cached_property
    def _plain(self) -> str:
        return f"\n{BETWEEN}\n".join(part for _, part in self._parts)

    @cached_property
    def fields(self) -> list[tuple[str, "Text"]]:
        """The values of a JSON text after the names of their fields; itself if it is none."""
        if len(self._parts) == 1:
            return [(self._parts[0][0], self)]
        few = self._parts if len(self._parts) <= MOST_FIELDS else []
        return [(name, Text(part, self._longest, self._has_names)) for name, part in few]

    @cached_property
    def _exact(self) -> str:
        return composed(self._plain)

    @cached_property
    def _exact_lines(self) -> str:
        return self._exact.replace("\r\n", "\n")

    @cached_property
    def _lines(self) -> str:
        return evened(self._plain)

    @cached_property
    def _small_lines(self) -> str:
        return self._lines.lower()

    @cached_property
    def _small(self) -> str:
        return self._small_lines.replace("\n", " ")

    @cached_property
    def numbers(self) -> frozenset[Decimal]:
        read = (read_number(part) for _, part in self._parts if isinstance(part, JsonNumber))
        free = (
            number for number, start, end in numbers_in(self._lines) if self._is_free(start, end)
        )
        return frozenset(number for number in (*read, *free) if number is not None)

    @cached_property
    def terms(self) -> frozenset[Decimal]:
        """The numbers of its sums."""
        found = terms_in(self._lines)
        return frozenset(number for number, start, end in found if self._is_free(start, end))

    def _is_free(self, start: int, end: int) -> bool:
        return not self._is_in_name(self._lines, start, end)

    @cached_property
    def amount(self) -> Decimal | None:
        """The number that is all of it."""
        if isinstance(self._written, JsonNumber):
            return read_number(self._written)
        number = amount_of(self._lines.lstrip(MINUS))
        return -number if number is not None and self._lines[0] in MINUS else number

    @cached_property
    def alike(self) -> str:
        """What it looks like at a glance."""
        return glance(self._plain)

    @cached_property
    def pieces(self) -> frozenset[str]:
        """Its addresses, paths and numbers: what nobody writes twice by chance."""
        return frozenset(telling_pieces(self._lines))

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(WORD.findall(self._small))

    @cached_property
    def rows(self) -> frozenset[str]:
        """Each few words in a row."""
        return frozenset(word_rows(self._small))

    def compared_with(self, form: Form) -> str:
        """What of it a form must be the same as."""
        match form.how:
            case How.EXACT:
                return self._exact if "\r" in form.said else self._exact_lines
            case How.ON_A_LINE:
                return self._lines
            case How.IN_ANY_CASE:
                return self._small_lines

    def holds(self, form: Form) -> bool:
        """Whether it stands there."""
        words = WORD.findall(form.said.lower())
        return all(map(self.words.__contains__, words)) and self._finds(
            form.said, self.compared_with(form), form.said
        )

    def looks_as_if_it_held(self, glance: str, value: str) -> bool:
        return self._finds(glance, self.alike, value)

    def _finds(self, wanted: str, text: str, value: str) -> bool:
        joins = joins_around(value)
        at = text.find(wanted)
        while at >= 0 and self._looks_left > 0:
            self._looks_left -= 1
            end = at + len(wanted)
            if stands_alone(text, at, end, joins) and not self._is_in_name(text, at, end):
                return True
            at = text.find(wanted, at + 1)
        return False

    def _is_in_name(self, text: str, start: int, end: int) -> bool:
        """Whether it is a part of what stands in quotation marks."""
        if not self._has_names:
            return False
        if text not in self._names:
            found = QUOTED.finditer(text)
            self._names[text] = [each.span(each.lastindex) for each in found]
        names = self._names[text]
        nearest = bisect_right(names, (start, len(text))) - 1
        if nearest < 0:
            return False
        begins, ends = names[nearest]
        rest = text[begins:start] + text[end:ends]
        return start < ends and end <= ends and any(map(str.isalnum, rest))
