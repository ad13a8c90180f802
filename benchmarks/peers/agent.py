"""What both peers share: the model, the tool and the history, so that only the page differs."""

from openai import AsyncOpenAI, pydantic_function_tool
from pydantic import BaseModel

REJECTED = "Not executed: the person rejected this call."
CALL = {"id": True, "type": True, "function": {"name", "arguments"}}
SENT_BACK = {"role": True, "content": True, "tool_calls": {"__all__": CALL}}

client = AsyncOpenAI()  # OPENAI_API_KEY, OPENAI_BASE_URL


class AddTwoNumbers(BaseModel):
    """Add two numbers together."""

    a: int
    b: int


TOOLS = {"add_two_numbers": (AddTwoNumbers, lambda numbers: numbers.a + numbers.b)}
SCHEMAS = [pydantic_function_tool(model, name=name) for name, (model, _) in TOOLS.items()]


async def speak(history: list[dict]):
    """Let the model speak: yield its text piece by piece, then append its message to `history`."""
    request = {"model": "gpt-4o-mini", "messages": history, "tools": SCHEMAS}
    async with client.chat.completions.stream(**request) as stream:
        async for event in stream:
            if event.type == "content.delta":
                yield event.delta
        message = (await stream.get_final_completion()).choices[0].message
    history.append(message.model_dump(include=SENT_BACK, exclude_none=True))


def open_calls(history: list[dict]) -> list[dict]:
    """The tool calls of `history` that have no tool message yet, in the model's order."""
    answered = {message.get("tool_call_id") for message in history}
    calls = [call for message in history for call in message.get("tool_calls") or []]
    return [call for call in calls if call["id"] not in answered]


def settle(history: list[dict], call: dict, approved: bool) -> None:
    """Append the tool message of `call`: its result, or else that it was not executed."""
    result = _run(call["function"]) if approved else REJECTED
    history.append({"role": "tool", "tool_call_id": call["id"], "content": result})


def _run(function: dict) -> str:
    try:
        model, run = TOOLS[function["name"]]
        return str(run(model.model_validate_json(function["arguments"])))
    except Exception as error:  # what goes wrong in a tool is an answer to the model
        return f"Error: {error}"
