"""Every setting in one place: its environment variable, what it must be, its default."""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hitl.errors import DeclarationError
from hitl.limits import Limits

ROOT = Path(__file__).resolve().parent.parent


def _key(text: str) -> str:
    """visible ASCII characters without spaces"""
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError
    return text


def _url(text: str) -> str:
    """an address such as http://localhost:8000/v1"""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError
    return text


def _database_url(text: str) -> str:
    """a SQLAlchemy address such as sqlite:////srv/hitl.sqlite or postgresql://…"""
    if not re.match(r"[a-z][a-z0-9]*(\+\w+)?://", text):
        raise ValueError
    # What hosts call it; without a driver's name SQLAlchemy might take one that is not installed.
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", text)


def _signing_key(text: str) -> str:
    """a text of at least 16 characters"""
    if len(text) < 16:
        raise ValueError
    return text


def _count(text: str) -> int:
    """a whole number above 0"""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _result_characters(text: str) -> int:
    """a whole number of characters, at least 1000"""
    if (number := int(text)) < 1000:
        raise ValueError
    return number


def _tokens(text: str) -> int:
    """a whole number of tokens above 0"""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    """a number of seconds above 0"""
    if not 0 < (number := float(text)) < math.inf:
        raise ValueError
    return number


def _up_to_a_minute(text: str) -> float:
    """a number of seconds from 0 to 60"""
    if not 0 <= (number := float(text)) <= 60:
        raise ValueError
    return number


def _folder(text: str) -> Path:
    """a folder"""
    return Path(text).expanduser().absolute()


def _switch(text: str) -> bool:
    """1 or 0"""
    return {"1": True, "0": False}[text]


def _name(text: str) -> str:
    """a name"""
    return text


def _from(*variables: str, read: Callable[[str], Any], default: Any, secret: bool = False) -> Any:
    """A setting: its variables (the first that is set counts), how to read them, its default."""
    metadata = {"variables": variables, "read": read, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """How this installation runs. A variable that is empty counts as not set.

    Args:
        openai_api_key: `OPENAI_API_KEY`; set, it brings in OpenAI, or is sent to the endpoint.
        openai_base_url: `OPENAI_BASE_URL`, else `OPENAI_API_BASE`: an OpenAI-compatible endpoint.
        model: `HITL_MODEL`, the model of agents that name none; by default `gpt-4o`.
        context_window: `HITL_CONTEXT_WINDOW`, in tokens, by default 32000; counts only for
            models that LlamaIndex does not know.
        request_timeout: `HITL_MODEL_TIMEOUT`, in seconds for each try, by default 60.
        data_dir: `HITL_DATA_DIR`, by default `data` in the project's folder.
        database_url: `HITL_DATABASE_URL`, by default `sqlite:///<data_dir>/hitl.sqlite`.
        agents_dir: `HITL_AGENTS_DIR`, by default `agents` in the project's folder.
        allow_anonymous: `HITL_ALLOW_ANONYMOUS`, 1 to listen on other addresses without sign-in.
        arm_seconds: `HITL_ARM_SECONDS`, by default 0.6: how long a card's buttons must have stood
            still before they can be clicked; 0 for no such pause.
        signing_key: `HITL_SIGNING_KEY`, at least 16 characters; makes the audit's chain an HMAC.
        undo_seconds: `HITL_UNDO_SECONDS`, for how long a decision can be taken back before it takes
            effect, at most 60; by default 0, at once.
        max_message: `HITL_MAX_MESSAGE`, characters of a user's message; like the following, its
            default and meaning are those of `Limits`.
        max_arguments: `HITL_MAX_ARGUMENTS`, characters of one call's arguments.
        max_result: `HITL_MAX_RESULT`, characters of a result that the model is sent, at least 1000.
        max_requests: `HITL_MAX_REQUESTS`, tool calls that a model may ask for at once.
        max_turns: `HITL_MAX_TURNS`, times that a model may speak for one message.
        max_runs: `HITL_MAX_RUNS`, runs that one process works on at once.
    """

    openai_api_key: str | None = _from("OPENAI_API_KEY", read=_key, default=None, secret=True)
    openai_base_url: str | None = _from(
        "OPENAI_BASE_URL", "OPENAI_API_BASE", read=_url, default=None, secret=True
    )
    model: str = _from("HITL_MODEL", read=_name, default="gpt-4o")
    context_window: int = _from("HITL_CONTEXT_WINDOW", read=_tokens, default=32_000)
    request_timeout: float = _from("HITL_MODEL_TIMEOUT", read=_seconds, default=60.0)
    data_dir: Path = _from("HITL_DATA_DIR", read=_folder, default=ROOT / "data")
    database_url: str = _from("HITL_DATABASE_URL", read=_database_url, default="", secret=True)
    agents_dir: Path = _from("HITL_AGENTS_DIR", read=_folder, default=ROOT / "agents")
    allow_anonymous: bool = _from("HITL_ALLOW_ANONYMOUS", read=_switch, default=False)
    arm_seconds: float = _from("HITL_ARM_SECONDS", read=_up_to_a_minute, default=0.6)
    signing_key: str | None = _from(
        "HITL_SIGNING_KEY", read=_signing_key, default=None, secret=True
    )
    undo_seconds: float = _from("HITL_UNDO_SECONDS", read=_up_to_a_minute, default=0.0)
    max_message: int = _from("HITL_MAX_MESSAGE", read=_count, default=Limits.message)
    max_arguments: int = _from("HITL_MAX_ARGUMENTS", read=_count, default=Limits.arguments)
    max_result: int = _from("HITL_MAX_RESULT", read=_result_characters, default=Limits.result)
    max_requests: int = _from("HITL_MAX_REQUESTS", read=_count, default=Limits.requests_per_turn)
    max_turns: int = _from("HITL_MAX_TURNS", read=_count, default=Limits.turns_per_run)
    max_runs: int = _from("HITL_MAX_RUNS", read=_count, default=Limits.runs_at_once)

    def __post_init__(self) -> None:
        if not self.database_url:
            database = f"sqlite:///{self.data_dir / 'hitl.sqlite'}"
            object.__setattr__(self, "database_url", database)

    @property
    def limits(self) -> Limits:
        """How much is too much in this installation."""
        return Limits(
            message=self.max_message,
            arguments=self.max_arguments,
            result=self.max_result,
            requests_per_turn=self.max_requests,
            turns_per_run=self.max_turns,
            runs_at_once=self.max_runs,
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of this environment.

        Raises:
            DeclarationError: if a variable holds what it must not; names it and what it should be.
        """
        return cls(
            **{
                setting.name: _read(variable, environ[variable], **setting.metadata)
                for setting in fields(cls)
                if (variable := _first_set(setting.metadata["variables"], environ))
            }
        )


def variables() -> list[str]:
    """The names of all environment variables that count."""
    return [name for setting in fields(Settings) for name in setting.metadata["variables"]]


def _first_set(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((name for name in names if environ.get(name, "").strip()), None)


def _read(variable: str, text: str, read: Callable[[str], Any], secret: bool, **_: Any) -> Any:
    try:
        return read(text.strip())
    except (ValueError, KeyError):
        got = "" if secret else f", not {text!r}"
        raise DeclarationError(f"{variable} must be {read.__doc__}{got}") from None
