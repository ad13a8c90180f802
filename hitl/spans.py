"""Time spans as people write them in an agent's file: `15 min`, `2 hours`, or plain seconds."""

from typing import Annotated, Any

from pydantic import BeforeValidator
from pytimeparse2 import parse

LONGEST = 100 * 365 * 86400
UNITS = {"day": 86400, "hour": 3600, "min": 60}


def seconds(said: Any) -> float | None:
    """The span in seconds; None stays None.

    Raises:
        ValueError: if it is no span, or none of more than 0 seconds and at most 100 years.
    """
    if said is None:
        return None
    span = parse(said) if isinstance(said, str) else said
    if isinstance(span, bool) or not isinstance(span, int | float) or not 0 < span <= LONGEST:
        raise ValueError(
            f"must be a time such as '15 min', '2 hours' or 90 (seconds), not {said!r}"
        )
    return float(span)


def written(span: float) -> str | float:
    """The span as `seconds` reads it, in the largest unit that it is a whole number of."""
    for unit, length in UNITS.items():
        number, rest = divmod(span, length)
        if not rest:
            plural = "" if number == 1 or unit == "min" else "s"
            return f"{number:.0f} {unit}{plural}"
    return int(span) if span == int(span) else span


Span = Annotated[float | None, BeforeValidator(seconds)]
