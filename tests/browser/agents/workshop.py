"""Tools that leave a trace: a line in a file for each time that they ran."""

import os
import time
from pathlib import Path

from hitl.agents import tool

EFFECTS = Path(os.environ.get("TEST_EFFECTS", "effects"))


def _did(what: str) -> None:
    with EFFECTS.open("a") as file:
        file.write(what.replace("\n", " ")[:200] + "\n")


@tool(sentence="Pay {amount} to {to}")
def pay(amount: int, to: str) -> str:
    """Pay somebody."""
    _did(f"pay {amount} {to}")
    return f"paid {amount} to {to}"


@tool(sentence="Write down {text}")
def note(text: str) -> str:
    """Write something down."""
    _did(f"note {text}")
    return f"noted: {text}"


def look(text: str) -> str:
    """Look something up; finds what it was asked for."""
    _did(f"look {text}")
    return text


def dig(depth: int) -> str:
    """Dig, until somebody says that it is enough."""
    _did(f"dig {depth}")
    go = EFFECTS.with_name("effects.go")
    deadline = time.monotonic() + 20
    while not go.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    go.unlink(missing_ok=True)
    _did(f"dug {depth}")
    return f"dug {depth} m"


def break_down() -> str:
    """Fail."""
    _did("break_down")
    raise RuntimeError("the <b>machine</b> broke down")


def unlock(door: str, password: str) -> str:
    """Unlock a door."""
    _did(f"unlock {door} {password}")
    return f"{door} is open"
