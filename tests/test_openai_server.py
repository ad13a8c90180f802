"""The stand-in for OpenAI is only worth something if it is as strict and as unruly as the real one.

It is asked through the real clients: `openai` itself, LlamaIndex's `OpenAI` and its `OpenAILike`.
"""

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from llama_index.llms.openai_like import OpenAILike

from tests.openai_rules import request_violations, violations, violations_of_chat
from tests.openai_server import Call, OpenAIServer, Reply, addition, serve

USER = {"role": "user", "content": "What is 10 + 20?"}
ADD = Call("add_two_numbers", {"a": 10, "b": 20})
MULTIPLY = Call("multiply", {"a": 3, "b": 4})
TOOL = {"type": "function", "function": {"name": "add_two_numbers"}}


def asking(*ids: Any, **changes: Any) -> dict[str, Any]:
    """An assistant message with a call for each id."""
    function = {"name": "add_two_numbers", "arguments": '{"a": 10, "b": 20}'}
    calls = [{"id": i, "type": "function", "function": {**function, **changes}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def answering(call_id: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "30"}


def add_two_numbers(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@dataclass(frozen=True)
class Connection:
    """A server, and a client of it that does not try again unless told to."""

    server: OpenAIServer
    client: openai.OpenAI

    def ask(self, **changes: Any) -> Any:
        request = {"model": "gpt-4o", "messages": [USER], **changes}
        return self.client.chat.completions.create(**request)

    def post(self, **body: Any) -> Any:
        """Send what the typed methods of the client would not let through."""
        return self.client.post("/chat/completions", body=body, cast_to=object)


@contextmanager
def connected(script: Any, **settings: Any) -> Iterator[Connection]:
    settings = {"api_key": "test-key", "max_retries": 0, **settings}
    with serve(script) as server, openai.OpenAI(base_url=server.url, **settings) as client:
        yield Connection(server, client)


@pytest.fixture(scope="module")
def adder() -> Iterator[Connection]:
    with connected(addition) as connection:
        yield connection


class Stage:
    """A server that lasts for many tests and delivers the reply that a test hands it."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.connection: Connection

    def answer(self, reply: Reply) -> Any:
        self.replies.append(reply)
        return self.connection.ask()

    def streamed(self, reply: Reply, **changes: Any) -> list[Any]:
        self.replies.append(reply)
        return list(self.connection.ask(stream=True, **changes))

    def streamed_calls(self, reply: Reply) -> list[Any]:
        """The tool calls of each chunk that has some."""
        deltas = [chunk.choices[0].delta for chunk in self.streamed(reply)]
        return [delta.tool_calls for delta in deltas if delta.tool_calls]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage()
    with connected(lambda body: stage.replies.popleft()) as stage.connection:
        yield stage


@pytest.fixture(params=["OpenAI", "OpenAILike"])
def llm_of(request: pytest.FixtureRequest) -> Any:
    """Make the LlamaIndex LLM for a server, once with each of the two classes."""
    settings = {"model": "gpt-4o", "api_key": "test-key", "max_retries": 0}
    if request.param == "OpenAI":
        return lambda server: OpenAI(api_base=server.url, **settings)
    settings |= {"is_chat_model": True, "is_function_calling_model": True, "context_window": 8000}
    return lambda server: OpenAILike(api_base=server.url, **settings)


# What is refused

BROKEN_HISTORIES = {
    "unknown role": ([{"role": "robot", "content": "Hi"}], "Invalid value: 'robot'"),
    "missing role": ([{"content": "Hi"}], "Missing required parameter: 'messages[0].role'"),
    "message is no object": (["Hi"], "expected an object, but got a string"),
    "unknown field": ([{**USER, "outcome": "done"}], "Unknown parameter: 'messages[0].outcome'"),
    "user without content": ([{"role": "user", "content": None}], "expected a string, got null"),
    "assistant says nothing": ([USER, {"role": "assistant"}], "expected a string, got null"),
    "content is a number": ([{"role": "user", "content": 7}], "but got an integer"),
    "no answer at the end": ([USER, asking("c1")], "did not have response messages: c1"),
    "one of two answers": (
        [USER, asking("c1", "c2"), answering("c2")],
        "did not have response messages: c1",
    ),
    "user speaks before the answer": (
        [USER, asking("c1"), USER, answering("c1")],
        "did not have response messages: c1",
    ),
    "user speaks between two answers": (
        [USER, asking("c1", "c2"), answering("c1"), USER, answering("c2")],
        "did not have response messages: c2",
    ),
    "second call before the first answer": (
        [USER, asking("c1"), asking("c2"), answering("c1"), answering("c2")],
        "did not have response messages: c1",
    ),
    "answer without call": ([USER, answering("c1")], "must be a response to a preceeding message"),
    "answer to another call": (
        [USER, asking("c1"), answering("c1"), answering("c2")],
        "'tool_call_id' of 'c2' not found",
    ),
    "answer to an earlier call": (
        [USER, asking("c1"), answering("c1"), asking("c2"), answering("c1")],
        "'tool_call_id' of 'c1' not found",
    ),
    "two answers to a call": (
        [USER, asking("c1"), answering("c1"), answering("c1")],
        "Duplicate value for 'tool_call_id' of 'c1'",
    ),
    "same id twice": ([USER, asking("c1", "c1"), answering("c1")], "Duplicate value for"),
    "call with empty id": ([USER, asking(""), answering("")], "empty string"),
    "call without id": ([USER, asking(None)], "'messages[1].tool_calls[0].id'"),
    "call with too long id": ([USER, asking("c" * 41)], "maximum length 40"),
    "no calls in tool_calls": ([USER, asking()], "Invalid 'messages[1].tool_calls': empty array"),
    "tool_calls is null": (
        [USER, {"role": "assistant", "content": "Hi", "tool_calls": None}],
        "expected an array of objects, but got null",
    ),
    "arguments are an object": (
        [USER, asking("c1", arguments={"a": 1}), answering("c1")],
        "arguments': expected a string, but got an object",
    ),
    "call of an impossible name": (
        [USER, asking("c1", name="add numbers"), answering("c1")],
        "string does not match pattern",
    ),
    "answer without id": (
        [USER, asking("c1"), {"role": "tool", "content": "30"}],
        "Missing required parameter: 'messages[2].tool_call_id'",
    ),
    "answer without content": (
        [USER, asking("c1"), {"role": "tool", "tool_call_id": "c1"}],
        "expected a string, got null",
    ),
}

BROKEN_REQUESTS = {
    "no model": ({"model": None}, "you must provide a model parameter"),
    "no messages": ({"messages": None}, "Missing required parameter: 'messages'"),
    "empty messages": ({"messages": []}, "Invalid 'messages': empty array"),
    "unknown parameter": ({"top_k": 5}, "Unrecognized request argument supplied: top_k"),
    "too hot": ({"temperature": 2.1}, "Expected a value <= 2"),
    "too cold": ({"temperature": -1}, "Expected a value >= 0"),
    "temperature in words": ({"temperature": "hot"}, "expected a decimal, but got a string"),
    "empty tools": ({"tools": []}, "Invalid 'tools': empty array"),
    "tool without function": ({"tools": [{"type": "function"}]}, "'tools[0].function'"),
    "tool of an impossible name": (
        {"tools": [{"type": "function", "function": {"name": "add.two"}}]},
        "Invalid 'tools[0].function.name': string does not match pattern",
    ),
    "parallel calls without tools": ({"parallel_tool_calls": True}, "when 'tools' are specified"),
    "tool choice without tools": ({"tool_choice": "auto"}, "when 'tools' are specified"),
    "stream options without stream": (
        {"stream_options": {"include_usage": True}},
        "only allowed when 'stream' is enabled",
    ),
}


@pytest.mark.parametrize(("messages", "text"), BROKEN_HISTORIES.values(), ids=BROKEN_HISTORIES)
def test_broken_history_is_refused_with_400(adder, messages, text):
    with pytest.raises(openai.BadRequestError) as refusal:
        adder.post(model="gpt-4o", messages=messages)

    assert text in refusal.value.message
    assert refusal.value.type == "invalid_request_error"
    assert any(text in violation for violation in violations(messages))


@pytest.mark.parametrize(("changes", "text"), BROKEN_REQUESTS.values(), ids=BROKEN_REQUESTS)
def test_broken_request_is_refused_with_400(adder, changes, text):
    with pytest.raises(openai.BadRequestError) as refusal:
        adder.post(**{"model": "gpt-4o", "messages": [USER], **changes})

    assert text in refusal.value.message
    assert adder.server.refused[-1] in refusal.value.message


def test_body_that_is_no_json_is_refused_with_400(adder):
    key = {"Authorization": "Bearer test-key"}
    response = httpx.post(f"{adder.server.url}/chat/completions", content="{", headers=key)

    assert response.status_code == 400
    assert "could not parse the JSON body" in response.json()["error"]["message"]


def test_wrong_key_is_refused_with_401():
    with connected([], api_key="stolen-key") as stranger:
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            stranger.ask()
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            stranger.client.models.list()


def test_right_key_may_list_the_models(adder):
    assert [model.id for model in adder.client.models.list()] == ["gpt-4o"]


def test_parameters_that_are_null_count_as_not_sent(adder):
    adder.post(model="gpt-4o", messages=[USER], tools=None, tool_choice=None, temperature=None)


@given(st.lists(st.integers(0, 3), max_size=5))
def test_complete_histories_are_accepted(calls_per_turn):
    assert violations(history(calls_per_turn)) == []


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.data())
def test_each_missing_answer_is_noticed(calls_per_turn, data):
    messages = history([*calls_per_turn, 1])
    answers = [i for i, message in enumerate(messages) if message["role"] == "tool"]
    del messages[data.draw(st.sampled_from(answers))]

    assert violations(messages)


WORDS = st.sampled_from(["role", "user", "assistant", "tool", "content", "tool_calls", "id"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=10,
)


@given(JSON, JSON)
def test_no_json_makes_the_rules_crash(messages, tools):
    request_violations(messages)
    request_violations({"model": "gpt-4o", "messages": messages, "tools": tools})


def history(calls_per_turn: list[int]) -> list[dict[str, Any]]:
    """A valid history: in each turn the model makes so many calls, is answered and concludes."""
    messages = []
    for turn, count in enumerate(calls_per_turn):
        ids = [f"c{turn}-{i}" for i in range(count)]
        messages.append(USER)
        if ids:
            # The order of the answers is free.
            messages += [asking(*ids), *map(answering, reversed(ids))]
        messages.append({"role": "assistant", "content": ""})
    return messages


def test_llamaindex_history_is_judged_as_it_would_be_sent():
    asked = ChatMessage(
        role="assistant",
        blocks=[ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1})],
    )
    user = ChatMessage(role="user", content="What is 1 + 1?")
    anonymous = ChatMessage(role="tool", content="2")
    answered = ChatMessage(role="tool", content="2", additional_kwargs={"tool_call_id": "c1"})

    assert violations_of_chat([user, asked, answered]) == []
    assert "did not have response messages: c1" in violations_of_chat([user, asked])[0]
    assert "tool_call_id" in violations_of_chat([user, asked, anonymous])[0]


# What is answered


@pytest.mark.parametrize("text", ["", "Hello, world!"])
def test_streamed_text_adds_up_to_the_text(stage, text):
    chunks = stage.streamed(Reply(text, chunk_size=5))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]


def test_streamed_call_comes_head_first_and_arguments_bit_by_bit(stage):
    (head,), *rest = stage.streamed_calls(Reply(calls=[ADD], chunk_size=6))

    assert (head.function.name, head.function.arguments) == ("add_two_numbers", "")
    assert head.id.startswith("call_")
    assert "".join(part.function.arguments for (part,) in rest) == '{"a": 10, "b": 20}'
    assert len(rest) == 3


def test_calls_get_different_ids(stage):
    calls = stage.answer(Reply(calls=[ADD, ADD])).choices[0].message.tool_calls

    assert calls[0].id != calls[1].id


def test_several_calls_can_come_in_one_chunk(stage):
    (calls,) = stage.streamed_calls(Reply(calls=[ADD, MULTIPLY], calls_in_one_chunk=True))

    assert [call.index for call in calls] == [0, 1]
    assert json.loads(calls[1].function.arguments) == MULTIPLY.arguments


def test_complete_calls_can_all_have_index_zero(stage):
    reply = Reply(calls=[ADD, MULTIPLY], all_index_zero=True)
    calls = [call for (call,) in stage.streamed_calls(reply)]

    assert [call.index for call in calls] == [0, 0]
    assert [call.function.arguments for call in calls] == ['{"a": 10, "b": 20}', '{"a": 3, "b": 4}']


def test_ids_can_be_missing_or_empty(stage):
    missing, empty = Reply(calls=[ADD], no_ids=True), Reply(calls=[Call("add", {}, id="")])

    assert stage.answer(missing).choices[0].message.tool_calls[0].id is None
    assert stage.answer(empty).choices[0].message.tool_calls[0].id == ""
    assert stage.streamed_calls(missing)[0][0].id is None
    assert stage.streamed_calls(empty)[0][0].id == ""


def test_answer_that_is_cut_off_ends_within_its_arguments(stage):
    choice = stage.answer(Reply(calls=[MULTIPLY, ADD], cut_off=True)).choices[0]

    assert choice.finish_reason == "length"
    assert [call.function.arguments for call in choice.message.tool_calls] == [
        '{"a": 3, "b": 4}',
        '{"a": 10, "b": 2',
    ]


def test_arguments_given_as_text_go_out_as_they_are(stage):
    call = stage.answer(Reply(calls=[Call("add", "{nonsense")])).choices[0].message.tool_calls[0]

    assert call.function.arguments == "{nonsense"


def test_usage_is_streamed_only_on_request(stage):
    with_usage = stage.streamed(Reply("Hi"), stream_options={"include_usage": True})

    assert with_usage[-1].choices == []
    assert with_usage[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in stage.streamed(Reply("Hi")))


@pytest.mark.parametrize("chunks", [0, 2])
def test_connection_can_break_in_the_middle_of_a_stream(stage, chunks):
    stage.replies.append(Reply("Hello, world!", drop_after=chunks))
    received = []
    with pytest.raises(httpx.RemoteProtocolError):
        received.extend(stage.connection.ask(stream=True))

    assert len(received) == chunks


def test_connection_can_break_before_the_whole_answer(stage):
    with pytest.raises(openai.APIConnectionError):
        stage.answer(Reply("Hello, world!", drop_after=0))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_errors_can_be_scripted(stage, status, error):
    with pytest.raises(error, match="Try later"):
        stage.answer(Reply("Try later", status=status))


def test_client_that_tries_again_gets_the_next_reply():
    with connected([Reply(status=429), Reply("Hi")], max_retries=1) as stubborn:
        assert stubborn.ask().choices[0].message.content == "Hi"

    assert len(stubborn.server.requests) == 2


def test_answer_can_be_garbage(stage):
    with pytest.raises(json.JSONDecodeError):
        stage.answer(Reply(garbage=True))
    with pytest.raises(json.JSONDecodeError):
        stage.streamed(Reply(garbage=True))


def test_slow_answer_runs_into_the_timeout_of_the_client():
    with (
        connected([Reply(delay=3600)], timeout=0.1) as impatient,
        pytest.raises(openai.APITimeoutError),
    ):
        impatient.ask()


def test_first_chunk_arrives_while_the_next_is_delayed():
    with (
        connected([Reply("Hi", chunk_delay=3600)]) as connection,
        connection.ask(stream=True) as stream,
    ):
        assert next(iter(stream)).choices[0].delta.role == "assistant"


def test_script_may_wait_for_its_test_while_others_are_answered():
    release = threading.Event()

    def script(body: dict[str, Any]) -> Reply:
        if body["user"] == "patient":
            assert release.wait(timeout=10)
        return Reply(body["user"])

    with connected(script) as connection, ThreadPoolExecutor(1) as pool:
        patient = pool.submit(connection.ask, user="patient")
        assert connection.ask(user="hasty").choices[0].message.content == "hasty"
        release.set()
        assert patient.result().choices[0].message.content == "patient"


# What fails loudly


def test_script_that_runs_out_of_replies_fails_the_test():
    with (
        pytest.raises(AssertionError, match="ran out of replies"),
        connected([]) as connection,
        pytest.raises(openai.InternalServerError, match="ran out of replies"),
    ):
        connection.ask()


def test_replies_that_nobody_asked_for_fail_the_test():
    unused = "1 scripted replies were never asked for.*Ho"
    replies = [Reply("Hi"), Reply("Ho")]
    with pytest.raises(AssertionError, match=unused), connected(replies) as connection:
        connection.ask()


def test_script_that_raises_fails_the_test():
    def script(body: dict[str, Any]) -> Reply:
        return Reply(body["user"])

    with (
        pytest.raises(AssertionError, match="KeyError: 'user'"),
        connected(script) as connection,
        pytest.raises(openai.InternalServerError),
    ):
        connection.ask()


def test_failure_of_the_test_itself_is_not_hidden_by_leftover_replies():
    with pytest.raises(ZeroDivisionError), serve([Reply("Hi")]):
        raise ZeroDivisionError


def test_refused_request_takes_no_reply_from_the_script():
    with connected([Reply("Hi")]) as connection:
        with pytest.raises(openai.BadRequestError):
            connection.ask(messages=[])
        connection.ask()

    assert [body["messages"] for body in connection.server.requests] == [[], [USER]]
    assert len(connection.server.refused) == 1


# LlamaIndex and the ready script


def test_llamaindex_adds_in_several_rounds(llm_of, adder):
    llm, tool = llm_of(adder.server), FunctionTool.from_defaults(add_two_numbers)
    rounds = [
        ("What is 10 + 20?", "30", "10 + 20 is 30."),
        (
            "What is 1 + 2?",
            "Not now: not approved.",
            "I did not add the numbers: Not now: not approved.",
        ),
        ("What is 3 + -4?", "-1", "3 + -4 is -1."),
    ]
    chat = []
    for question, content, conclusion in rounds:
        chat.append(ChatMessage(role="user", content=question))
        asked = llm.chat_with_tools([tool], chat_history=list(chat))
        (call,) = llm.get_tool_calls_from_response(asked)
        answered = {"tool_call_id": call.tool_id}
        chat += [
            asked.message,
            ChatMessage(role="tool", content=content, additional_kwargs=answered),
        ]
        concluded = llm.chat_with_tools([tool], chat_history=list(chat))
        chat.append(concluded.message)

        assert concluded.message.content == conclusion
        assert violations_of_chat(chat) == []


def test_llamaindex_streams_a_call_and_its_history_is_valid(llm_of, adder):
    llm, tool = llm_of(adder.server), FunctionTool.from_defaults(add_two_numbers)
    user = ChatMessage(role="user", content="What is 1.5 + 2?")

    *_, last = llm.stream_chat_with_tools([tool], chat_history=[user])
    (call,) = llm.get_tool_calls_from_response(last)
    answered = {"tool_call_id": call.tool_id}
    tool_message = ChatMessage(role="tool", content="3.5", additional_kwargs=answered)
    *_, conclusion = llm.stream_chat([user, last.message, tool_message])

    assert call.tool_kwargs == {"a": 1.5, "b": 2}
    assert conclusion.message.content == "1.5 + 2 is 3.5."
    assert violations_of_chat([user, last.message, tool_message]) == []


def test_llamaindex_is_refused_a_history_without_its_answer(llm_of, adder):
    llm, tool = llm_of(adder.server), FunctionTool.from_defaults(add_two_numbers)
    user = ChatMessage(role="user", content="What is 1 + 2?")
    asked = llm.chat_with_tools([tool], chat_history=[user]).message

    with pytest.raises(openai.BadRequestError, match="did not have response messages"):
        llm.chat([user, asked, user])


def test_llamaindex_sees_the_unruly_chunks_as_they_came(llm_of):
    with serve([Reply(calls=[ADD, MULTIPLY], calls_in_one_chunk=True, no_ids=True)]) as server:
        tool = FunctionTool.from_defaults(add_two_numbers)
        responses = list(llm_of(server).stream_chat_with_tools([tool], user_msg="Hi"))

    calls = [call for r in responses for call in r.raw.choices[0].delta.tool_calls or []]
    assert [(call.function.name, call.id) for call in calls] == [
        ("add_two_numbers", None),
        ("multiply", None),
    ]


def test_several_sums_are_several_calls_and_each_answer_counts():
    question = {"role": "user", "content": "What are 1 + 2 and 3 + 4?"}
    asked = asking("c1", "c2")
    refused = {**answering("c2"), "content": "The call was not approved."}

    assert addition({"messages": [question]}).calls == [
        Call("add_two_numbers", '{"a": 1, "b": 2}'),
        Call("add_two_numbers", '{"a": 3, "b": 4}'),
    ]
    assert addition({"messages": [question, asked, answering("c1"), refused]}).text == (
        "10 + 20 is 30. I did not add the numbers: The call was not approved."
    )


def test_server_runs_as_a_process_that_tells_its_address_once_it_listens():
    command = [sys.executable, "-m", "tests.openai_server", "--script", "addition"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            with openai.OpenAI(base_url=url, api_key="test-key") as client:
                response = client.chat.completions.create(
                    model="gpt-4o", messages=[USER], tools=[TOOL]
                )
        finally:
            process.terminate()

    assert response.choices[0].message.tool_calls[0].function.name == "add_two_numbers"
