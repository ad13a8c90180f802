"""What is secret is hidden everywhere, and can be checked by whoever knows it."""

import copy
import hashlib
import hmac
import json
import math
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from hitl.canonical import canonical
from hitl.secrecy import (
    MASK,
    concealed,
    is_secret_name,
    masked,
    masked_text,
    secret_names,
    without_secrets,
)

SALT = "0123456789abcdef"

json_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half a character is refused before arguments are stored.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


# Names


@pytest.mark.parametrize(
    "name",
    [
        *("password", "Password", "PASSWORD", "db_password", "newPassword", "newpassword"),
        *("password_hash", "passwd", "pwd", "user_pwd", "passphrase", "passcode", "pass-word"),
        *("secret", "client_secret", "clientSecret", "clientsecret", "secrets", "secret key"),
        *("token", "access_token", "accessToken", "accesstoken", "X-Auth-Token", "IDToken"),
        *("access_tokens", "refresh-tokens", "token_value", "OAuthToken", "jwt", "bearer"),
        *("apikey", "api_key", "apiKey", "APIKey", "APIkey", "X-API-Key", "api keys"),
        *("access_key", "aws_secret_access_key", "private_key", "privateKey", "signing_key"),
        *("encryption_key", "ssh_key", "key", "Key", "KEY"),
        *("credential", "credentials", "userCredentials", "db_creds"),
        *("authorization", "Authorization", "Proxy-Authorization", "auth_header", "authHeader"),
        *("auth", "basic_auth", "cookie", "Set-Cookie", "cookies"),
        *("session_id", "sessionId", "sessionid", "JSESSIONID", "PHPSESSID"),
        *("otp", "totp", "otp_code", "one_time_code", "mfa_code", "2fa_code"),
        *("pin", "PIN", "pin_code", "pinCode", "pincode", "card_pin", "pin number"),
        *("cvv", "cvc", "card_cvv2", "cvv code", "security_code", "seed_phrase"),
    ],
)
def test_these_names_are_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "_", "keyboard", "monkey", "key_points", "keypoints", "primary_key", "keys"),
        *("sort_key", "foreign_key", "public_key", "keyword", "key_result", "turkey"),
        *("tokens_in", "tokens_out", "max_tokens", "maxTokens", "max_token", "num_tokens"),
        *("tokens", "token_count", "tokenCount", "token_limit", "cost_per_token", "tokenizer"),
        *("author", "authors", "authority", "auth_method", "authenticated", "authored_at"),
        *("spin", "pins", "pinned", "pin_message", "opinion", "shipping", "pineapple"),
        *("secretary", "secretariat", "passenger", "bypass", "compass", "passage", "pass_rate"),
        *("session", "sessions", "session_name", "obsession", "option", "hotpot", "cook"),
        *("iban", "bic", "account", "amount", "to", "code", "country_code", "postcode"),
        *("incredible", "credit", "accredited", "header", "headers", "id", "user_id"),
    ],
)
def test_these_names_are_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("length", [90, 110, 100_000])
def test_a_name_may_be_long(length: int) -> None:
    assert is_secret_name(f"{'a' * length}_password")
    assert not is_secret_name("a" * length)
    assert not is_secret_name("a_" * (length // 2))


def test_an_argument_is_secret_by_declaration_or_by_name() -> None:
    arguments = {"amount": 1, "note": "n", "api_key": "k", "iban": "DE"}
    assert secret_names(["iban", "not an argument"], arguments) == ("api_key", "iban")
    assert secret_names([], {"amount": 1}) == ()


# In their place

ARGUMENTS: dict[str, Any] = {
    "amount": 7,
    "iban": "DE02",
    "password": "hunter2",
    "login": {"user": "ada", "pin": 1234, "headers": {"Cookie": "a=b"}},
    "rows": [{"token": ["t1", "t2"], "name": "x"}, [{"api_key": None}]],
}


def commitment(value: Any) -> dict[str, str]:
    text = canonical(value).encode()
    return {"concealed": hmac.new(SALT.encode(), text, hashlib.sha256).hexdigest()}


def test_a_commitment_stands_for_each_secret_at_any_depth() -> None:
    before = copy.deepcopy(ARGUMENTS)
    assert concealed(ARGUMENTS, ["iban"], SALT) == {
        "amount": 7,
        "iban": commitment("DE02"),
        "password": commitment("hunter2"),
        "login": {
            "user": "ada",
            "pin": commitment(1234),
            "headers": {"Cookie": commitment("a=b")},
        },
        "rows": [{"token": commitment(["t1", "t2"]), "name": "x"}, [{"api_key": commitment(None)}]],
    }
    assert before == ARGUMENTS


def test_the_mask_stands_in_the_same_places() -> None:
    assert masked(ARGUMENTS, ["iban"]) == {
        "amount": 7,
        "iban": MASK,
        "password": MASK,
        "login": {"user": "ada", "pin": MASK, "headers": {"Cookie": MASK}},
        "rows": [{"token": MASK, "name": "x"}, [{"api_key": MASK}]],
    }
    assert masked({"pin": 1}, [], "###") == {"pin": "###"}


def test_the_copy_shares_nothing_with_the_arguments() -> None:
    copied = masked(ARGUMENTS, [])
    copied["login"]["headers"]["more"] = copied["rows"][0]["more"] = "changed"
    assert "more" not in ARGUMENTS["login"]["headers"]
    assert "more" not in ARGUMENTS["rows"][0]


def test_a_commitment_differs_with_the_value_its_type_and_the_salt() -> None:
    values: list[Any] = ["1", 1, True, None, [1], {"a": 1}, "", 2**70, str(2**70)]
    seen = {
        concealed({"pin": value}, [], salt)["pin"]["concealed"] for value in values for salt in "ab"
    }
    assert len(seen) == 2 * len(values)


@given(st.dictionaries(st.text(max_size=5), json_data, max_size=4))
def test_without_secrets_arguments_are_left_as_they_are(arguments: dict[str, Any]) -> None:
    if masked_text(json.dumps(arguments)) == json.dumps(arguments):
        assert masked(arguments, []) == arguments == concealed(arguments, [], SALT)


def test_arguments_as_deep_as_a_call_may_have_are_looked_through() -> None:
    deep: Any = {"password": "hunter2"}
    for _ in range(99):
        deep = [deep]
    assert "hunter2" not in json.dumps(masked({"deep": deep}, []))
    assert "hunter2" not in canonical(concealed({"deep": deep}, [], SALT))


# Free text


@pytest.mark.parametrize(
    "text",
    [
        *("", "plain", "password: hunter2", '"password"', "12", "null", "{", '{"password": "hu'),
        *('{"amount":1.50, "to" : "bob"}', "[1,2]", "[" * 100_000, "[NaN]", '{"a": 1, "a": 2}'),
    ],
)
def test_a_text_without_json_secrets_is_left_to_the_letter(text: str) -> None:
    assert masked_text(text) == text


def test_secrets_in_json_texts_are_masked() -> None:
    text = '  {"user": "ädä", "login": [{"password": "hunter2"}], "n": 1}\n'
    assert json.loads(masked_text(text)) == {"user": "ädä", "login": [{"password": MASK}], "n": 1}
    assert "ädä" in masked_text(text)


def test_secrets_in_json_within_json_are_masked() -> None:
    written = json.dumps({"password": "hunter2", "amount": 7})
    raw = json.dumps({"calls": [{"name": "pay", "arguments": written}], "text": "password?"})
    [call] = json.loads(masked_text(raw))["calls"]
    assert json.loads(call["arguments"]) == {"password": MASK, "amount": 7}


def test_a_secret_cannot_hide_under_a_name_that_is_given_twice() -> None:
    text = '{"login": {"password": "hunter2"}, "login": 1}'
    assert json.loads(masked_text(text)) == {"login": [{"password": MASK}, 1]}


def test_a_text_nested_beyond_all_reason_is_no_error() -> None:
    for depth in range(100, 1100, 100):
        masked_text("[" * depth + "]" * depth)


# The canonical form


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # From RFC 8785, 3.2.2 and 3.2.3.
        (
            {
                "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
                "literals": [None, True, False],
            },
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
        ),
        (
            {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\u0080": 6, "ö": 7},
            '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
        ),
        ([56, -0.0, 2**53 - 1, -(2**53) + 1], "[56,0,9007199254740991,-9007199254740991]"),
        (2**53, '{"integer":"9007199254740992"}'),
        ({"a": [-(2**70)]}, '{"a":[{"integer":"-1180591620717411303424"}]}'),
        ({"integer": 5}, '{"integer":5}'),
        ((1, {1: "x", None: "y"}), '[1,{"1":"x","null":"y"}]'),
    ],
)
def test_canonical_form_is_that_of_the_rfc(value: Any, text: str) -> None:
    assert canonical(value) == text


@given(json_data)
def test_all_that_json_can_write_has_a_canonical_form(value: Any) -> None:
    text = canonical(value)
    assert canonical(json.loads(json.dumps(value))) == text
    try:
        assert text == rfc8785.dumps(value).decode()
    except rfc8785.IntegerDomainError:
        assert '{"integer":"' in text


def test_nothing_else_has_the_canonical_form_of_a_large_integer() -> None:
    digits = str(2**53)
    values: list[Any] = [
        *(2**53, -(2**53), digits, float(2**53), [2**53], [digits], [[digits]]),
        *({"integer": 2**53}, {"integer": [2**53]}, {"integer": {"integer": 2**53}}),
        *({"integer": digits}, {"integer": [digits]}, {"integer": [[digits]]}),
        *({"integer": [{"integer": digits}]}, {"integer": {"integer": digits}}),
        {"integer": digits, "more": 1},
    ]
    assert len({canonical(value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf], "\ud800", {"\udfff": 1}])
def test_what_is_not_json_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (its text is the library's)
        canonical(value)


def test_a_text_loses_the_secret_values_of_a_call_and_nothing_else() -> None:
    arguments = {"door": "left", "phrase": "hunter2", "options": {"api_key": "k-1", "pin": 7}}
    text = 'ValueError: hunter2 does not open left (k-1, 7, "hunter22")'
    shown = without_secrets(text, arguments, ["phrase"])
    assert shown == f'ValueError: {MASK} does not open left ({MASK}, {MASK}, "hunter22")'
    assert without_secrets(text, {"phrase": ""}, ["phrase"]) == text
