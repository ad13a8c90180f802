"""Rules: what asks, what runs freely, what is denied; and that whatever is unclear asks."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.errors import DeclarationError
from hitl.rules import ALLOW, ASK, DENY, FUNCTIONS, STRICTNESS, Policy, strictest


def verb(said: str | list[str] | None, **arguments: object) -> str:
    return Policy.read(said).ruling(arguments).verb


# What a rule says


@pytest.mark.parametrize(
    ("said", "expected"), [("ask", "ask"), ("allow", "allow"), ("deny", "deny"), (None, "ask")]
)
def test_a_plain_rule_counts_for_every_call(said, expected):
    policy = Policy.read(said)

    assert policy.plain == policy.words == expected
    assert policy.ruling({"amount": 1}).verb == expected
    assert policy.ruling({}).rule == expected


def test_what_ask_when_does_not_fit_runs_freely():
    assert verb("ask when amount > 100", amount=101) == "ask"
    assert verb("ask when amount > 100", amount=100) == "allow"


@pytest.mark.parametrize(
    "said",
    ["allow when amount < 10", "deny when amount < 10", ["ask when amount < 5", "deny when a < 9"]],
)
def test_what_no_rule_fits_asks_unless_the_last_says_which_calls_do(said):
    ruling = Policy.read(said).ruling({"amount": 50, "a": 50})

    assert (ruling.verb, ruling.rule) == ("ask", "ask: no rule fits")


def test_the_first_rule_that_fits_counts():
    said = ["deny when amount > 1000", "allow when to == 'Ada'", "ask when amount > 100"]

    assert verb(said, amount=5000, to="Ada") == "deny"
    assert verb(said, amount=500, to="Ada") == "allow"
    assert verb(said, amount=500, to="Bob") == "ask"
    assert verb(said, amount=50, to="Bob") == "allow"


def test_a_ruling_names_the_rule_that_counted():
    policy = Policy.read(["deny when amount > 1000", "ask when amount > 100"])

    assert policy.ruling({"amount": 2000}).rule == "deny when amount > 1000"
    assert policy.ruling({"amount": 200}).rule == "ask when amount > 100"
    assert policy.ruling({"amount": 2}).rule == "allow: no rule fits"
    assert policy.words == "deny when amount > 1000; ask when amount > 100"


@pytest.mark.parametrize(
    ("condition", "arguments"),
    [
        ("amount > 100", {"amount": 100.01}),
        ("amount >= 100.0", {"amount": 100}),
        ("size(to) > 3", {"to": "Grace"}),
        ("to.startsWith('G') && !urgent", {"to": "Grace", "urgent": False}),
        ("to.matches('^[^@]+@example[.]com$')", {"to": "ada@example.com"}),
        ("items.exists(item, item.price > 9)", {"items": [{"price": 1}, {"price": 10}]}),
        ("!(to in ['Ada', 'Bob'])", {"to": "Grace"}),
        ("note == null", {"note": None}),
        ("type(value) == int", {"value": 1}),
        ("timestamp(day) > timestamp('2026-01-01T00:00:00Z')", {"day": "2026-02-01T00:00:00Z"}),
        ("has(place.city) ? place.city == 'Rome' : false", {"place": {"city": "Rome"}}),
    ],
)
def test_conditions_are_cel_over_the_arguments(condition, arguments):
    assert Policy.read(f"deny when {condition}").ruling(arguments).verb == "deny"


def test_the_arguments_that_conditions_speak_of_are_known():
    policy = Policy.read(
        ["deny when items.exists(i, i.price > most)", "ask when type(to) == string && day != null"]
    )
    assert policy.argument_names() == {"items", "most", "to", "day"}
    assert ASK.argument_names() == set()


def test_every_function_that_a_rule_may_use_is_one_that_the_library_knows():
    ways = ("{0}(a) == a", "a.{0}() == a", "a.{0}(a) == a", "a.{0}('x') == a")
    values = ("x", 1, "2026-01-01T00:00:00Z", "1s")

    def knows(name: str) -> bool:
        import cel

        instant = "timestamp('2026-01-01T00:00:00Z')" if name.startswith("get") else "a"
        for way in ways:
            for value in values:
                text = way.format(name).replace("a.", f"{instant}.")
                try:
                    cel.compile(text).execute({"a": value})
                except Exception as error:
                    if "Undefined" in str(error):
                        continue
                return True
        return False

    types_without_a_function = {"bool", "list", "map", "null_type"}
    assert [name for name in sorted(FUNCTIONS - types_without_a_function) if not knows(name)] == []


# What is unclear asks


HUGE = {"level": {}}
for _ in range(500):
    HUGE = {"level": HUGE}


@pytest.mark.parametrize(
    ("condition", "arguments"),
    [
        ("amount > 100", {}),
        ("amount > 100", {"amount": None}),
        ("amount > 100", {"amount": "5"}),
        ("amount > 100", {"amount": True}),
        ("amount > 100", {"amount": float("nan")}),
        ("amount > 100", {"amount": 2**63}),
        ("amount > 100", {"amount": -(10**30)}),
        ("amount > 100", {"amount": [5]}),
        ("amount > 100", {"amount": object()}),
        ("amount > 100", {"amount": b"5"}),
        ("amount * amount > 100", {"amount": 2**62}),
        ("100 / amount > 1", {"amount": 0}),
        ("amount + 1 > 100", {"amount": 1.5}),
        ("to == 'x'", {"to": "\ud800"}),
        ("to", {"to": "yes"}),
        ("amount", {"amount": 1}),
        ("[to]", {"to": ""}),
        ("items[3] > 1", {"items": [1]}),
        ("place.city.street == 'x'", {"place": {}}),
        ("timestamp(day) > timestamp('2026-01-01T00:00:00Z')", {"day": "soon"}),
        ("to.matches('(')", {"to": "x"}),
        ("to.matches('((((a{1000}){1000}){1000}){1000})')", {"to": "x"}),
        ("place == 1", {"place": HUGE}),
        ("items.exists(i, i > 100)", {"items": [5, None]}),
        ("items.exists(i, items.exists(j, i > j + 9999999))", {"items": [*range(5000)]}),
        ("items.map(i, items).size() > 1", {"items": [*range(5000)]}),
        ("items.exists(i, i.matches('x+y'))", {"items": ["x" * 50] * 50_000}),
        ("to.matches('(x*)*y')", {"to": "x" * 5_000_000}),
    ],
)
@pytest.mark.parametrize("rule", ["allow when {}", "deny when {}", "ask when {}"])
def test_a_condition_that_can_not_be_evaluated_asks_at_once(rule, condition, arguments):
    said = rule.format(condition)
    policy = Policy.read([said, "allow"])
    started = time.perf_counter()
    ruling = policy.ruling(arguments)

    assert ruling.verb == "ask"
    assert ruling.rule.startswith(f"{said} (could not be evaluated: ")
    assert ruling.rule.endswith(", so it asks)")
    assert time.perf_counter() - started < 2


def test_what_could_not_be_evaluated_shows_no_value_as_it_may_be_secret():
    said = ["ask when pin + 1 > 2", "ask when pin.x > 1", "ask when timestamp(pin) == pin"]
    for rule in said:
        assert "hunter2" not in Policy.read(rule).ruling({"pin": "hunter2"}).rule
    assert "46116" not in Policy.read("ask when pin * 4 > 1").ruling({"pin": 2**62}).rule


def test_other_arguments_than_those_of_the_condition_do_not_matter():
    assert verb("ask when amount > 100", amount=5, other=object(), more=10**40) == "allow"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
POLICIES = [
    Policy.read(said)
    for said in (
        "ask", "allow", "deny", "ask when a > 1", "deny when b == 'x'", "allow when a < b",
        ["deny when a.size() > 2", "ask when b"], ["allow when b in a", "deny"],
        ["ask when a.exists(x, x == b)", "allow when a[0] > 1"],
    )
]  # fmt: skip


@given(st.sampled_from(POLICIES), st.dictionaries(st.sampled_from("abc"), JSON))
def test_no_arguments_whatever_make_a_ruling_fail(policy, arguments):
    assert policy.ruling(arguments).verb in STRICTNESS


def test_many_threads_can_ask_at_once():
    policy, verbs = Policy.read("ask when amount > 100"), []

    def ask() -> None:
        verbs.extend(policy.ruling({"amount": number}).verb for number in range(200))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (verbs.count("ask"), verbs.count("allow")) == (8 * 99, 8 * 101)


# What is refused


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("maybe", "must be 'ask', 'allow', 'deny' or a rule such as"),
        ("Ask", "must be"),
        ("", "must be"),
        (True, "must be"),
        ({"rule": "ask"}, "must be"),
        (["ask when a > 1", 5], "not 5"),
        ([], "at least one rule"),
        ("ask when", "must be"),
        ("ask if amount > 1", "must be"),
        ("ask when amount >", "is no condition: mismatched input '<EOF>', at character"),
        ("ask when amount = 1", "is no condition"),
        ("ask when import os", "is no condition"),
        ("ask when a or b", "is no condition"),
        ("ask when lenght(to) > 1", "there is no function 'lenght'"),
        ("ask when to.lower() == 'x'", "there is no function 'lower'"),
        ("ask when __import__('os').system('id')", "there is no function"),
        ("ask when to.matches(pattern)", "write the pattern out"),
        ("ask when to.matches('a' + to)", "write the pattern out"),
        ("ask when to == '" + "x" * 1000 + "'", "at most 1000 characters"),
        ("ask when " + "[" * 900, "is no condition"),
        ("ask when to == '\ud800'", "is no condition"),
        (["ask", "allow when a > 1"], "nothing after 'ask' could ever count"),
        (["ask when a > 1", "deny", "allow"], "nothing after 'deny' could ever count"),
    ],
)
def test_what_is_no_rule_is_refused_and_said_why(said, problem):
    with pytest.raises(DeclarationError) as refused:
        Policy.read(said)
    assert problem in str(refused.value)


# As data


@pytest.mark.parametrize("policy", [*POLICIES, strictest(POLICIES[3], POLICIES[6])])
def test_a_policy_as_data_reads_back_as_itself(policy):
    assert Policy.from_data(policy.as_data()) == policy
    assert hash(Policy.from_data(policy.as_data())) == hash(policy)


def test_what_old_rows_say_can_be_read():
    assert Policy.from_data("ask") == ASK
    assert Policy.from_data("allow") == ALLOW
    assert Policy.from_data(None) == ASK


@pytest.mark.parametrize(
    "data",
    ["", "Allow", True, 5, [], ["allow", 5], {}, {"strictest": 5}, {"strictest": []}, {"allow": 1},
     ["allow", "deny"], "allow when (", {"strictest": ["allow", None]}, [["allow"]], HUGE],
)  # fmt: skip
def test_whatever_data_can_not_be_read_asks(data):
    assert Policy.from_data(data) == ASK


def test_one_broken_part_does_not_hide_that_the_other_denies():
    assert Policy.from_data({"strictest": ["deny", "allow when ("]}) == DENY


def test_the_same_said_in_two_ways_is_the_same_policy():
    assert Policy.read(["ask"]) == Policy.read("  ask ") == Policy.read(None)
    assert Policy.read("ask  when a > 1 ") == Policy.read(["ask when a > 1"])


# The stricter of two


@given(
    st.sampled_from(POLICIES),
    st.sampled_from(POLICIES),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 3) | st.lists(st.integers(0, 3))),
)
def test_the_strictest_of_two_rules_as_the_stricter_does(one, other, arguments):
    both = strictest(one, other)
    stricter = max((policy.ruling(arguments).verb for policy in (one, other)), key=STRICTNESS.index)
    assert both.ruling(arguments).verb == stricter
    assert both == strictest(other, one) == strictest(both, other) == strictest(one, both)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_strictest_is_said_as_simply_as_it_can_be(policy):
    assert strictest(policy, policy) == policy
    assert strictest(policy, ALLOW) == policy
    assert strictest(policy, DENY) == DENY
    assert strictest(Policy.read("ask when a > 1"), ASK) == ASK


def test_several_lists_of_rules_are_told_apart_in_words():
    both = strictest(Policy.read("ask when a > 1"), Policy.read("allow when b"))

    assert both.words == "the strictest of (allow when b) and (ask when a > 1)"
    assert both.plain is None
