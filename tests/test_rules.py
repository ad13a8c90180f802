"""Rules: what asks, what runs freely, what is denied; and that whatever is unclear asks."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.errors import DeclarationError
from hitl.rules import (
    ALLOW,
    ALWAYS_ASK,
    ASK,
    DENY,
    FUNCTIONS,
    STRICTNESS,
    UNLESS_FROM_USER,
    Policy,
    strictest,
)

BY_ORIGIN = f"ask {UNLESS_FROM_USER}"
FROM_USER, FROM_TOOL = {"a": {"from": "user"}}, {"a": {"from": "tool", "tool": "t"}}


def verb(said: str | list[str] | None, **arguments: object) -> str:
    return Policy.read(said).ruling(arguments).verb


# What a rule says


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ask", "ask"),
        ("always_ask", "always_ask"),
        ("allow", "allow"),
        ("deny", "deny"),
        (None, "ask"),
    ],
)
def test_a_plain_rule_counts_for_every_call(said, expected):
    policy = Policy.read(said)

    assert policy.plain == policy.words == expected
    assert policy.ruling({"amount": 1}).verb == expected
    assert policy.ruling({}).rule == expected


def test_what_ask_when_does_not_fit_runs_freely():
    assert verb("ask when amount > 100", amount=101) == "ask"
    assert verb("ask when amount > 100", amount=100) == "allow"


def test_always_ask_reads_as_ask_does_and_is_stricter():
    """Only a grant can tell them apart: none may answer in its place."""
    assert verb("always_ask when amount > 100", amount=101) == "always_ask"
    assert verb("always_ask when amount > 100", amount=100) == "allow"
    assert STRICTNESS == ("allow", "ask", "always_ask", "deny")
    assert ALWAYS_ASK.ruling({}).asks
    assert ASK.ruling({}).asks
    assert ASK.ruling({}).grantable
    assert not ALWAYS_ASK.ruling({}).grantable
    assert not ALLOW.ruling({}).grantable


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
    started = time.process_time()
    ruling = policy.ruling(arguments)

    assert ruling.verb == "always_ask", "it might have denied, so no grant may answer"
    assert ruling.rule.startswith(f"{said} (could not be evaluated: ")
    assert ruling.rule.endswith(", so it asks)")
    assert time.process_time() - started < 2


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
        ["ask when a.exists(x, x == b)", "allow when a[0] > 1"], "always_ask",
        ["always_ask when a > 1", "ask"], BY_ORIGIN, f"always_{BY_ORIGIN}", [BY_ORIGIN, "allow"],
        [BY_ORIGIN, "deny when a > 2"], ["allow when a > 1", BY_ORIGIN],
    )
]  # fmt: skip


@given(st.sampled_from(POLICIES), st.dictionaries(st.sampled_from("abc"), JSON), JSON)
def test_no_arguments_whatever_make_a_ruling_fail(policy, arguments, origins):
    for known in (None, {"a": origins}):
        assert policy.ruling(arguments, known).verb in STRICTNESS


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


# Where the arguments came from


@pytest.mark.parametrize("said", [BY_ORIGIN, BY_ORIGIN.replace("'", "’"), f"  {BY_ORIGIN}\n"])
def test_a_rule_by_origin_alone_lets_run_what_the_user_said(said):
    policy = Policy.read(said)

    assert policy.ruling({"a": 1}, FROM_USER).verb == "allow"
    assert policy.ruling({"a": 1}, FROM_TOOL).rule == policy.words == BY_ORIGIN
    assert policy.plain is None
    assert policy.goes_by_origins
    assert not ASK.goes_by_origins


@pytest.mark.parametrize("origins", [None, {}, FROM_TOOL, {**FROM_USER, "b": {}}, {"a": "user"}])
def test_a_rule_by_origin_asks_where_these_are_others_or_not_known(origins):
    assert Policy.read(BY_ORIGIN).ruling({"a": 1}, origins).verb == "ask"
    assert Policy.read(f"always_{BY_ORIGIN}").ruling({"a": 1}, origins).verb == "always_ask"


@pytest.mark.parametrize(
    ("said", "of_user", "of_tool"),
    [
        ([BY_ORIGIN, "allow"], "allow", "ask"),
        ([BY_ORIGIN, "ask"], "ask", "ask"),
        ([BY_ORIGIN, "deny"], "deny", "deny"),
        ([BY_ORIGIN, "deny when a == 1"], "deny", "deny"),
        ([BY_ORIGIN, "always_ask when a == 1"], "always_ask", "always_ask"),
        ([BY_ORIGIN, "deny when a > 1"], "ask", "ask"),
        (["deny when a > 1", BY_ORIGIN], "ask", "ask"),
        (["ask when a > 1", BY_ORIGIN], "allow", "ask"),
        (["allow when a == 1", BY_ORIGIN], "allow", "allow"),
        ([BY_ORIGIN, "allow when a == 1"], "allow", "ask"),
        ([BY_ORIGIN, f"always_{BY_ORIGIN}"], "allow", "always_ask"),
    ],
)
def test_a_rule_by_origin_beside_others_only_tightens_what_they_say(said, of_user, of_tool):
    """What no rule fits asks as if it were not there: it never lets run what would have asked."""
    policy = Policy.read(said)
    assert policy.ruling({"a": 1}, FROM_USER).verb == of_user
    assert policy.ruling({"a": 1}, FROM_TOOL).verb == of_tool


OTHERS = [f"{said} when {what}" for said in STRICTNESS for what in ("a > 1", "b == 'x'", "c")]
ORIGINS = st.none() | st.sampled_from([FROM_USER, FROM_TOOL, {}, {**FROM_USER, "b": None}])
ARGUMENTS = st.fixed_dictionaries({"a": st.integers(0, 3)}, optional={"b": st.just("x")})


@given(
    st.lists(st.sampled_from(OTHERS), min_size=1, max_size=4),
    st.sampled_from([[], *([said] for said in STRICTNESS)]),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([BY_ORIGIN, f"always_{BY_ORIGIN}"]))),
    ARGUMENTS,
    ORIGINS,
)
def test_no_list_of_rules_gets_laxer_by_a_rule_by_origin(others, last, added, arguments, origins):
    """Wherever it stands, whatever the call is, and whatever is known of its origins."""
    said = list(others)
    for place, rule in added:
        said.insert(place, rule)
    without = Policy.read(others + last).ruling(arguments, origins)
    ruling = Policy.read(said + last).ruling(arguments, origins)

    assert STRICTNESS.index(ruling.verb) >= STRICTNESS.index(without.verb)
    if origins == FROM_USER:
        assert ruling == without


@pytest.mark.parametrize(
    "said",
    [
        BY_ORIGIN.replace("ask", "allow", 1),
        BY_ORIGIN.replace("ask", "deny", 1),
        "allow when every argument comes from the user's words",
        "ask when any argument comes from a tool",
        "allow when all arguments come from the user's words",
        "ask unless amount > 5",
        "ask unless every argument comes from the user",
        f"{BY_ORIGIN} or a > 1",
    ],
)
def test_where_arguments_come_from_can_be_said_in_one_way_alone(said):
    with pytest.raises(DeclarationError, match="can only make calls ask, and is said in exactly"):
        Policy.read([said])


def test_a_condition_may_hold_the_words_of_the_rule_by_origin():
    said = "ask when note.contains('every argument comes from here')"
    assert verb(said, note="every argument comes from here") == "ask"


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
        (["always_ask", BY_ORIGIN], "nothing after 'always_ask' could ever count"),
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
     ["allow", "deny"], "allow when (", {"strictest": ["allow", 1]}, [["allow"]], HUGE],
)  # fmt: skip
def test_whatever_data_can_not_be_read_asks_a_person_and_no_grant(data):
    """It might have denied."""
    assert Policy.from_data(data) == ALWAYS_ASK


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
    ORIGINS,
)
def test_the_strictest_of_two_rules_as_the_stricter_does(one, other, arguments, origins):
    both = strictest(one, other)
    verbs = [policy.ruling(arguments, origins).verb for policy in (one, other)]
    assert both.ruling(arguments, origins).verb == max(verbs, key=STRICTNESS.index)
    assert both == strictest(other, one) == strictest(both, other) == strictest(one, both)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_strictest_is_said_as_simply_as_it_can_be(policy):
    assert strictest(policy, policy) == policy
    assert strictest(policy, ALLOW) == policy
    assert strictest(policy, DENY) == DENY
    assert strictest(Policy.read("ask when a > 1"), ALWAYS_ASK) == ALWAYS_ASK
    assert strictest(Policy.read(BY_ORIGIN), ASK) == ASK
    assert strictest(ASK, ALWAYS_ASK) == ALWAYS_ASK


def test_a_condition_that_may_fail_is_kept_beside_ask_as_it_is_stricter_then():
    both = strictest(Policy.read("ask when a > 1"), ASK)
    assert both.ruling({"a": 1}).verb == "ask"
    assert both.ruling({"a": "x"}).verb == "always_ask"


def test_several_lists_of_rules_are_told_apart_in_words():
    both = strictest(Policy.read("ask when a > 1"), Policy.read("allow when b"))

    assert both.words == "the strictest of (allow when b) and (ask when a > 1)"
    assert both.plain is None
