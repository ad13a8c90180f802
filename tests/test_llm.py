"""Which model is taken, and what people are told when it fails: asked of a real local server."""

import asyncio
import json
import socket
from typing import Any

import httpx
import openai
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI
from llama_index.llms.openai_like import OpenAILike

from hitl.agents import AgentConfig
from hitl.demo import DemoLLM
from hitl.errors import DeclarationError, ModelError
from hitl.llm import LONGEST_EXPLANATION, choose_llm, describe_llm, explain
from hitl.settings import Settings
from tests.openai_server import Reply, serve

KEY = "sk-this-is-secret"
ENDPOINT = "http://localhost:8000/v1"
HELLO = [ChatMessage(role="user", content="Hello")]


def agent(**settings: Any) -> AgentConfig:
    return AgentConfig(name="Agent", description="An agent.", **settings)


async def answer(llm: Any) -> str:
    return "".join([chunk.delta or "" async for chunk in await llm.astream_chat(HELLO)])


def test_nothing_set_gives_the_demo_model() -> None:
    config = agent(model="gpt-4o", samples=["Say hello"])
    llm = choose_llm(config, Settings())
    assert isinstance(llm, DemoLLM)
    assert llm.samples == ["Say hello"]


def test_key_gives_openai_with_the_usual_model() -> None:
    llm = choose_llm(agent(), Settings(openai_api_key=KEY))
    assert type(llm) is OpenAI
    assert (llm.model, llm.temperature, llm.api_key) == ("gpt-4o", 0.3, KEY)
    assert llm.api_base == "https://api.openai.com/v1"
    assert llm.metadata.is_function_calling_model


def test_agent_overrides_model_and_temperature() -> None:
    config = agent(model="gpt-4.1", temperature=0.0)
    llm = choose_llm(config, Settings(openai_api_key=KEY, model="gpt-4o-mini"))
    assert isinstance(llm, OpenAI)
    assert (llm.model, llm.temperature) == ("gpt-4.1", 0.0)


def test_reasoning_model_gets_the_only_temperature_that_it_takes() -> None:
    llm = choose_llm(agent(model="o3", temperature=0.2), Settings(openai_api_key=KEY))
    assert isinstance(llm, OpenAI)
    assert llm.temperature == 1.0


def test_model_that_llama_index_does_not_know_yet_is_asked_of_openai_all_the_same() -> None:
    llm = choose_llm(agent(model="gpt-99"), Settings(openai_api_key=KEY, context_window=9000))
    assert isinstance(llm, OpenAILike)
    assert llm.api_base == "https://api.openai.com/v1"
    assert llm.metadata.context_window == 9000
    assert llm.metadata.is_function_calling_model
    assert llm.temperature == 1.0, "it may be a reasoning model, and these refuse any other"


@pytest.mark.parametrize("key", [None, KEY])
def test_endpoint_takes_any_model_name_with_or_without_a_key(key: str | None) -> None:
    settings = Settings(openai_api_key=key, openai_base_url=ENDPOINT, model="qwen3")
    llm = choose_llm(agent(), settings)
    assert isinstance(llm, OpenAILike)
    assert (llm.model, llm.api_base, llm.api_key) == ("qwen3", ENDPOINT, key or "none")
    assert llm.metadata.is_chat_model
    assert llm.metadata.is_function_calling_model


def test_model_that_can_not_chat_is_refused_in_words() -> None:
    with pytest.raises(ModelError, match=r"Model 'gpt-5\.2-pro' can't be used"):
        choose_llm(agent(model="gpt-5.2-pro"), Settings(openai_api_key=KEY))


def test_wrong_demo_script_is_refused_in_words() -> None:
    with pytest.raises(DeclarationError, match=r"demo\.0\.when"):
        choose_llm(agent(demo=[{"say": "hi"}]), Settings())


def test_one_event_loop_has_one_client_and_two_have_two() -> None:
    settings = Settings(openai_api_key=KEY)

    async def twice() -> tuple[Any, Any]:
        return choose_llm(agent(), settings), choose_llm(agent(), settings)

    first, same = asyncio.run(twice())
    other, _ = asyncio.run(twice())
    assert first is same
    assert first is not other


@pytest.mark.parametrize(
    ("settings", "label", "is_demo"),
    [
        (Settings(), "Demo model: scripted, not an AI", True),
        (Settings(openai_api_key=KEY), "gpt-4o", False),
        (Settings(openai_base_url="http://me:pw@host:81/v1"), "gpt-4o at host:81", False),
    ],
)
def test_choice_is_described(settings: Settings, label: str, is_demo: bool) -> None:
    choice = describe_llm(agent(), settings)
    assert (choice.label, choice.is_demo) == (label, is_demo)
    assert choice.sentence.endswith(".")
    assert "pw" not in choice.sentence


def test_demo_model_is_described_as_no_ai() -> None:
    assert "not an AI" in describe_llm(agent(), Settings()).sentence


async def test_endpoint_that_is_busy_is_asked_again() -> None:
    with serve([Reply(status=429), Reply(status=500), Reply("Hello.")]) as server:
        settings = Settings(openai_api_key="test-key", openai_base_url=server.url)
        assert await answer(choose_llm(agent(), settings)) == "Hello."
        assert server.requests[-1]["model"] == "gpt-4o"


async def failure(url: str, key: str = "test-key", patience: float = 5) -> Exception:
    """What the real client raises when it asks this address once."""
    client = openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=patience)
    async with client:
        try:
            hello: Any = [{"role": "user", "content": "Hello"}]
            async for _ in await client.chat.completions.create(
                model="gpt-4o", messages=hello, stream=True
            ):
                pass
        except Exception as error:
            return error
    raise AssertionError("nothing failed")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=429), ["too many requests", "Retry"]),
        (Reply(status=500), ["problem of its own (500)", "Retry"]),
        (Reply(status=503), ["problem of its own (503)", "Retry"]),
        (Reply("Too many tokens", status=400), ["refused", "(400)", "“Too many tokens”"]),
        (Reply("Unfit", status=422), ["refused", "(422)", "“Unfit”"]),
        (Reply("Not for you", status=403), ["API key", "“Not for you”"]),
        (Reply("No model gpt-4o", status=404), ["“No model gpt-4o”", "HITL_MODEL"]),
        (Reply(garbage=True), ["not JSON", "OPENAI_BASE_URL"]),
        (Reply("Hello you there", drop_after=2), ["broke off", "Retry"]),
    ],
)
async def test_failure_of_the_endpoint_is_explained(reply: Reply, words: list[str]) -> None:
    with serve([reply]) as server:
        said = explain(await failure(server.url))
    assert all(word in said for word in words), said
    assert "\n" not in said


@pytest.mark.parametrize("reply", [Reply("Hi", delay=1), Reply("Hi", chunk_delay=1)])
async def test_slow_answer_is_explained(reply: Reply) -> None:
    with serve([reply]) as server:
        said = explain(await failure(server.url, patience=0.1))
    assert "did not answer in time" in said
    assert "HITL_MODEL_TIMEOUT" in said


async def test_refused_key_is_explained_without_it() -> None:
    with serve([]) as server:
        said = explain(await failure(server.url, key=KEY))
    assert "OPENAI_API_KEY" in said
    assert KEY not in said


async def test_provider_that_quotes_the_key_is_not_quoted() -> None:
    with serve([Reply(f"Bad key {KEY}!", status=400)], api_key=KEY) as server:
        said = explain(await failure(server.url, key=KEY))
    assert "Bad key [key]!" in said
    assert KEY not in said


async def test_endpoint_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = explain(await failure(f"http://127.0.0.1:{port}/v1"))
    assert f"127.0.0.1:{port} can't be reached" in said
    assert "OPENAI_BASE_URL" in said


def test_used_up_quota_is_told_from_too_many_requests() -> None:
    response = httpx.Response(429, request=httpx.Request("POST", "https://api.openai.com/v1"))
    error = openai.RateLimitError("429", response=response, body={"code": "insufficient_quota"})
    assert "billing" in explain(error)


def test_our_own_errors_are_said_as_they_are() -> None:
    assert explain(ModelError("The model's answer was cut off.")) == (
        "The model's answer was cut off."
    )


def test_anything_else_is_one_line_of_bearable_length() -> None:
    assert explain(RuntimeError("one\ntwo")) == "RuntimeError: one two"
    assert len(explain(RuntimeError("x" * 100_000))) == LONGEST_EXPLANATION + 1


def test_broken_json_is_no_programming_error() -> None:
    error = json.JSONDecodeError("Expecting value", "<html>", 0)
    assert "not JSON" in explain(error)
