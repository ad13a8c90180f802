"""What people can say of a tool request, as closed types."""

from dataclasses import dataclass
from typing import Any

from hitl.errors import Refused


@dataclass(frozen=True)
class Approve:
    """Yes: the tool may run with exactly the arguments shown, or with `arguments` instead.

    Args:
        arguments: the edited arguments, complete; None leaves them as they were asked.
        reason: kept with the decision, for people.
    """

    arguments: dict[str, Any] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Reject:
    """No.

    Args:
        reason: told to the agent, word for word.
    """

    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """Neither: the agent gets this from a person, in the tool's place. Nothing is executed.

    Args:
        text: what the agent is told, word for word, as a person's answer.
    """

    text: str


Decision = Approve | Reject | Answer


@dataclass(frozen=True)
class RunAgain:
    """Of a call whose outcome is unknown: start it once more."""


@dataclass(frozen=True)
class ItWorked:
    """Of a call whose outcome is unknown: it did what it should.

    Args:
        told: what the agent is told of it, word for word.
    """

    told: str = ""


@dataclass(frozen=True)
class ItDidNotHappen:
    """Of a call whose outcome is unknown: it had no effect.

    Args:
        told: what the agent is told of it, word for word.
    """

    told: str = ""


Resolution = RunAgain | ItWorked | ItDidNotHappen


def require_decision(value: object) -> None:
    """Refuse what only looks like a decision.

    Raises:
        TypeError: if it is none of `Approve`, `Reject` and `Answer`.
        Refused: if it is an answer without words.
    """
    if not isinstance(value, Approve | Reject | Answer):
        raise TypeError(f"A decision is Approve(…), Reject(…) or Answer(…), not {value!r}.")
    if isinstance(value, Answer) and not value.text.strip():
        raise Refused("An answer in the tool's place needs words. Nothing was decided.")


def require_resolution(value: object) -> None:
    """Refuse what only looks like a resolution.

    Raises:
        TypeError: if it is none of `RunAgain`, `ItWorked` and `ItDidNotHappen`.
    """
    if not isinstance(value, RunAgain | ItWorked | ItDidNotHappen):
        raise TypeError(
            f"A resolution is RunAgain(), ItWorked(…) or ItDidNotHappen(…), not {value!r}."
        )
