"""What a person changed in a call before approving it: how it differs, and whether it may run."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hitl.agents import AgentConfig
from hitl.journal import Approve, ToolRequest
from hitl.journal.values import same
from hitl.limits import DEFAULT_LIMITS
from hitl.toolcalls import InvalidArguments, checked_call, parse_arguments

GAP = "⋯"  # stands for lines that are the same
NOTHING = ...  # not there at all, which is not the same as null


@dataclass(frozen=True)
class Change:
    """One argument, or a part of one, that is not as the agent asked.

    Args:
        path: names, from the argument's own one inwards.
        before: what the agent asked, as JSON data; NOTHING where it is new.
        after: what it was changed to; NOTHING where it was taken away.
    """

    path: tuple[str, ...]
    before: Any
    after: Any

    @property
    def name(self) -> str:
        """How people read it: `address.city`."""
        return ".".join(self.path)


def changes(asked: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Change]:
    """Everything that differs, down to where one of both is no object; none if nothing does.

    To the letter: 1, 1.0 and true are not the same. The agent's order comes first.
    """
    return list(_changes(asked, wanted, ()))


def _changes(
    asked: Mapping[str, Any], wanted: Mapping[str, Any], within: tuple[str, ...]
) -> Iterator[Change]:
    for name in dict.fromkeys([*asked, *wanted]):
        path = (*within, name)
        before, after = asked.get(name, NOTHING), wanted.get(name, NOTHING)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, path)
        elif _letters(before) != _letters(after):
            yield Change(path, before, after)


def _letters(value: Any) -> str | None:
    return None if value is NOTHING else json.dumps(value, sort_keys=True)


def changed_lines(before: str, after: str) -> str:
    """The lines that differ, with `-` and `+` before them, and one line around each."""
    # Not `splitlines`: what ends no line on the card must end none here.
    lines = list(difflib.unified_diff(before.split("\n"), after.split("\n"), n=1, lineterm=""))
    return "\n".join(GAP if line.startswith("@@") else line for line in lines[3:])


def edited(
    agent: AgentConfig,
    request: ToolRequest,
    wanted: dict[str, Any] | None,
    longest: int = DEFAULT_LIMITS.arguments,
) -> Approve:
    """An approval of the arguments that were shown, or of other ones, checked like the model's own.

    Args:
        longest: how many characters the other ones may have.

    Raises:
        InvalidArguments: if the other ones don't fit the tool, or its rules forbid them.
    """
    if wanted is None or _is_same(request, wanted):
        return Approve()
    _check_size(wanted, longest)
    call = checked_call(agent, request.tool, parse_arguments(wanted), "")
    if call.denied:
        raise InvalidArguments(f"the agent's rules do not allow it: {call.rule}.")
    return Approve(None if _is_same(request, call.arguments) else call.arguments)


def _is_same(request: ToolRequest, wanted: dict[str, Any]) -> bool:
    try:
        return same(wanted, request.final_arguments)
    except (TypeError, ValueError, RecursionError):
        return False


def _check_size(wanted: dict[str, Any], longest: int) -> None:
    """Refuse what is no JSON, or more of it than is taken.

    Raises:
        InvalidArguments: says which.
    """
    try:
        written = json.dumps(wanted, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArguments(f"the arguments are no JSON object ({error}).") from None
    if not all(isinstance(name, str) for name in wanted):
        raise InvalidArguments("the arguments must be a JSON object, whose names are texts.")
    if len(written) > longest:
        raise InvalidArguments(
            f"the arguments have {len(written)} characters, and at most {longest} are taken."
        )
