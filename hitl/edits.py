"""What a person changed in a call before approving it, against what the agent asked."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
