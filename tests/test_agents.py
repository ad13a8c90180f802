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
    lax, strict = agent(), agent(tools_requiring_human_confirmation=["look", "gone"])
    assert lax.as_strict_as(strict).snapshot()["tools"] == {"pay": "ask", "look": "ask"}
    assert strict.as_strict_as(lax).snapshot()["tools"] == {"pay": "ask", "look": "ask"}
    assert lax.snapshot()["tools"] == {"pay": "ask", "look": "allow"}


def test_a_change_of_a_tool_that_the_agent_does_not_have_is_nothing():
    assert agent().changed({"tools": {"gone": "allow"}}).snapshot() == agent().snapshot()


def test_facts_are_declared_beside_a_function_and_found_on_its_tool():
    @tool(sentence="Pay {amount} to {to}", secret=["to"])
    def give(amount: float, to: str) -> str:
        """Gives."""
        return to

    assert give(1, "x") == "x", "the function stays a plain function"
    facts = facts_of(FunctionTool.from_defaults(fn=give))
    assert facts == ToolFacts("Pay {amount} to {to}", ("to",))
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
