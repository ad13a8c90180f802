"""The tool of the Addition Agent."""

from typing import Annotated

from pydantic import Field

from hitl.agents import tool


@tool(sentence="Add {a} and {b}", idempotent=True)
def add_two_numbers(
    a: Annotated[int, Field(description="The first number.")],
    b: Annotated[int, Field(description="The second number.")],
) -> int:
    """Used to add two numbers together."""
    return a + b
