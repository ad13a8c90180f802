"""The demo model's scripts: what agents' files say about what to call and say on which words."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import parse
from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from hitl.errors import DeclarationError
from hitl.outcomes import Reading

# A pattern of open fields takes cubic time to miss: what is longer is off script, unread.
LONGEST_MESSAGE = 1000
END = "\0"
OPERATOR = r"(?:[-+*/^%×÷−]|\b(?:plus|minus|times)\b)"
OPERATOR_AT_END = re.compile(rf"^\s*{OPERATOR}|{OPERATOR}\s*$", re.IGNORECASE)
GOES_ON_BEFORE = re.compile(rf"(?:\w|{OPERATOR}\s*|\d\s+(?:and\s+)?)$", re.IGNORECASE)
GOES_ON_AFTER = re.compile(rf"\w|\s*{OPERATOR}|\s+(?:and\s+)?\d", re.IGNORECASE)
# In the same sentence as what comes next.
NOT = re.compile(r"\b(?:not|never|cannot|dont|\w+n['’]t)\b[^.!?;\n]*$", re.IGNORECASE)

DEFAULT_SENTENCES = {
    "succeeded": "{{ tool }} ran. Its result: {{ result }}",
    "rejected": "I did not run {{ tool }}: it was not approved. Reason: {{ reason }}",
    "failed": "{{ tool }} failed: {{ error }}",
    "unknown": "{{ tool }} started, but nobody knows its outcome. It was not run again.",
    "worked": "{{ tool }} started, and a person says that it worked. {{ result }}",
    "not_done": "{{ tool }} started, and a person says that it did not happen. {{ result }}",
    "answered": "{{ tool }} was not run; a person answered instead: {{ result }}",
    "denied": "I did not run {{ tool }}: the rules do not allow it ({{ reason }}).",
    "cancelled": "{{ tool }} was not executed: the run was stopped first.",
    "expired": "{{ tool }} was not executed: nobody decided in time.",
}


# Templates ----------------------------------------------------------------------------------------


class Templates(SandboxedEnvironment, NativeEnvironment):
    """Values keep their types. What people type is only ever a value, never a template."""


TEMPLATES = Templates(undefined=StrictUndefined)


def fill(template: Any, names: dict[str, Any]) -> Any:
    """Fill in a template, or every template within a list or mapping.

    A lone `{{ name }}` gives the value itself, anything else a text. Jinja's own native `render`
    would go on to evaluate texts, and make the number 5 of the text "5".
    """
    match template:
        case str():
            return _fill_text(template, names)
        case dict():
            return {key: fill(value, names) for key, value in template.items()}
        case list():
            return [fill(value, names) for value in template]
        case _:
            return template


def _fill_text(template: str, names: dict[str, Any]) -> Any:
    try:
        pieces = list(TEMPLATES.from_string(template).generate(names))
        alone = len(pieces) == 1 and not isinstance(pieces[0], Undefined)
        return pieces[0] if alone else "".join(map(str, pieces))
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise DeclarationError(f"the demo text {template!r} can't be filled in: {error}") from None


def _check_template(template: Any) -> Any:
    """Find mistakes in a template's grammar when the agent is read, not when it speaks."""
    match template:
        case str():
            _parse_template(template)
        case dict():
            for value in template.values():
                _check_template(value)
        case list():
            for value in template:
                _check_template(value)
    return template


def _parse_template(template: str) -> None:
    try:
        TEMPLATES.parse(template)
    except TemplateError as error:
        raise ValueError(f"{template!r} is not a template: {error}") from None


# Patterns -----------------------------------------------------------------------------------------


@parse.with_pattern(r"(?<![\d.,])-?\d+(?![.,]?\d)")  # type: ignore[untyped-decorator]
def whole_number(text: str) -> int:
    """`{a:d}`: a whole number, and not the 5 of 1.5."""
    return int(text)


def find(pattern: str, text: str) -> dict[str, Any] | None:
    """The values of a pattern's names where it occurs in a text, or None.

    If it can, it reaches to the end: the last field of `e-mail {who}: {text}` takes all the rest.
    What is only a part of a longer word or sum, or comes after a "not", is no occurrence.
    """
    for pattern_, text_ in (pattern + END, text + END), (pattern, text):
        found = _compile(pattern_).search(text_, evaluate_result=False)
        if found and _stands_alone(found.match, text_):
            result = found.evaluate_result()
            if not any(OPERATOR_AT_END.search(skipped) for skipped in result.fixed):
                return dict(result.named)
    return None


def _stands_alone(match: re.Match[str], text: str) -> bool:
    words = match[0].strip()  # a field takes the blanks around it along
    start = text.index(words, match.start())
    before, after = text[:start], text[start + len(words) :]
    return not (GOES_ON_BEFORE.search(before) or NOT.search(before) or GOES_ON_AFTER.match(after))


def _compile(pattern: str) -> parse.Parser:
    return parse.compile(pattern, {"d": whole_number}, case_sensitive=False)


def _check_pattern(pattern: str) -> str:
    try:
        _compile(pattern)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"{pattern!r} is not a pattern: {error}") from None
    return pattern


# Scripts ------------------------------------------------------------------------------------------

Template = Annotated[str, AfterValidator(_check_template)]
Pattern = Annotated[str, AfterValidator(_check_pattern)]


class Declared(BaseModel):
    """Read from an agent's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoCall(Declared):
    """A tool call, and what to say to its outcome.

    Args:
        tool: the tool's name.
        arguments: values, or templates of values.
        as_: `as` in the file: the name under which later steps know the result.
        done: says that it was executed. Like the others, it knows the arguments that really ran
            by their names, and `tool`, `ran` (all of these arguments), `result`, `reason`, `error`.
        rejected: says that it was not approved, and the `reason`.
        failed: says what `error` there was.
        unknown: says that it started and nobody knows what came of it.
        worked: says that its end was not seen, and that a person says that it worked.
        not_done: the same, if it did not happen.
        answered: says that it did not run, and what a person answered in its place, the `result`.
        denied: says that a rule, the `reason`, forbids it.
        cancelled: says that the run was stopped before it started.
        expired: says that nobody decided in time.
    """

    tool: str
    arguments: Annotated[dict[str, Any], AfterValidator(_check_template)] = {}
    as_: str | None = Field(None, alias="as")
    done: Template | None = None
    rejected: Template | None = None
    failed: Template | None = None
    unknown: Template | None = None
    worked: Template | None = None
    not_done: Template | None = None
    answered: Template | None = None
    denied: Template | None = None
    cancelled: Template | None = None
    expired: Template | None = None

    def sentence(self, status: str) -> str:
        """The template for an outcome; a truthful default where the script has none."""
        own = self.done if status == "succeeded" else getattr(self, status)
        return own or DEFAULT_SENTENCES[status]


class DemoStep(Declared):
    """What the demo model does at once: say something, call tools, or both.

    Its `say` and `call` know `so_far`: how many calls came to which end, as `so_far.rejected`.

    Args:
        say: the text before the calls.
        call: all calls of this step.
        then: the next step, if every one of them was executed, or answered by a person.
        next: the steps that come after that, one by one, whatever came of the calls before. What
            came of them is said first, unless `then` has gone on from it.
    """

    say: Template | None = None
    call: list[DemoCall] = []
    then: "DemoStep | None" = None
    next: list["DemoStep"] = []

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "DemoStep":
        if not self.say and not self.call:
            raise ValueError("a step needs `say` or `call`")
        if self.then and not self.call:
            raise ValueError("`then` follows a `call`")
        if self.next and not self._ends_with_a_call(after_next=False):
            raise ValueError("`next` follows a `call`, and so does what `then` leads to")
        for place, step in enumerate(self.next[:-1]):
            if not step._ends_with_a_call():
                raise ValueError(f"`next.{place}` must end with a `call`: another step follows it")
        return self

    def _ends_with_a_call(self, *, after_next: bool = True) -> bool:
        """Whether on every way it does, so that its outcome brings the word back to the script."""
        ends = [self.then, *(self.next[-1:] if after_next else [])]
        return bool(self.call) and all(step._ends_with_a_call() for step in ends if step)


class DemoScript(DemoStep):
    """What to do on some words.

    Args:
        when: patterns of the `parse` library, any of which may occur in a person's message.
    """

    when: list[Pattern] = Field(min_length=1)

    def names(self, text: str) -> dict[str, Any] | None:
        """What the first fitting pattern finds in the text, or None."""
        found = (find(pattern, text) for pattern in self.when)
        return next((names for names in found if names is not None), None)


def read_scripts(data: list[dict[str, Any]]) -> list[DemoScript]:
    """Check an agent's demo scripts.

    Raises:
        DeclarationError: if something is wrong; names each field.
    """
    try:
        return TypeAdapter(list[DemoScript]).validate_python(data)
    except ValidationError as error:
        problems = (
            f"demo.{'.'.join(map(str, problem['loc']))}: "
            + problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_url=False)
        )
        raise DeclarationError("; ".join(problems)) from None


def fitting(scripts: Sequence[DemoScript], text: str) -> tuple[DemoScript | None, dict[str, Any]]:
    """The first script for a message, and the values of its names; None if the message is off."""
    if len(text) <= LONGEST_MESSAGE:
        for script in scripts:
            if (names := script.names(text.strip())) is not None:
                return script, names
    return None, {}


# Outcomes -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A call that was made, and what came of it."""

    script: DemoCall
    proposed: dict[str, Any]
    reading: Reading

    @property
    def ran(self) -> dict[str, Any]:
        """The arguments that ran, or would have: a person may have changed them."""
        return self.proposed if self.reading.ran_with is None else self.reading.ran_with

    @property
    def is_answer(self) -> bool:
        """Whether a person gave the answer in the tool's place."""
        return self.reading.status == "answered"

    @property
    def has_result(self) -> bool:
        """Whether the next step has what it builds on, from the tool or from a person."""
        return self.is_answer or self.reading.status == "succeeded"

    def names_for_later(self, names: dict[str, Any]) -> dict[str, Any]:
        """The names with this result, and with what a person changed."""
        changed = {
            name: value
            for name, value in self.ran.items()
            if name in names and names[name] == self.proposed.get(name)
        }
        return names | changed | self._result()

    def _result(self) -> dict[str, Any]:
        if not self.script.as_ or not self.has_result:
            return {}
        return {self.script.as_: _parsed(self.reading.text)}

    def sentence(self, names: dict[str, Any]) -> str:
        """What to say to this outcome."""
        text, status = self.reading.text, self.reading.status
        known = names | self.ran | self._result()
        known |= {
            "tool": self.script.tool,
            "ran": self.ran,
            "result": _parsed(text),
            "reason": text or "none given",
            "error": text,
        }
        return str(fill(self.script.sentence(status), known))


def counted(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many calls came to which end, for all ends that there are."""
    ends = Counter(str(outcome.reading.status) for outcome in outcomes)
    return {status: ends[status] for status in DEFAULT_SENTENCES}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
