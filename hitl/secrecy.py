"""Which arguments are secret, and what stands in their place on cards, in logs and in the audit."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from hitl.canonical import canonical

MASK = "••••••"
CACHED_LENGTH = 100  # no megabyte that a model calls a name stays in memory

# Between the words of a name: fooBar, APIKey, foo_bar, foo-bar, foo bar.
HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
SEPARATORS = re.compile(r"[\W_]+")

# Whole words, though what people write in one ("newpassword", "accesstoken") counts too.
SECRET = re.compile(
    "|".join(
        (
            r"\b\w*pass ?(word|phrase|code)s?\b",
            r"\b\w*passwd\b",
            r"\b\w*pwd\b",
            r"\b\w*secrets?\b",
            # A token that opens something; not those that texts are counted in.
            r"(?<!\bmax )(?<!\bmin )(?<!\bnum )(?<!\bper )\b\w*token\b"
            r"(?! (count|limit|budget|usage|type|length|size|price|cost)s?\b)",
            r"\b(access|api|auth|bearer|id|oauth|refresh|security|session) ?tokens\b",
            r"\bjwts?\b",
            r"\bbearer\b",
            r"\b(access|api|auth|deploy|decryption|encryption|gpg|hmac|master|pgp|private|session"
            r"|shared|signing|ssh|webhook) ?keys?\b",
            r"^key$",
            r"\bcred(ential)?s?\b",
            r"\bauthori[sz]ation\b",
            r"\bauth headers?\b",
            r"\bbasic auth\b",
            r"^auth$",
            r"\bcookies?\b",
            r"\b\w*sess(ion)? ?ids?\b",
            r"\bt?otps?\b",
            r"\b(one time|auth|mfa|2fa|recovery|security|verification) ?codes?\b",
            r"\bpin( ?codes?| numbers?)?$",
            r"\bcv[vc]2?\b",
            r"\bseed phrases?\b",
        )
    )
)


def is_secret_name(name: str) -> bool:
    """Whether what bears this name is to be hidden; in doubt it is.

    Words count, in snake_case, kebab-case, camelCase or with spaces: "dbPassword" is secret,
    "monkey" and "max_tokens" are not.
    """
    return _is_secret(name) if len(name) <= CACHED_LENGTH else _is_secret.__wrapped__(name)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    humps_apart = HUMPS.sub(" ", name)
    return any(
        SECRET.search(SEPARATORS.sub(" ", words).strip().lower()) for words in (humps_apart, name)
    )


def secret_names(declared: Iterable[str], arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of the arguments that are secret: declared so beside the tool, or by their name."""
    known = set(declared)
    return tuple(name for name in arguments if name in known or is_secret_name(name))


def concealed(arguments: dict[str, Any], secret: Collection[str], salt: str) -> dict[str, Any]:
    """A copy in which a commitment stands for each secret: `{"concealed": "<hex digits>"}`.

    Whoever knows the value and the salt can check it, nobody else can read it: it is the
    HMAC-SHA256 of the value's canonical form, with the salt as its key.

    Args:
        secret: names of arguments; what bears a secret name at any depth is concealed as well.
    """

    def commitment(value: Any) -> dict[str, str]:
        text = canonical(value).encode()
        return {"concealed": hmac.new(salt.encode(), text, hashlib.sha256).hexdigest()}

    return _replaced_in_arguments(arguments, secret, commitment)


def masked(arguments: dict[str, Any], secret: Collection[str], mask: str = MASK) -> dict[str, Any]:
    """A copy in which the mask stands for each secret, for cards and logs.

    Args:
        secret: names of arguments; what bears a secret name at any depth is masked as well.
    """
    return _replaced_in_arguments(arguments, secret, lambda _: mask)


def without_secrets(text: str, arguments: dict[str, Any], secret: Collection[str]) -> str:
    """A text, such as a traceback, with the mask wherever it holds a secret value of a call."""
    values: list[Any] = []
    _replaced_in_arguments(arguments, secret, values.append)
    for value in values:
        written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if written:
            text = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", MASK, text)
    return text


def masked_text(text: str) -> str:
    """A text that may be JSON, with the mask for what bears a secret name in it.

    Texts inside that are JSON objects or arrays themselves, such as the arguments in a model's raw
    message, are masked too. A text without secrets is returned to the letter.
    """
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        parsed = json.loads(text, object_pairs_hook=_with_every_value)
        hidden = _masked_within(parsed)
    except (ValueError, RecursionError):  # no JSON, or nested deeper than anything that is meant
        return text
    return text if hidden == parsed else json.dumps(hidden, ensure_ascii=False)


def _with_every_value(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which a name that is given twice, as a text may, has all of its values."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: given[0] if len(given) == 1 else given for name, given in values.items()}


def _masked_within(value: Any) -> Any:
    match value:
        case str():
            return masked_text(value)
        case list():
            return [_masked_within(each) for each in value]
        case dict():
            return {
                key: MASK if is_secret_name(key) else _masked_within(each)
                for key, each in value.items()
            }
        case _:
            return value


def _replaced_in_arguments(
    arguments: dict[str, Any], secret: Collection[str], replacement: Callable[[Any], Any]
) -> dict[str, Any]:
    return {
        name: replacement(value)
        if name in secret or is_secret_name(name)
        else _replaced(value, replacement)
        for name, value in arguments.items()
    }


def _replaced(value: Any, replacement: Callable[[Any], Any]) -> Any:
    """A deep copy of JSON data with a replacement for what bears a secret name."""
    match value:
        case list() | tuple():
            return [_replaced(each, replacement) for each in value]
        case dict():
            return {
                key: replacement(each) if is_secret_name(str(key)) else _replaced(each, replacement)
                for key, each in value.items()
            }
        case _:
            return value
