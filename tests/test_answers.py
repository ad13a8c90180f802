"""However a server delivers its answer: the right calls, or a clear error, and nothing half."""

import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from llama_index.core.llms import ChatMessage, ChatResponse
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from llama_index.llms.openai_like import OpenAILike
from openai.types.chat import ChatCompletionChunk

from hitl.answers import Answer, ask_model
from hitl.errors import ModelError
from hitl.journal import Journal
from hitl.toolcalls import RawCall, parse_arguments
from tests.openai_server import Call, Reply, serve
from tests.stage import BY, Stage, Till, agent


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


TOOL = FunctionTool.from_defaults(add)
ONE = Call("add", {"a": 1, "b": 2}, "p1")
TWO = Call("add", {"a": 3, "b": 4}, "p2")
THREE = Call("multiply", {"a": 5, "b": 6}, "p3")
ASKED = [ChatMessage("What?")]


def client(url: str, like: bool = False) -> Any:
    settings: dict[str, Any] = {"model": "gpt-4o", "api_base": url, "api_key": "test-key"}
    if not like:
        return OpenAI(**settings, max_retries=0)
    tools = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 8000}
    return OpenAILike(**settings, **tools, max_retries=0)


async def answer_to(reply: Reply, *, like: bool = False) -> tuple[Answer, list[str]]:
    """What becomes of a reply, and the pieces of text that streamed in."""
    pieces: list[str] = []
    with serve([reply]) as server:
        answer = await ask_model(client(server.url, like), [TOOL], ASKED, pieces.append)
    return answer, pieces


def understood(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, parse_arguments(call.arguments)) for call in answer.calls]


SHAPES = {
    "piece by piece": {},
    "a character at a time": {"chunk_size": 1},
    "all in one chunk": {"calls_in_one_chunk": True},
    "each complete, all with index 0": {"all_index_zero": True},
    "without ids": {"no_ids": True},
    "all in one chunk, all with index 0": {"calls_in_one_chunk": True, "all_index_zero": True},
    "all in one chunk, index 0, no ids": {
        "calls_in_one_chunk": True,
        "all_index_zero": True,
        "no_ids": True,
    },
    "each complete, index 0, no ids": {"all_index_zero": True, "no_ids": True},
    "with the reason of a server that knows no tool_calls": {"finish_reason": "stop"},
}


@pytest.mark.parametrize("like", [False, True], ids=["OpenAI", "OpenAILike"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_all_calls_arrive_when_they_come(shape: dict[str, Any], like: bool):
    answer, pieces = await answer_to(Reply("Let me see.", [ONE, TWO, THREE], **shape), like=like)
    assert understood(answer) == [
        ("add", {"a": 1, "b": 2}),
        ("add", {"a": 3, "b": 4}),
        ("multiply", {"a": 5, "b": 6}),
    ]
    ids = [call.id for call in answer.calls]
    assert ids == (["", "", ""] if shape.get("no_ids") else ["p1", "p2", "p3"])
    assert "".join(pieces) == answer.text == "Let me see."
    assert len(pieces) > 1


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_two_identical_calls_are_two_calls_when_they_come(shape: dict[str, Any]):
    same = Call("add", {"a": 1, "b": 2})
    answer, _ = await answer_to(Reply(calls=[same, same], **shape))
    assert understood(answer) == [("add", {"a": 1, "b": 2})] * 2


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_a_call_without_arguments_arrives_when_it_comes(shape: dict[str, Any]):
    answer, _ = await answer_to(Reply(calls=[Call("now", ""), Call("now", "{}")], **shape))
    assert understood(answer) == [("now", {}), ("now", {})]


async def test_tokens_model_and_reason_are_kept():
    answer, _ = await answer_to(Reply("Hello."))
    assert (answer.model, answer.finish) == ("gpt-4o", "stop")
    assert answer.tokens_in
    assert answer.tokens_out


BROKEN: dict[str, tuple[Reply, type[Exception], str]] = {
    "cut off in a call": (Reply(calls=[ONE], cut_off=True), ModelError, "cut off"),
    "cut off in the text": (
        Reply("I will not", finish_reason="length"),
        ModelError,
        "cut off",
    ),
    "filtered": (Reply("I will", finish_reason="content_filter"), ModelError, "filter"),
    "empty": (Reply(""), ModelError, "empty"),
    "nothing but spaces": (Reply("  \n"), ModelError, "empty"),
    "dropped at once": (Reply("Hello.", drop_after=0), Exception, "incomplete|broke|closed"),
    "dropped in the text": (Reply("Hello, I am here.", drop_after=2), Exception, "."),
    "dropped in a call": (Reply(calls=[ONE, TWO], drop_after=3), Exception, "."),
    "garbage": (Reply("Hello.", garbage=True), Exception, "."),
    "a wrong key": (Reply(status=401), openai.AuthenticationError, "401"),
    "too many requests": (Reply(status=429), openai.RateLimitError, "429"),
    "a broken server": (Reply(status=500), openai.InternalServerError, "500"),
}


@pytest.mark.parametrize(("reply", "error", "said"), BROKEN.values(), ids=BROKEN)
async def test_an_answer_is_an_error_when_it_is(reply: Reply, error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        await answer_to(reply)


def chunk(finish: str | None = None, kind: str = "chat.completion.chunk", **delta: Any) -> Any:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return ChatCompletionChunk.model_construct(
        id="1",
        object=kind,
        created=0,
        model="m",
        usage=None,
        choices=[ChatCompletionChunk.model_validate(_wire(choice)).choices[0]],
    )


def _wire(choice: dict[str, Any]) -> dict[str, Any]:
    head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return {**head, "choices": [choice]}


class Chunks:
    """A model that streams these chunks, as LlamaIndex passes them on."""

    def __init__(self, *chunks: Any) -> None:
        self.chunks = chunks

    async def astream_chat_with_tools(self, *_: Any, **__: Any) -> AsyncIterator[ChatResponse]:
        return self._stream()

    async def _stream(self) -> AsyncIterator[ChatResponse]:
        for each in self.chunks:
            yield ChatResponse(message=ChatMessage("?", role="assistant"), delta="", raw=each)


def call_delta(**fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "type": "function", **fields}]}


async def ask(*chunks: Any) -> Answer:
    return await ask_model(Chunks(*chunks), [], ASKED, lambda _: None)  # type: ignore[arg-type]


async def test_a_stream_that_ends_politely_in_the_middle_is_an_error():
    with pytest.raises(ModelError, match="broke off"):
        await ask(chunk(content="I will "), chunk(content="not"))
    with pytest.raises(ModelError, match="broke off"):
        await ask(chunk(**call_delta(id="p1", function={"name": "add", "arguments": '{"a": 1'})))


async def test_a_server_that_does_not_name_its_chunks_is_understood_too():
    one = call_delta(id="p1", function={"name": "add", "arguments": '{"a": 1}'})
    two = call_delta(id="p2", function={"name": "add", "arguments": '{"a": 2}'})
    answer = await ask(chunk(kind="", **one), chunk(kind="", **two), chunk("tool_calls", kind=""))
    assert [call.id for call in answer.calls] == ["p1", "p2"]
    with pytest.raises(ModelError, match="cut off"):
        await ask(chunk(kind="", **one), chunk("length", kind=""))


async def test_a_name_that_comes_again_with_every_piece_is_one_name():
    first = call_delta(id="p1", function={"name": "add", "arguments": '{"a"'})
    more = call_delta(id="p1", function={"name": "add", "arguments": ": 1}"})
    answer = await ask(chunk(**first), chunk(**more), chunk("tool_calls"))
    assert answer.calls == [RawCall("add", '{"a": 1}', "p1")]


@pytest.mark.parametrize("url", [None, "https://api.openai.com/v1", "http://192.0.2.1/v1"])
async def test_no_test_can_reach_a_real_model(url: str | None):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await ask_model(client(url), [TOOL], ASKED, print)  # type: ignore[arg-type]
    told = "".join(traceback.format_exception(caught.value))
    assert "RealConnection: No test may connect to" in told


async def test_a_stream_of_nothing_is_an_error():
    with pytest.raises(ModelError, match="empty"):
        await ask()


# In the app


@pytest.fixture
def till() -> Till:
    return Till()


@pytest.fixture
def served(journal_url: str, till: Till) -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def start(url: str) -> Stage:
        stages.append(Stage(journal_url, agent(till.tool()), client(url)))
        return stages[-1]

    yield start
    for stage in stages:
        stage.close()


@pytest.mark.parametrize(("reply", "_error", "_said"), BROKEN.values(), ids=BROKEN)
def test_nothing_half_is_written_and_retry_goes_on_when_an_answer_is(
    reply: Reply, _error: Any, _said: str, served: Callable[..., Stage], till: Till
):
    pay = Reply(calls=[Call("pay", {"amount": 7}, "p1")])
    with serve([pay, reply, Reply("Paid 7.")]) as server:
        on = served(server.url)
        conversation, run_id = on.send("Pay 7.")
        on.approve(on.waiting(run_id)[0])
        record = on.ended(run_id, "failed")
        assert record.run.error
        assert sorted(record.messages) == [0, 1]
        assert len(record.requests) == 1
        assert not on.desk.is_busy(conversation)
        assert on.desk.details(run_id)[-1].error
        on.desk.retry(run_id)
        on.ended(run_id)
        assert till.paid == [7]
        assert server.refused == []


def test_a_server_that_is_not_there_is_an_error_of_the_run(served: Callable[..., Stage]):
    with serve([]) as server:
        url = server.url
    on = served(url)
    conversation, run_id = on.send("Hi")
    assert on.ended(run_id, "failed").run.error
    assert on.desk.send(conversation, "Again", by=BY)
    assert isinstance(on.journal, Journal)
