"""An agent as a value: what asks, what a change changes, what is declared beside a function."""

import pytest
from llama_index.core.tools import FunctionTool
from pydantic import ValidationError

from hitl.agents import AgentConfig, ToolFacts, facts_of, tool
from hitl.errors import DeclarationError


def pay(amount: float, to: str) -> str:
    """Pays."""
    return f"{amount} to {to}"


def look(order: int) -> str:
    """Looks."""
    return str(order)


def agent(**settings: object) -> AgentConfig:
    tools = [FunctionTool.from_defaults(fn=function) for function in (pay, look)]
    plain = {"name": "A", "description": "d", "tools_requiring_human_confirmation": ["pay"]}
    return AgentConfig(**{**plain, "tools": tools, **settings})


def test_an_agent_needs_only_what_the_notebook_gives():
    bare = AgentConfig(name="A", description="d")

    assert (bare.system_prompt, bare.tools, bare.tools_requiring_human_confirmation) == (
        None,
        None,
        [],
    )
    assert (bare.tool_names(), bare.tool("x")) == ([], None)


def test_a_misspelt_field_is_refused():
    with pytest.raises(ValidationError, match="tools_requiring_confirmation"):
        agent(tools_requiring_confirmation=["pay"])


def test_a_tool_is_found_by_its_name_alone():
    assert agent().tool("pay").metadata.get_name() == "pay"
    assert agent().tool("Pay") is None


def test_the_snapshot_says_for_every_tool_whether_it_asks():
    assert agent().snapshot()["tools"] == {"pay": "ask", "look": "allow"}


def test_a_snapshot_changes_an_agent_back_into_what_it_was():
    was = agent(system_prompt="old", temperature=0.5, state={"x": 1})
    later = agent(system_prompt="new", tools_requiring_human_confirmation=["look"])

    assert later.changed(was.snapshot()).snapshot() == was.snapshot()


def test_a_change_replaces_only_what_it_names_and_leaves_the_agent_alone():
    original = agent(system_prompt="old", model="m")
    changed = original.changed({"system_prompt": "new", "tools": {"look": "ask"}})

    assert (changed.system_prompt, changed.model) == ("new", "m")
    assert changed.tools_requiring_human_confirmation == ["pay", "look"]
    assert original.system_prompt == "old"
    assert not original.asks("look")


@pytest.mark.parametrize("policy", ["ask", "", "Allow", None, True])
def test_whatever_is_not_exactly_allow_asks(policy):
    assert agent().changed({"tools": {"look": policy}}).asks("look")


def test_an_agent_as_strict_as_another_asks_wherever_one_of_them_does():
    lax, strict = agent(), agent(tools_requiring_human_confirmation=["look"])
    assert lax.as_strict_as(strict).snapshot()["tools"] == {"pay": "ask", "look": "ask"}
    assert strict.as_strict_as(lax).snapshot()["tools"] == {"pay": "ask", "look": "ask"}
    assert lax.snapshot()["tools"] == {"pay": "ask", "look": "allow"}


def test_rules_count_more_than_the_list_of_tools_that_ask():
    ruled = agent(rules={"pay": "ask when amount > 100", "look": "deny"})

    assert ruled.snapshot()["tools"] == {"pay": "ask when amount > 100", "look": "deny"}
    assert (ruled.asks("pay"), ruled.asks("look")) == (True, False)
    assert ruled.policy("pay").ruling({"amount": 5.0, "to": "x"}).verb == "allow"


def test_a_tool_that_the_agent_does_not_have_asks():
    assert agent().policy("gone").words == "ask"


def test_a_snapshot_brings_back_every_kind_of_rule():
    was = agent(rules={"pay": ["deny when amount > 9", "ask when amount > 1"]})
    strict = agent().as_strict_as(agent(rules={"pay": "deny when amount > 9"}))

    for each in (was, strict):
        assert agent().changed(each.snapshot()).snapshot() == each.snapshot()


def test_rules_that_can_not_be_read_any_more_ask():
    changed = agent().changed({"tools": {"pay": "allow when (", "look": {"strictest": 1}}})

    assert changed.snapshot()["tools"] == {"pay": "always_ask", "look": "always_ask"}


def test_of_two_agents_rules_the_stricter_holds_for_every_call():
    one = agent(rules={"pay": "ask when amount > 100"}, tools_requiring_human_confirmation=[])
    other = agent(rules={"pay": ["deny when to == 'x'", "allow"]})
    policy = one.as_strict_as(other).policy("pay")

    assert policy.ruling({"amount": 5, "to": "y"}).verb == "allow"
    assert policy.ruling({"amount": 500, "to": "y"}).verb == "ask"
    assert policy.ruling({"amount": 500, "to": "x"}).verb == "deny"


def test_present_tools_and_expiry_replace_those_that_it_had_but_rules_only_tighten():
    had = agent(system_prompt="old", expires_after=60, rules={"look": "ask when order > 5"})
    (kept,) = [each for each in had.tools if each.metadata.name == "look"]
    new = FunctionTool.from_defaults(fn=lambda: 1, name="new", description="d")
    now = agent(
        tools=[kept, new],
        tools_requiring_human_confirmation=[],
        system_prompt="new",
        expires={"look": "2 min"},
    )
    present = had.with_present_tools(now)

    assert (present.system_prompt, present.tool_names()) == ("old", ["look", "new"])
    assert present.snapshot()["tools"] == {"look": "ask when order > 5", "new": "allow"}
    assert (present.expiry_of("look"), present.expiry_of("new")) == (120, None)
    assert had.tool_names() == ["pay", "look"], "the agent itself is left alone"


def test_an_expiry_of_a_tool_counts_more_than_that_of_its_agent():
    expiring = agent(expires_after="15 min", expires={"pay": 90})

    assert (expiring.expiry_of("pay"), expiring.expiry_of("look")) == (90, 900)
    assert agent().expiry_of("pay") is None


@pytest.mark.parametrize("span", [0, -5, "-5 min", "soon", True, float("inf"), float("nan"), 1e12])
def test_an_expiry_is_a_time_to_come(span):
    with pytest.raises(ValidationError, match="must be a time such as '15 min'"):
        agent(expires_after=span)
    with pytest.raises(ValidationError, match="must be a time such as '15 min'"):
        agent(expires={"pay": span})


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"tools_requiring_human_confirmation": ["pya"]}, "no tool 'pya'; there are: pay, look"),
        ({"rules": {"pya": "ask"}}, "no tool 'pya'"),
        ({"expires": {"pya": 5}}, "no tool 'pya'"),
        ({"rules": {"pay": "ask when amonut > 5"}}, "no argument 'amonut'; it has: amount, to"),
        ({"rules": {"pay": {"strictest": ["ask", "deny when x"]}}}, "no argument 'x'"),
        ({"rules": {"pay": "ask when ("}}, "is no condition"),
        ({"rules": {"look": "maybe"}}, "must be 'ask', 'allow', 'deny' or a rule"),
        ({"rules": {"pay": "allow"}}, "'pay' is allowed, and in tools_requiring_human"),
    ],
)
def test_what_an_agent_says_about_its_tools_must_make_sense(said, problem):
    with pytest.raises(DeclarationError) as refused:
        agent(**said)
    assert problem in str(refused.value)


def test_a_condition_can_not_speak_of_an_argument_that_is_fixed():
    fixed = FunctionTool.from_defaults(fn=pay, partial_params={"to": "Ada"})
    with pytest.raises(DeclarationError, match="no argument 'to'; it has: amount"):
        agent(tools=[fixed], rules={"pay": "ask when to == 'x'"})


def test_a_rule_by_origin_needs_arguments_to_go_by():
    """Of a tool without any it could never be true that the user said them all."""
    rule = "ask unless every argument comes from the user's words"
    bare = FunctionTool.from_defaults(fn=lambda: 1, name="new", description="d")
    fixed = FunctionTool.from_defaults(fn=look, partial_params={"order": 1})

    assert agent(rules={"look": rule}).asks("look")
    for each in (bare, fixed):
        rules = {each.metadata.get_name(): rule}
        with pytest.raises(DeclarationError, match="the tool has no arguments to go by"):
            agent(tools=[each], rules=rules, tools_requiring_human_confirmation=[])


def test_always_ask_asks_and_survives_a_snapshot():
    was = agent(rules={"look": "always_ask"})

    assert was.asks("look")
    assert agent().changed(was.snapshot()).snapshot() == was.snapshot()
    assert agent().as_strict_as(was).snapshot()["tools"]["look"] == "always_ask"


def test_a_change_of_a_tool_that_the_agent_does_not_have_is_nothing():
    assert agent().changed({"tools": {"gone": "allow"}}).snapshot() == agent().snapshot()


def test_facts_are_declared_beside_a_function_and_found_on_its_tool():
    @tool(sentence="Pay {amount} to {to}", secret=["to"], idempotent=True)
    def give(amount: float, to: str) -> str:
        """Gives."""
        return to

    assert give(1, "x") == "x", "the function stays a plain function"
    facts = facts_of(FunctionTool.from_defaults(fn=give))
    assert facts == ToolFacts("Pay {amount} to {to}", ("to",), idempotent=True)
    assert facts.names_in_sentence() == ["amount", "to"]


def test_a_tool_without_declared_facts_has_empty_ones():
    assert facts_of(FunctionTool.from_defaults(fn=pay)) == ToolFacts()


@pytest.mark.parametrize(
    "sentence",
    [
        "Pay {amount.real}", "Pay {to[0]}", "Pay {amount!r}", "Pay {amount:.2f}", "Pay {}",
        "Pay {0}", "Pay {amount", "Pay {recipient}",
    ],
)  # fmt: skip
def test_a_sentence_holds_plain_names_of_arguments_only(sentence):
    with pytest.raises(DeclarationError, match="pay"):
        tool(sentence=sentence)(pay)


def test_a_secret_must_be_an_argument():
    with pytest.raises(DeclarationError, match="no argument 'password'; it has amount, to"):
        tool(secret=["password"])(pay)


def test_keyword_only_and_untyped_arguments_count_too():
    @tool(sentence="{a} {b}", secret=["c"])
    def function(a, *, b, c: int = 1): ...

    assert function.__hitl__.secret == ("c",)
