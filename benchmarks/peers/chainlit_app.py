"""The bench's job in Chainlit: a chat in which a tool call waits for Approve or Reject."""

import chainlit as cl

from agent import open_calls, settle, speak

ONE_HOUR = 3600


@cl.on_chat_start
def start():
    cl.user_session.set("history", [])


@cl.on_message
async def answer(message: cl.Message):
    history = cl.user_session.get("history")
    history.append({"role": "user", "content": message.content})
    await let_speak(history)
    while calls := open_calls(history):
        for call in calls:
            settle(history, call, await approved(call))
        await let_speak(history)


async def let_speak(history: list[dict]):
    """Stream the model's text into a message of its own; a bare tool call gets none."""
    reply = cl.Message(content="")
    async for piece in speak(history):
        await reply.stream_token(piece)
    if reply.content:
        await reply.update()


async def approved(call: dict) -> bool:
    """Ask the person about `call`; no answer within the hour is a no."""
    function = call["function"]
    choice = await cl.AskActionMessage(
        content=f"The agent wants to run `{function['name']}` with `{function['arguments']}`.",
        actions=[
            cl.Action(name="approve", payload={}, label="Approve"),
            cl.Action(name="reject", payload={}, label="Reject"),
        ],
        timeout=ONE_HOUR,
    ).send()
    return choice is not None and choice["name"] == "approve"
