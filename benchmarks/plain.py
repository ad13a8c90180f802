"""The same approve cycle as a plain LlamaIndex workflow, without any durability, for comparison.

As the notebook does it: the model, a wait for a person's event, the tool, the model again; nothing
is stored anywhere.
"""

import asyncio
import json
import os
import threading
import time
from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import (
    Context,
    Event,
    HumanResponseEvent,
    InputRequiredEvent,
    StartEvent,
    StopEvent,
    Workflow,
    step,
)
from llama_index.llms.openai import OpenAI


def add_two_numbers(a: int, b: int) -> int:
    """Used to add two numbers together."""
    return a + b


class Speak(Event):
    """It is the model's turn."""


class PlainAgent(Workflow):
    """An agent that asks before each call, and keeps nothing."""

    def __init__(self, llm: OpenAI) -> None:
        super().__init__(timeout=None)
        self.llm, self.tool = llm, FunctionTool.from_defaults(add_two_numbers)

    @step
    async def begin(self, ctx: Context, ev: StartEvent) -> Speak:
        await ctx.store.set("chat", [ChatMessage(ev.get("user_msg"), role="user")])
        return Speak()

    @step
    async def speak(self, ctx: Context, ev: Speak) -> InputRequiredEvent | StopEvent:
        chat = await ctx.store.get("chat")
        stream = await self.llm.astream_chat_with_tools([self.tool], chat_history=chat)
        async for response in stream:
            last = response
        chat.append(last.message)
        calls = self.llm.get_tool_calls_from_response(last, error_on_no_tool_call=False)
        if not calls:
            return StopEvent(result=last.message.content)
        await ctx.store.set("call", calls[0])
        return InputRequiredEvent(prefix=calls[0].tool_name)

    @step
    async def act(self, ctx: Context, ev: HumanResponseEvent) -> Speak:
        call, chat = await ctx.store.get("call"), await ctx.store.get("chat")
        output = await self.tool.acall(**call.tool_kwargs)
        extra = {"tool_call_id": call.tool_id}
        chat.append(ChatMessage(str(output), role="tool", additional_kwargs=extra))
        return Speak()


async def _cycle(agent: PlainAgent, text: str) -> str:
    handler = agent.run(user_msg=text)
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            handler.ctx.send_event(HumanResponseEvent())
    return str(await handler)


class PlainLoop:
    """A background loop with one agent and its model's client, as a server would have it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        url, key = os.environ["OPENAI_BASE_URL"], os.environ.get("OPENAI_API_KEY", "none")
        self.agent = PlainAgent(OpenAI(model="gpt-4o", api_base=url, api_key=key))

    def ask_and_approve(self, text: str) -> str:
        """One whole cycle; the answer."""
        return asyncio.run_coroutine_threadsafe(_cycle(self.agent, text), self.loop).result(30)


def durable(count: int = 200) -> dict[str, Any]:
    """Milliseconds of a cycle here, on SQLite, and of the same without durability, in turns."""
    from benchmarks.headless import approve, ask, open_desk

    ours, plain = [], []
    with open_desk() as desk:
        loop = PlainLoop()
        for number in range(count + 10):
            text, answer = f"What is {number} + 1?", f"{number} + 1 is {number + 1}."
            began = time.perf_counter()
            if approve(desk, ask(desk, text)) != answer:
                raise RuntimeError(f"another answer than {answer!r}")
            between = time.perf_counter()
            if loop.ask_and_approve(text) != answer:
                raise RuntimeError(f"another answer than {answer!r}")
            if number >= 10:  # the first ones fill caches
                ours.append(1e3 * (between - began))
                plain.append(1e3 * (time.perf_counter() - between))
    return {"durable_ms": ours, "plain_ms": plain}


if __name__ == "__main__":
    print(json.dumps(durable()))
