"""The notebook's workflow as a library: the snippet as printed, and everything around it."""

import asyncio
import datetime
import json
import logging
import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool, ToolMetadata, ToolOutput
from llama_index.core.tools.types import BaseTool
from llama_index.core.workflow import Context
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel, Field, ValidationError

from hitl import (
    AgentConfig,
    HITLAgent,
    LLMCallEvent,
    ProgressEvent,
    TextDeltaEvent,
    ToolApprovedEvent,
    ToolCallEvent,
    ToolCallResultEvent,
    ToolRequestEvent,
)
from tests.openai_rules import violations_of_chat
from tests.openai_server import Call, Reply, addition, serve
from tests.scripted import DEADLINE, Gate, Said, ScriptedModel, asks, scripted
from tests.stage import Till, agent

Answer = Callable[[ToolRequestEvent], ToolApprovedEvent | list[ToolApprovedEvent] | None]


def add_two_numbers(a: int, b: int) -> int:
    """Used to add two numbers together."""
    return a + b


agent_config = AgentConfig(
    name="Addition Agent",
    description="Used to add two numbers together.",
    system_prompt="You are an agent that adds two numbers together.",
    tools=[FunctionTool.from_defaults(add_two_numbers)],
    tools_requiring_human_confirmation=["add_two_numbers"],
)
TEN = Call("add_two_numbers", {"a": 10, "b": 10}, "p1")


def yes(event: ToolRequestEvent, **changes: Any) -> ToolApprovedEvent:
    """The notebook's approval, or one that differs from it."""
    fields = {"tool_name": event.tool_name, "tool_id": event.tool_id}
    return ToolApprovedEvent(
        **{**fields, "tool_kwargs": event.tool_kwargs, "approved": True, **changes}
    )


def no(event: ToolRequestEvent, reason: str | None = None) -> ToolApprovedEvent:
    return yes(event, approved=False, response=reason)


class Told:
    """One run of the library: its result, and all that it said on the way."""

    def __init__(self) -> None:
        self.result: dict[str, Any] = {}
        self.events: list[Any] = []

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def progress(self) -> list[str]:
        return [event.msg for event in self.of(ProgressEvent)]

    @property
    def tools(self) -> list[str]:
        """The tool messages of the history, in order."""
        chat = self.result["chat_history"]
        return [str(message.content) for message in chat if message.role == "tool"]


async def told(answer: Answer | None = yes, **arguments: Any) -> Told:
    """Run the library, answering each request, until it ends."""
    arguments = {"agent_config": agent_config, "user_msg": "What is 10 + 10?", **arguments}
    run = Told()
    handler = HITLAgent().run(**arguments)
    async with asyncio.timeout(DEADLINE):
        async for event in handler.stream_events():
            run.events.append(event)
            if isinstance(event, ToolRequestEvent) and answer:
                answers = answer(event) or []
                for each in answers if isinstance(answers, list) else [answers]:
                    handler.ctx.send_event(each)
        run.result = await handler
    assert violations_of_chat(run.result["chat_history"]) == []
    return run


# The snippet


async def test_the_snippet_of_the_design_runs_as_printed_with_openai():
    with serve(addition) as server:
        llm = OpenAI(model="gpt-4o", api_base=server.url, api_key="test-key")
        handler = HITLAgent().run(
            agent_config=agent_config,
            user_msg="What is 10 + 10?",
            chat_history=[],
            initial_state={"user_name": "Logan"},
            llm=llm,
        )
        async for event in handler.stream_events():
            if isinstance(event, ToolRequestEvent):
                handler.ctx.send_event(
                    ToolApprovedEvent(
                        approved=True,
                        tool_name=event.tool_name,
                        tool_id=event.tool_id,
                        tool_kwargs=event.tool_kwargs,
                    )
                )
        result = await handler
        assert result["response"] == "10 + 10 is 20."
        assert [str(message.role.value) for message in result["chat_history"]] == [
            *("user", "assistant", "tool", "assistant")
        ]
        assert server.refused == []


async def test_the_snippet_runs_with_any_function_calling_llm():
    with scripted(TEN, "10 + 10 is 20.") as llm:
        run = await told(llm=llm)
    assert run.result["response"] == "10 + 10 is 20."
    assert run.tools == ["20"]


async def test_a_model_that_cannot_stream_works_too():
    with scripted(TEN, "20.", streams=False) as llm:
        run = await told(llm=llm)
    assert run.result["response"] == "20."
    assert "".join(event.delta for event in run.of(TextDeltaEvent)) == "20."


async def test_two_questions_in_a_row_share_the_history_that_was_returned():
    with serve(addition) as server:
        llm = OpenAI(model="gpt-4o", api_base=server.url, api_key="test-key")
        first = await told(llm=llm, chat_history=[])
        second = await told(
            llm=llm, chat_history=first.result["chat_history"], user_msg="And 3 + 4 and 5 + 6?"
        )
        assert server.refused == []
    assert second.result["response"] == "3 + 4 is 7. 5 + 6 is 11."
    assert len(second.result["chat_history"]) == 4 + 5


# What it is given


@pytest.mark.parametrize("missing", ["user_msg", "llm", "chat_history"])
async def test_what_is_required_must_not_be_none(missing: str):
    arguments = {"user_msg": "Hi", "llm": ScriptedModel(), "chat_history": [], missing: None}
    with pytest.raises(ValueError, match=r"^User message, llm, and chat_history are required!$"):
        await HITLAgent().run(agent_config=agent_config, **arguments)


async def test_a_model_that_cannot_call_functions_is_refused():
    with pytest.raises(ValueError, match=r"^LLM must be a function calling model!$"):
        await HITLAgent().run(agent_config=agent_config, user_msg="Hi", llm=MockLLM())
    with pytest.raises(ValueError, match=r"^LLM must be a function calling model!$"):
        await told(llm=ScriptedModel(calls_functions=False))


async def test_an_omitted_model_is_gpt_4o_at_a_temperature_of_0_3(monkeypatch: pytest.MonkeyPatch):
    with serve(addition) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        run = await told(chat_history=[])
        sent = server.requests[0]
    assert (sent["model"], sent["temperature"]) == ("gpt-4o", 0.3)
    assert run.result["response"] == "10 + 10 is 20."


async def test_an_omitted_history_and_state_are_empty():
    with scripted("Hi.") as llm:
        run = await told(llm=llm)
    assert len(run.result["chat_history"]) == 2
    assert [message.role.value for message in llm.sent[0]] == ["system", "user"]


@pytest.mark.parametrize("state", [None, {}])
async def test_an_empty_state_needs_no_mention_of_anything(state: Any):
    with scripted("Hi.") as llm:
        await told(llm=llm, initial_state=state)
    assert str(llm.sent[0][0].content).startswith("You are an agent that adds")


async def test_other_keywords_of_the_notebook_are_accepted():
    with scripted("Hi.") as llm:
        memory = ChatMemoryBuffer.from_defaults(llm=llm)
        run = await told(llm=llm, memory=memory, chat_history=memory.get(), something="else")
    assert run.result["response"] == "Hi."


async def test_the_user_state_is_appended_to_the_system_prompt():
    with scripted("Hi.") as llm:
        await told(
            llm=llm, initial_state={"user_name": "Logan", "since": datetime.date(2024, 1, 2)}
        )
    assert llm.sent[0][0].content == (
        "You are an agent that adds two numbers together.\n\n"
        "Here is the current user state:\nuser_name: Logan\nsince: 2024-01-02"
    )


@pytest.mark.parametrize("tools", [None, []], ids=["None", "empty"])
async def test_an_agent_without_prompt_and_tools_works(tools: Any):
    bare = AgentConfig(name="Bare", description="", system_prompt=None, tools=tools)
    with serve(addition) as server:
        llm = OpenAI(model="gpt-4o", api_base=server.url, api_key="test-key")
        run = await told(llm=llm, agent_config=bare, user_msg="Hello")
        assert server.refused == []
    assert run.result["response"].startswith("Ask me for a sum")


async def test_the_callers_history_is_not_changed():
    history = [ChatMessage("Hello"), ChatMessage("Hi.", role="assistant")]
    before = [message.model_dump() for message in history]
    with scripted(TEN, "20.") as llm:
        run = await told(llm=llm, chat_history=history)
    assert [message.model_dump() for message in history] == before
    assert len(run.result["chat_history"]) == 6
    assert len(llm.sent[0]) == 4


async def test_an_empty_user_message_is_said_too():
    with scripted("Say something.") as llm:
        run = await told(llm=llm, user_msg="")
    assert [message.role.value for message in run.result["chat_history"]] == ["user", "assistant"]


def test_waiting_has_no_timeout():
    assert HITLAgent()._timeout is None
    assert HITLAgent(timeout=5)._timeout == 5


# What it says


async def test_the_request_shows_the_tool_its_arguments_and_the_question():
    with scripted(TEN, "20.") as llm:
        run = await told(llm=llm)
    (request,) = run.of(ToolRequestEvent)
    assert request.prefix == "Tool add_two_numbers requires human approval."
    assert (request.tool_name, request.tool_kwargs) == ("add_two_numbers", {"a": 10, "b": 10})


async def test_the_request_bears_our_id_and_the_messages_the_providers():
    with scripted(TEN, "20.") as llm:
        run = await told(llm=llm)
    (request,) = run.of(ToolRequestEvent)
    assert request.tool_id != "p1"
    assert set(request.tool_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    answer = run.result["chat_history"][2]
    assert answer.additional_kwargs["tool_call_id"] == "p1"
    assert request.tool_id not in str(run.result["chat_history"])


async def test_progress_tells_each_call_with_its_arguments_and_result():
    with scripted(TEN, "20.") as llm:
        run = await told(llm=llm)
    assert run.progress == [
        "Tool add_two_numbers called with {'a': 10, 'b': 10} returned 20",
    ]


async def test_tokens_stream():
    with scripted("One two three.") as llm:
        run = await told(llm=llm)
    assert [event.delta for event in run.of(TextDeltaEvent)] == ["One", " two", " three."]


async def test_the_notebooks_names_are_there():
    assert [LLMCallEvent, ToolCallEvent, ToolCallResultEvent]
    steps = {"setup", "speak_with_agent", "handle_tool_approval", "handle_tool_call"}
    assert steps | {"aggregate_tool_results"} <= set(HITLAgent()._get_steps())


# What is decided


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Too much.", "Tool call was not approved. Nothing was executed. Reason: Too much."),
        (None, "Tool call was not approved. Nothing was executed."),
        ("", "Tool call was not approved. Nothing was executed."),
    ],
)
async def test_a_rejection_reaches_the_model_with_its_reason(reason: str | None, said: str):
    till = Till()
    with scripted(Call("pay", {"amount": 7}, "p1"), "As you wish.") as llm:
        config = agent(till.tool())
        run = await told(lambda event: no(event, reason), llm=llm, agent_config=config)
    assert till.paid == []
    assert run.tools == [said]
    assert run.result["chat_history"][2].additional_kwargs["tool_call_id"] == "p1"


@pytest.mark.parametrize("approved", ["yes", 1, "true", None])
def test_only_a_boolean_approves(approved: Any):
    with pytest.raises(ValidationError):
        ToolApprovedEvent(tool_name="pay", tool_id="1", tool_kwargs={}, approved=approved)


async def test_an_approval_sent_twice_runs_the_tool_once():
    till = Till()
    with scripted(Call("pay", {"amount": 7}), "Paid.") as llm:
        run = await told(
            lambda event: [yes(event), yes(event), no(event)],
            llm=llm,
            agent_config=agent(till.tool()),
        )
    assert till.paid == [7]
    assert run.tools == ["paid 7"]
    assert len([msg for msg in run.progress if "refused" in msg]) == 2


FORGERIES: dict[str, dict[str, Any]] = {
    "a forged id": {"tool_id": "forged-1-0"},
    "an empty id": {"tool_id": ""},
    "the provider's id": {"tool_id": "p1"},
    "another tool's name": {"tool_name": "steal"},
    "arguments that don't fit": {"tool_kwargs": {"amount": "lots"}},
    "arguments that are missing": {"tool_kwargs": {}},
    "arguments that don't exist": {"tool_kwargs": {"amount": 7, "to": "me"}},
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
async def test_an_approval_is_refused_aloud_and_the_run_goes_on_after(
    forgery: dict[str, Any], caplog: pytest.LogCaptureFixture
):
    till = Till()
    with scripted(Call("pay", {"amount": 7}, "p1"), "Done.") as llm:
        run = await told(
            lambda event: [yes(event, **forgery), no(event, "No.")],
            llm=llm,
            agent_config=agent(till.tool()),
        )
    assert till.paid == []
    assert run.tools == ["Tool call was not approved. Nothing was executed. Reason: No."]
    assert [msg for msg in run.progress if "Approval refused" in msg]
    assert [each for each in caplog.records if each.levelno == logging.WARNING]


async def test_an_approval_from_another_run_is_refused():
    till, stolen = Till(), []
    with scripted(Call("pay", {"amount": 7}), "Paid.") as llm:
        await told(
            lambda event: [stolen.append(event) or yes(event)],  # type: ignore[func-returns-value]
            llm=llm,
            agent_config=agent(till.tool()),
        )
    with scripted(Call("pay", {"amount": 8}), "Not paid.") as llm:
        await told(
            lambda event: [yes(stolen[0]), no(event)], llm=llm, agent_config=agent(till.tool())
        )
    assert till.paid == [7]


async def test_an_approval_for_a_call_that_needed_none_is_refused():
    till, free, gate = Till(), Till(), Gate()

    def look(amount: int) -> str:
        """Look."""
        gate.wait()
        return free.pay(amount)

    with scripted(asks(Call("look", {"amount": 1}), Call("pay", {"amount": 7})), "Ok.") as llm:

        def answer(event: ToolRequestEvent) -> list[ToolApprovedEvent]:
            unasked = event.tool_id.removesuffix("1") + "0"
            gate.open()
            forged = yes(event, tool_id=unasked, tool_name="look", tool_kwargs={"amount": 1})
            return [forged, no(event)]

        config = agent(till.tool(), look, free="look")
        run = await told(answer, llm=llm, agent_config=config)
    assert (free.paid, till.paid) == ([1], [])
    assert [msg for msg in run.progress if "Approval refused" in msg]


async def test_edited_arguments_are_what_runs_and_the_model_is_told():
    till = Till()
    with scripted(Call("pay", {"amount": 1000}), "Paid less.") as llm:
        run = await told(
            lambda event: yes(event, tool_kwargs={"amount": 10}),
            llm=llm,
            agent_config=agent(till.tool()),
        )
    assert till.paid == [10]
    assert run.tools == [
        'A person changed the arguments before approving. What ran: {"amount": 10}\npaid 10'
    ]
    assert '"amount": 1000' in str(run.result["chat_history"][1].blocks)
    assert run.progress == ["Tool pay called with {'amount': 10} returned " + run.tools[0]]


async def test_edited_arguments_are_checked_like_the_models_own():
    till = Till()
    with scripted(Call("pay", {"amount": 1000}), "Paid less.") as llm:
        run = await told(
            lambda event: [
                yes(event, tool_kwargs={"amount": "ten"}),
                yes(event, tool_kwargs={"amount": "10"}),
            ],
            llm=llm,
            agent_config=agent(till.tool()),
        )
    assert till.paid == [10]
    assert run.progress[0].startswith("Approval refused: the edited arguments don't fit: amount:")


async def test_an_edit_from_one_to_true_is_an_edit():
    seen: list[Any] = []

    def switch(value: Any) -> str:
        """Switch."""
        seen.append(value)
        return "switched"

    with scripted(Call("switch", {"value": 1}), "Ok.") as llm:
        run = await told(
            lambda event: yes(event, tool_kwargs={"value": True}),
            llm=llm,
            agent_config=agent(switch),
        )
    assert seen == [True]
    assert seen[0] is True
    assert run.tools[0].startswith("A person changed the arguments")


async def test_parallel_calls_with_mixed_decisions_are_answered_in_the_models_order():
    till = Till()

    def boom(amount: int) -> str:
        """Break."""
        raise RuntimeError("kaput")

    def look(amount: int) -> str:
        """Look."""
        return f"saw {amount}"

    calls = asks(
        Call("pay", {"amount": 1}, "p1"),
        Call("pay", {"amount": 2}, "p2"),
        Call("boom", {"amount": 3}, "p3"),
        Call("look", {"amount": 4}, "p4"),
        Call("nope", {"amount": 5}, "p5"),
        Call("pay", {"amount": "six"}, "p6"),
        Call("pay", {"amount": 7}, "p7"),
    )
    waiting: list[ToolRequestEvent] = []

    def answer(event: ToolRequestEvent) -> list[ToolApprovedEvent]:
        """Decide all of them at once, the last one first."""
        waiting.append(event)
        if len(waiting) < 4:
            return []
        first, second, third, fourth = waiting
        return [yes(fourth), yes(third), no(second, "No."), yes(first)]

    with scripted(calls, "Done.") as llm:
        config = agent(till.tool(), boom, look, free="look")
        run = await told(answer, llm=llm, agent_config=config)
    assert sorted(till.paid) == [1, 7]
    assert run.tools[:5] == [
        "paid 1",
        "Tool call was not approved. Nothing was executed. Reason: No.",
        "Encountered error in tool call: kaput",
        "saw 4",
        "Tool nope does not exist",
    ]
    assert run.tools[5].startswith("Encountered error in tool call: amount: ")
    assert run.tools[6] == "paid 7"
    answers = [each for each in run.result["chat_history"] if each.role == "tool"]
    assert [each.additional_kwargs["tool_call_id"] for each in answers] == [
        *("p1", "p2", "p3", "p4", "p5", "p6", "p7")
    ]


async def test_four_tools_run_at_once_and_not_five():
    gate, lock = Gate(), threading.Lock()
    running = most = 0

    async def slow(n: int) -> str:
        """Be slow."""
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running >= 4:
                four.set()
        await gate.await_()
        with lock:
            running -= 1
        return "done"

    four = asyncio.Event()
    calls = asks(*(Call("slow", {"n": n}, f"p{n}") for n in range(6)))
    with scripted(calls, "Done.") as llm:
        task = asyncio.create_task(told(llm=llm, agent_config=agent(slow, free="slow")))
        async with asyncio.timeout(DEADLINE):
            await four.wait()
        for _ in range(20):  # a fifth would start within a few turns of the loop
            await asyncio.sleep(0)
        gate.open()
        run = await task
    assert most == 4
    assert run.tools == ["done"] * 6


# What the model writes


BAD_ARGUMENTS = {
    "are cut off": '{"amount": 7',
    "are no object": "[7]",
    "are a bare word": "seven",
    "are NaN": '{"amount": NaN}',
    "are infinite": '{"amount": 1e999}',
    "have another type": '{"amount": "seven"}',
    "are missing": "{}",
    "hold an unknown name": '{"amount": 7, "tenant": "evil"}',
    "are out of bounds": '{"amount": 101}',
    "nest rather deep": '{"amount": ' + "[" * 800 + "]" * 800 + "}",
    "nest too deep": '{"amount": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "hold half a character": '{"amount": "\\ud800"}',
    "hold a number of many digits": '{"amount": ' + "9" * 5000 + "}",
}


class Payment(BaseModel):
    amount: Annotated[int, Field(ge=1, le=100)]


@pytest.mark.parametrize("written", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
async def test_nobody_is_bothered_with_arguments_that(written: str):
    till = Till()
    config = agent(FunctionTool.from_defaults(till.pay, fn_schema=Payment))
    with scripted(Call("pay", written), "Sorry.") as llm:
        run = await told(llm=llm, agent_config=config)
    assert run.of(ToolRequestEvent) == []
    assert till.paid == []
    assert run.tools[0].startswith("Encountered error in tool call: ")
    assert run.tools[0].endswith("Nothing was executed.")
    for block in run.result["chat_history"][1].blocks:
        json.loads(block.tool_kwargs, parse_constant=pytest.fail)


async def test_half_a_character_in_free_data_is_answered_to_the_model():
    def keep(data: dict[str, Any]) -> str:
        """Keep."""
        return "kept"

    with scripted(Call("keep", '{"data": {"x": "\\ud800"}}'), "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(keep, free="keep"))
    assert len(run.tools) == 1


async def test_half_characters_end_no_conversation():
    calls = [Call("half \ud800", "{}"), Call("add_two_numbers", '{"a": "\\ud800"}', "p\ud800")]
    replies = [Reply(calls=calls), Reply("Half \ud800 a character."), Reply("Ok.")]
    with serve(replies) as server:
        llm = OpenAI(model="gpt-4o", api_base=server.url, api_key="test-key")
        first = await told(llm=llm, user_msg="What is half \ud800 of it?")
        second = await told(llm=llm, chat_history=first.result["chat_history"])
        assert server.refused == []
    assert first.result["response"] == "Half \\ud800 a character."
    assert "".join(event.delta for event in first.of(TextDeltaEvent)) == first.result["response"]
    assert second.result["response"] == "Ok."


async def test_an_unknown_tool_is_answered_and_nobody_is_asked():
    with scripted(Call("nope", {"a": 1}, "p1"), "Sorry.") as llm:
        run = await told(llm=llm)
    assert run.tools == ["Tool nope does not exist"]
    assert run.of(ToolRequestEvent) == []


async def test_a_call_of_a_tool_with_an_impossible_name_leaves_a_valid_history():
    with scripted(Call("a b/ü" + "x" * 80, "{}"), Call("", ""), "Sorry.") as llm:
        run = await told(llm=llm)
    assert len(run.tools) == 2


@pytest.mark.parametrize(
    "ids",
    [("", ""), ("same", "same"), ("call_1_1", ""), ("x" * 41, "y" * 500)],
    ids=["empty", "the same", "one that looks like ours", "too long"],
)
async def test_each_call_is_kept_when_the_ids_are(ids: tuple[str, str]):
    calls = asks(*(Call("add_two_numbers", {"a": n, "b": 1}, i) for n, i in enumerate(ids)))
    with scripted(calls, "Done.") as llm:
        run = await told(llm=llm)
    assert run.tools == ["1", "2"]


async def test_a_fixed_argument_cannot_be_overridden_by_the_model_or_an_approver():
    seen: list[str] = []

    def pay(amount: int, tenant: str) -> str:
        """Pay."""
        seen.append(tenant)
        return "paid"

    tool = FunctionTool.from_defaults(pay, partial_params={"tenant": "good"})
    evil = {"amount": 1, "tenant": "evil"}
    with scripted(Call("pay", evil), Call("pay", {"amount": 1}), "Ok.") as llm:
        run = await told(
            lambda event: [yes(event, tool_kwargs=evil), yes(event)],
            llm=llm,
            agent_config=agent(tool),
        )
    assert seen == ["good"]
    assert "unknown arguments: 'tenant'" in run.tools[0]


# The tools


class Address(BaseModel):
    street: str
    zip: int = 8000


class Order(BaseModel):
    to: Address
    items: list[str] = Field(default_factory=list)


async def test_defaults_are_filled_in_where_the_person_can_see_them():
    def greet(name: str, greeting: str = "Hello", times: int = 2) -> str:
        """Greet."""
        return " ".join([greeting] * times + [name])

    with scripted(Call("greet", {"name": "Ada"}), "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(greet))
    (request,) = run.of(ToolRequestEvent)
    assert request.tool_kwargs == {"name": "Ada", "greeting": "Hello", "times": 2}
    assert run.tools == ["Hello Hello Ada"]


async def test_nested_models_are_shown_as_data_and_reach_the_tool_as_models():
    seen: list[Order] = []

    def ship(order: Order, on: datetime.date) -> str:
        """Ship."""
        seen.append(order)
        return f"shipped to {order.to.street} {order.to.zip} on {on:%d.%m.}"

    call = Call("ship", {"order": {"to": {"street": "Elm"}, "items": ["a"]}, "on": "2024-01-02"})
    with scripted(call, "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(ship))
    (request,) = run.of(ToolRequestEvent)
    assert request.tool_kwargs == {
        "order": {"to": {"street": "Elm", "zip": 8000}, "items": ["a"]},
        "on": "2024-01-02",
    }
    assert isinstance(seen[0], Order)
    assert run.tools == ["shipped to Elm 8000 on 02.01."]


async def test_a_schema_with_aliases_is_shown_and_run_by_its_own_names():
    class Mail(BaseModel):
        sender: str = Field(alias="from")

    def mail(sender: str) -> str:
        """Mail."""
        return f"from {sender}"

    tool = FunctionTool.from_defaults(mail, fn_schema=Mail)
    with scripted(Call("mail", {"from": "Ada"}), "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(tool))
    assert run.of(ToolRequestEvent)[0].tool_kwargs == {"from": "Ada"}
    assert run.tools == ["from Ada"]


async def test_tools_get_the_context_that_they_ask_for():
    async def count(ctx: Context, step: int) -> str:
        """Count."""
        total = await ctx.store.get("total", default=0) + step
        await ctx.store.set("total", total)
        return str(total)

    calls = [Call("count", {"step": 2}), Call("count", {"step": 3})]
    with scripted(*calls, "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(count))
    assert run.tools == ["2", "5"]
    assert run.of(ToolRequestEvent)[0].tool_kwargs == {"step": 2}


async def test_sync_tools_run_in_threads_and_async_tools_on_the_loop():
    threads: dict[str, threading.Thread] = {}

    def plain(n: int) -> str:
        """Plain."""
        threads["plain"] = threading.current_thread()
        return "plain"

    async def asynchronous(n: int) -> str:
        """Asynchronous."""
        threads["asynchronous"] = threading.current_thread()
        return "asynchronous"

    calls = asks(Call("plain", {"n": 1}), Call("asynchronous", {"n": 1}))
    with scripted(calls, "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(plain, asynchronous))
    assert run.tools == ["plain", "asynchronous"]
    assert threads["plain"] is not threading.current_thread()
    assert threads["asynchronous"] is threading.current_thread()


def _fails_with(error: BaseException) -> Callable[..., Any]:
    def fail(n: int) -> str:
        """Fail."""
        raise error

    return fail


def _fails_later_with(error: BaseException) -> Callable[..., Any]:
    async def fail(n: int) -> str:
        """Fail."""
        raise error

    return fail


ERRORS = {
    "an error": ValueError("kaput"),
    "an end of iteration": StopIteration("kaput"),
    "an exit": SystemExit("kaput"),
    "an interruption": KeyboardInterrupt("kaput"),
    "the end of a generator": GeneratorExit("kaput"),
    "a cancellation": asyncio.CancelledError("kaput"),
}


@pytest.mark.parametrize("fails", [_fails_with, _fails_later_with], ids=["sync", "async"])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_a_tool_that_raises_is_an_answer_to_the_model(
    error: BaseException, fails: Callable[[BaseException], Callable[..., Any]]
):
    with scripted(Call("fail", {"n": 1}, "p1"), "Sorry.") as llm:
        run = await told(llm=llm, agent_config=agent(fails(error)))
    assert run.tools[0].startswith("Encountered error in tool call: ")
    assert "kaput" in run.tools[0] or isinstance(error, StopIteration)
    assert run.result["response"] == "Sorry."


async def test_an_error_without_words_is_told_by_its_name():
    with scripted(Call("fail", {"n": 1}, "p1"), "Sorry.") as llm:
        run = await told(llm=llm, agent_config=agent(_fails_with(KeyError())))
    assert run.tools == ["Encountered error in tool call: KeyError"]


async def test_an_error_that_cannot_even_be_said_is_told_by_its_name():
    class Mumbled(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with scripted(Call("fail", {"n": 1}, "p1"), "Sorry.") as llm:
        run = await told(llm=llm, agent_config=agent(_fails_with(Mumbled())))
    assert run.tools == ["Encountered error in tool call: Mumbled"]


class Broken(BaseTool):
    """A tool of somebody else's, which says in its output that it failed."""

    calls = 0

    @property
    def metadata(self) -> ToolMetadata:
        return ToolMetadata("Break.", name="broken")

    def __call__(self, input: Any) -> ToolOutput:
        Broken.calls += 1
        return ToolOutput(
            content="no such file", tool_name="broken", raw_input={}, raw_output=None, is_error=True
        )


async def test_a_tool_that_says_it_failed_has_failed():
    Broken.calls = 0
    with scripted(Call("broken", {"input": "x"}), "Sorry.") as llm:
        run = await told(llm=llm, agent_config=agent(Broken()))
    assert run.tools == ["Encountered error in tool call: no such file"]
    assert Broken.calls == 1


CIRCLE: dict[str, Any] = {}
CIRCLE["round"] = CIRCLE


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (None, "None"),
        ("", ""),
        ({"ä": [1, None]}, '{"ä": [1, null]}'),
        ([1, "two"], '[1, "two"]'),
        ("nul \0 and half \ud800 a character", "nul \\x00 and half \\ud800 a character"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (CIRCLE, "{'round': {...}}"),
    ],
    ids=["None", "empty", "dict", "list", "hostile text", "odd keys", "circle"],
)
async def test_the_model_reads_a_result(result: Any, said: str):
    def give(n: int) -> Any:
        """Give."""
        return result

    with scripted(Call("give", {"n": 1}), "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(give))
    assert run.tools == [said]


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("result", "why"),
    [
        (Unspeakable(), "no words"),
        ({"deep": [Unspeakable()]}, "no words"),
        (10**5000, "Exceeds the limit"),
    ],
    ids=["unspeakable", "unspeakable inside", "huge number"],
)
async def test_a_tool_whose_result_cannot_be_shown_has_succeeded(
    result: Any, why: str, asynchronous: bool
):
    ran = []

    def give(n: int) -> Any:
        """Give."""
        ran.append(n)
        return result

    async def give_later(n: int) -> Any:
        """Give."""
        return give(n)

    tool = FunctionTool.from_defaults(give_later if asynchronous else give, name="give")
    with scripted(Call("give", {"n": 1}), "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(tool))
    assert run.tools[0].startswith("Done; its result can't be shown as text (" + why)
    assert ran == [1]


async def test_a_plain_function_around_an_async_one_is_awaited():
    async def work(n: int) -> str:
        await asyncio.sleep(0)
        return f"worked {n}"

    def give(n: int) -> Any:
        """Give."""
        return work(n)

    with scripted(Call("give", {"n": 1}), "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(give))
    assert run.tools == ["worked 1"]


async def test_a_generator_has_failed_as_nothing_of_it_ran():
    ran = []

    def give(n: int) -> Any:
        """Give."""
        ran.append(n)
        yield n

    async def stream(n: int) -> Any:
        """Give."""
        ran.append(n)
        yield n

    calls = asks(Call("give", {"n": 1}), Call("stream", {"n": 1}))
    with scripted(calls, "Sorry.") as llm:
        run = await told(llm=llm, agent_config=agent(give, stream))
    said = "it returned a generator, whose code has not run; a tool must return its result."
    assert run.tools == [f"Encountered error in tool call: {said}"] * 2
    assert ran == []


async def test_a_set_of_arguments_may_come_in_any_order():
    def pick(names: set[str]) -> str:
        """Pick."""
        return " ".join(sorted(names))

    names = [f"name {n}" for n in range(50)]
    with scripted(Call("pick", {"names": names}), "Ok.") as llm:
        run = await told(llm=llm, agent_config=agent(pick))
    assert run.tools == [" ".join(sorted(names))]


async def test_a_run_can_ask_again_and_again():
    calls = [Call("add_two_numbers", {"a": n, "b": 1}) for n in range(5)]
    with scripted(*calls, "Done.") as llm:
        run = await told(llm=llm)
    assert run.tools == ["1", "2", "3", "4", "5"]
    assert len({event.tool_id for event in run.of(ToolRequestEvent)}) == 5


async def test_text_beside_calls_is_kept():
    with scripted(Said("Let me see.", [TEN]), "20.") as llm:
        run = await told(llm=llm)
    assert run.result["chat_history"][1].content == "Let me see."


async def test_an_error_of_the_model_ends_the_run_with_that_error():
    with scripted(RuntimeError("no credit")) as llm, pytest.raises(RuntimeError, match="no credit"):
        await told(llm=llm)


async def test_many_runs_at_once_keep_apart():
    async def one(n: int) -> str:
        with scripted(Call("add_two_numbers", {"a": n, "b": 0}), f"It is {n}.") as llm:
            run = await told(llm=llm)
        assert run.tools == [str(n)]
        return str(run.result["response"])

    assert await asyncio.gather(*map(one, range(10))) == [f"It is {n}." for n in range(10)]
