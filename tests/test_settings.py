"""Settings come from the environment; what they can't be is said by the variable's name."""

from pathlib import Path

import pytest

from hitl.errors import DeclarationError
from hitl.limits import Limits
from hitl.settings import ROOT, Settings, variables


def test_nothing_set_gives_the_defaults() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.openai_api_key is None
    assert settings.openai_base_url is None
    assert settings.model == "gpt-4o"
    assert settings.context_window == 32_000
    assert settings.request_timeout == 60
    assert settings.data_dir == ROOT / "data"
    assert settings.database_url == f"sqlite:///{ROOT}/data/hitl.sqlite"
    assert settings.agents_dir == ROOT / "agents"
    assert settings.allow_anonymous is False
    assert settings.signing_key is None
    assert settings.limits == Limits()


def test_each_variable_is_read() -> None:
    assert Settings.from_env(
        {
            "OPENAI_API_KEY": " sk-test\n",
            "OPENAI_BASE_URL": "http://localhost:8000/v1",
            "HITL_MODEL": "qwen3",
            "HITL_CONTEXT_WINDOW": "8000",
            "HITL_MODEL_TIMEOUT": "2.5",
            "HITL_DATA_DIR": "/srv/hitl",
            "HITL_DATABASE_URL": "postgresql+psycopg://db/hitl",
            "HITL_AGENTS_DIR": "/srv/agents",
            "HITL_ALLOW_ANONYMOUS": "1",
            "HITL_SIGNING_KEY": "0123456789abcdef",
            "HITL_MAX_MESSAGE": "1",
            "HITL_MAX_ARGUMENTS": "2",
            "HITL_MAX_RESULT": "1000",
            "HITL_MAX_REQUESTS": "4",
            "HITL_MAX_TURNS": "5",
            "HITL_MAX_RUNS": "6",
        }
    ) == Settings(
        openai_api_key="sk-test",
        openai_base_url="http://localhost:8000/v1",
        model="qwen3",
        context_window=8000,
        request_timeout=2.5,
        data_dir=Path("/srv/hitl"),
        database_url="postgresql+psycopg://db/hitl",
        agents_dir=Path("/srv/agents"),
        allow_anonymous=True,
        signing_key="0123456789abcdef",
        max_message=1,
        max_arguments=2,
        max_result=1000,
        max_requests=4,
        max_turns=5,
        max_runs=6,
    )


def test_limits_are_those_that_were_set() -> None:
    settings = Settings(
        max_message=1, max_arguments=2, max_result=3, max_requests=4, max_turns=5, max_runs=6
    )
    assert settings.limits == Limits(
        message=1, arguments=2, result=3, requests_per_turn=4, turns_per_run=5, runs_at_once=6
    )


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("postgresql://me:pw@db/hitl?x=1", "postgresql+psycopg://me:pw@db/hitl?x=1"),
        ("postgres://db/hitl", "postgresql+psycopg://db/hitl"),
        ("postgresql:///hitl?host=/run/pg", "postgresql+psycopg:///hitl?host=/run/pg"),
        ("postgresql+asyncpg://db/hitl", "postgresql+asyncpg://db/hitl"),
        ("sqlite:////srv/postgres://x", "sqlite:////srv/postgres://x"),
    ],
)
def test_address_of_postgres_is_taken_as_hosts_write_it(url: str, becomes: str) -> None:
    assert Settings.from_env({"HITL_DATABASE_URL": url}).database_url == becomes


def test_older_name_of_the_endpoint_counts_where_the_newer_is_not_set() -> None:
    older = {"OPENAI_API_BASE": "http://old/v1"}
    assert Settings.from_env(older).openai_base_url == "http://old/v1"
    both = {**older, "OPENAI_BASE_URL": "http://new/v1"}
    assert Settings.from_env(both).openai_base_url == "http://new/v1"


def test_database_lies_in_the_data_folder() -> None:
    settings = Settings.from_env({"HITL_DATA_DIR": "/srv/hitl"})
    assert settings.database_url == "sqlite:////srv/hitl/hitl.sqlite"


def test_empty_variable_is_not_set() -> None:
    assert Settings.from_env(dict.fromkeys(variables(), " ")) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "should_be"),
    [
        ("OPENAI_API_KEY", "two words", "visible ASCII characters"),
        ("OPENAI_API_KEY", "ключ", "visible ASCII characters"),
        ("OPENAI_BASE_URL", "localhost:8000", "http://localhost:8000/v1"),
        ("OPENAI_API_BASE", "http://host:port/v1", "http://localhost:8000/v1"),
        ("HITL_CONTEXT_WINDOW", "many", "a whole number of tokens above 0, not 'many'"),
        ("HITL_CONTEXT_WINDOW", "0", "a whole number of tokens above 0"),
        ("HITL_MODEL_TIMEOUT", "-1", "a number of seconds above 0"),
        ("HITL_MODEL_TIMEOUT", "nan", "a number of seconds above 0"),
        ("HITL_DATABASE_URL", "data/hitl.sqlite", "a SQLAlchemy address"),
        ("HITL_ALLOW_ANONYMOUS", "yes", "1 or 0, not 'yes'"),
        ("HITL_SIGNING_KEY", "15 characters..", "a text of at least 16 characters"),
        ("HITL_MAX_MESSAGE", "0", "a whole number above 0, not '0'"),
        ("HITL_MAX_ARGUMENTS", "many", "a whole number above 0, not 'many'"),
        ("HITL_MAX_RESULT", "999", "a whole number of characters, at least 1000, not '999'"),
        ("HITL_MAX_REQUESTS", "-1", "a whole number above 0"),
        ("HITL_MAX_TURNS", "1.5", "a whole number above 0"),
        ("HITL_MAX_RUNS", "∞", "a whole number above 0"),
    ],
)
def test_bad_value_is_refused_by_name(variable: str, value: str, should_be: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Settings.from_env({variable: value})
    assert str(refused.value).startswith(f"{variable} must be ")
    assert should_be in str(refused.value)


def test_secrets_are_neither_printed_nor_quoted() -> None:
    secrets = {
        "OPENAI_API_KEY": "sk-secret",
        "OPENAI_BASE_URL": "http://me:secret@host/v1",
        "HITL_DATABASE_URL": "postgresql://me:secret@host/db",
        "HITL_SIGNING_KEY": "a secret of many characters",
    }
    assert "secret" not in repr(Settings.from_env(secrets))
    for variable in secrets:
        with pytest.raises(DeclarationError) as refused:
            Settings.from_env({variable: "se cret:"})
        assert "cret" not in str(refused.value)


def test_each_variable_stands_in_the_docstring() -> None:
    assert all(f"`{variable}`" in str(Settings.__doc__) for variable in variables())
