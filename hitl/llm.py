"""Which model an agent speaks through, and what to tell people when that model fails."""

import asyncio
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llama_index.core.llms.function_calling import FunctionCallingLLM

from hitl.agents import AgentConfig
from hitl.demo import DemoLLM
from hitl.errors import HitlError, ModelError
from hitl.settings import Settings

if TYPE_CHECKING:
    import openai

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"
TEMPERATURE = 0.3
# What OpenAI itself assumes. Its reasoning models refuse any other temperature.
NEUTRAL_TEMPERATURE = 1.0
RETRIES = 2
LONGEST_EXPLANATION = 600


@dataclass(frozen=True)
class ModelChoice:
    """The model of an agent, for people.

    Args:
        label: its name.
        is_demo: whether it is the built-in demo model.
        sentence: what it is, in one sentence.
    """

    label: str
    is_demo: bool
    sentence: str


def describe_llm(config: AgentConfig, settings: Settings) -> ModelChoice:
    """Say which model `choose_llm` would take, without importing or reaching anything."""
    model = config.model or settings.model
    if settings.openai_base_url:
        host = _host(settings.openai_base_url)
        return ModelChoice(f"{model} at {host}", False, f"Answers come from {model} at {host}.")
    if settings.openai_api_key:
        return ModelChoice(model, False, f"Answers come from OpenAI's {model}.")
    return ModelChoice(
        "Demo model: scripted, not an AI",
        True,
        "Scripted, not an AI: it only knows its samples. Set OPENAI_API_KEY for a real model.",
    )


def choose_llm(config: AgentConfig, settings: Settings) -> FunctionCallingLLM:
    """The model of this agent. Called on an event loop, it belongs to that loop.

    Raises:
        ModelError: if the model's name or temperature can't be used.
        DeclarationError: if the agent's demo script is wrong.
    """
    if not settings.openai_api_key and not settings.openai_base_url:
        return DemoLLM(config.demo, config.samples)
    model = config.model or settings.model
    try:
        return _client(model, config.temperature, settings, _running_loop())
    except ValueError as error:  # LlamaIndex's word for models and temperatures it refuses
        raise ModelError(
            f"Model {model!r} can't be used: {error} "
            "Choose another with HITL_MODEL or in the agent's file."
        ) from None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@lru_cache(maxsize=32)
def _client(
    model: str,
    temperature: float | None,
    settings: Settings,
    loop: asyncio.AbstractEventLoop | None,
) -> FunctionCallingLLM:
    """One client per event loop: its connections belong to the loop that opened them."""
    # Imported here: it takes seconds, and the demo model does without.
    from llama_index.llms.openai import OpenAI
    from llama_index.llms.openai_like import OpenAILike

    known = not settings.openai_base_url and _is_known(model)
    if temperature is None:
        temperature = TEMPERATURE if known or settings.openai_base_url else NEUTRAL_TEMPERATURE
    common: dict[str, Any] = {
        "model": model,
        "temperature": temperature,
        "api_key": settings.openai_api_key or NO_KEY,
        "api_base": settings.openai_base_url or OPENAI_URL,
        "timeout": settings.request_timeout,
        "max_retries": RETRIES,
    }
    like: dict[str, Any] = {
        "context_window": settings.context_window,
        "is_chat_model": True,
        "is_function_calling_model": True,
    }
    llm: FunctionCallingLLM = OpenAI(**common) if known else OpenAILike(**common, **like)
    return llm


def _is_known(model: str) -> bool:
    """Whether LlamaIndex's `OpenAI` takes this name: it raises for any model newer than itself."""
    from llama_index.llms.openai.utils import openai_modelname_to_contextsize

    try:
        return openai_modelname_to_contextsize(model) > 0
    except ValueError:
        return False


def explain(error: Exception) -> str:
    """What went wrong with the model and what to do about it: one line, never with the key."""
    text = " ".join(_without_key(_in_words(error), error).split())
    if len(text) <= LONGEST_EXPLANATION:
        return text
    return text[:LONGEST_EXPLANATION] + "…"


def _in_words(error: Exception) -> str:
    import httpx
    import openai

    match error:
        case HitlError():
            return str(error)
        case openai.APIStatusError():
            return _refusal_in_words(error)
        case openai.APITimeoutError() | httpx.TimeoutException():
            return (
                "The model did not answer in time. Press Retry, or allow it more seconds with "
                "HITL_MODEL_TIMEOUT."
            )
        case openai.APIConnectionError():
            return (
                f"The model at {_host(str(error.request.url))} can't be reached "
                f"({error.__cause__ or error}). Check that it runs, and OPENAI_BASE_URL."
            )
        case openai.APIError():
            return f"The model's provider broke off: “{error.message}”. Press Retry."
        case httpx.TransportError():
            return f"The connection to the model broke off ({error}). Press Retry."
        case json.JSONDecodeError():
            return (
                "The model's endpoint sent something that is not JSON. "
                "Check OPENAI_BASE_URL, or press Retry."
            )
        case _:
            return f"{type(error).__name__}: {error}"


def _refusal_in_words(error: "openai.APIStatusError") -> str:
    """What the provider's status means."""
    import openai

    host = _host(str(error.request.url))
    match error:
        case openai.AuthenticationError():
            return f"{host} does not accept the API key. Check OPENAI_API_KEY and start again."
        case openai.PermissionDeniedError():
            return f"The API key may not do this at {host}: {_said(error)}."
        case openai.NotFoundError():
            return (
                f"{host} does not know this model or address: {_said(error)}. "
                "Check HITL_MODEL, the agent's model and OPENAI_BASE_URL."
            )
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return f"The account's quota at {host} is used up. Check its plan and billing."
        case openai.RateLimitError():
            return f"{host} receives too many requests right now. Wait a little, then press Retry."
        case openai.InternalServerError():
            return f"{host} has a problem of its own ({error.status_code}). Press Retry."
        case _:
            return f"{host} refused the request ({error.status_code}): {_said(error)}."


def _said(error: "openai.APIStatusError") -> str:
    """The provider's own message in quotation marks, without the client's wrapping."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return f"“{message or error.message}”"


def _without_key(text: str, error: Exception) -> str:
    """Providers like to quote the key that they refuse."""
    import openai

    if not isinstance(error, openai.APIError):
        return text
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ")
    return text if key in ("", NO_KEY) else text.replace(key, "[key]")


def _host(url: str) -> str:
    """Host and port alone: an address may hold a password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
