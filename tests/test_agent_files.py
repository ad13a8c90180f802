"""A folder of agent files: what is read, what is refused and how it says so, what a change does."""

import gc
import logging
import os
import re
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hitl import check
from hitl.agent_writing import as_yaml
from hitl.agents import AgentConfig, facts_of
from hitl.errors import DeclarationError, NotFound
from hitl.registry import Registry

TOOLS = '''
from hitl.agents import tool

@tool(sentence="Refund {amount}")
def refund(amount: float) -> str:
    """Pay money back."""
    return f"refunded {amount}"

def look_up(order: int) -> str:
    """Look an order up."""
    return f"order {order}"
'''

AGENT = """
name: Shop
description: Sells things.
tools:
  shop.look_up: allow
  shop.refund:
"""

Write = Callable[..., Registry]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agents").mkdir()
    return tmp_path / "agents"


@pytest.fixture
def write(folder: Path) -> Write:
    """Writes files, given as name=text with `__` for the dot; the registry looks at every call."""
    registry = Registry(folder, look_every=0)
    times = iter(range(1_700_000_000, 1_800_000_000))

    def write(**files: str | None) -> Registry:
        for name, text in files.items():
            path = folder / ".".join(name.rsplit("__", 1))
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            written, moment = folder / ".written", next(times)
            written.write_text(textwrap.dedent(text), encoding="utf-8")
            os.utime(written, (moment, moment))
            written.replace(path)
        return registry

    return write


def said(registry: Registry) -> list[str]:
    return [str(error) for error in registry.errors()]


def call(agent: AgentConfig, tool: str, **arguments: object) -> str:
    found = agent.tool(tool)
    assert found is not None
    return str(found.call(**arguments).raw_output)


# What is read


def test_a_tool_asks_unless_its_file_says_allow(write):
    agent = write(a__yaml=AGENT, shop__py=TOOLS).get("Shop")

    assert agent.tool_names() == ["look_up", "refund"]
    assert agent.tools_requiring_human_confirmation == ["refund"]


def test_a_plain_list_of_tools_asks_for_each(write):
    text = "name: A\ndescription: d\ntools: [shop.look_up, shop.refund]"
    agent = write(a__yaml=text, shop__py=TOOLS).get("A")

    assert agent.tools_requiring_human_confirmation == ["look_up", "refund"]


def test_a_list_of_tools_requiring_confirmation_means_exactly_that_list(write):
    text = (
        "name: A\ndescription: d\ntools: [shop.look_up, shop.refund]\n"
        "tools_requiring_human_confirmation: [refund]"
    )
    assert write(a__yaml=text, shop__py=TOOLS).get("A").tools_requiring_human_confirmation == [
        "refund"
    ]


RULED = """
    name: Shop
    description: Sells things.
    expires_after: 2 hours
    tools:
      shop.look_up:
        rules: [deny when order < 0, ask when order > 100]
        expires_after: 15 min
      shop.refund: deny
"""


def test_rules_and_expiry_arrive(write):
    agent = write(a__yaml=RULED, shop__py=TOOLS).get("Shop")

    assert agent.policy("look_up").ruling({"order": 101}).rule == "ask when order > 100"
    assert agent.policy("look_up").ruling({"order": 5}).verb == "allow"
    assert agent.policy("refund").words == "deny"
    assert (agent.expiry_of("look_up"), agent.expiry_of("refund")) == (900, 7200)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("1.5", 1.5), ("15 min", 900), ("2 hours", 7200), ("1 day", 86400), ("1:30", 90)],
)
def test_a_time_is_written_as_people_write_it(write, written, seconds):
    text = f"name: A\ndescription: d\nexpires_after: {written}"

    assert write(a__yaml=text).get("A").expires_after == seconds


def test_everything_else_that_a_file_can_say_arrives(write):
    text = """
        name: A
        description: d
        system_prompt: |
          First line.
          Second line.
        model: gpt-4o-mini
        temperature: 0
        state: {user_name: Logan, since: 2024-01-01, deep: [1, {x: null}]}
        greeting: Hello
        samples: [one, two]
        panel: shop.tables
        panel_title: Shop
        reset: shop.again
        demo: [{when: [hi], say: hello}]
    """
    tables = "def tables(): return {'T': [{'a': 1}]}\ndef again(): pass"
    agent = write(a__yaml=text, shop__py=tables).get("A")

    assert agent.system_prompt == "First line.\nSecond line.\n"
    assert (agent.model, agent.temperature) == ("gpt-4o-mini", 0)
    assert agent.state == {"user_name": "Logan", "since": "2024-01-01", "deep": [1, {"x": None}]}
    assert (agent.greeting, agent.samples, agent.panel_title) == ("Hello", ["one", "two"], "Shop")
    assert agent.panel is not None
    assert agent.panel() == {"T": [{"a": 1}]}
    assert agent.demo == [{"when": ["hi"], "say": "hello"}]


def test_what_is_declared_beside_a_function_is_found_on_its_tool(write):
    agent = write(a__yaml=AGENT, shop__py=TOOLS).get("Shop")

    assert facts_of(agent.tool("refund")).sentence == "Refund {amount}"
    assert agent.tool("refund").metadata.description == "Pay money back."


def test_bounds_and_descriptions_reach_the_schema(write):
    tools = '''
        from __future__ import annotations
        from typing import Annotated
        from pydantic import Field

        def pay(
            amount: Annotated[float, Field(gt=0, description="How much.")],
            to: Annotated[str, "The account."],
            times: int = 1,
        ) -> None:
            """Pay.

            :param times: How often.
            """
    '''
    text = "name: A\ndescription: d\ntools: [bank.pay]"
    schema = write(a__yaml=text, bank__py=tools).get("A").tool("pay").metadata.get_parameters_dict()

    assert schema["properties"]["amount"]["exclusiveMinimum"] == 0
    descriptions = [field["description"] for field in schema["properties"].values()]
    assert descriptions == ["How much.", "The account.", "How often."]
    assert schema["required"] == ["amount", "to"]


def test_modules_beside_each_other_import_each_other_by_plain_name(write):
    tools = '''
        from __future__ import annotations
        import prices
        from dataclasses import dataclass
        from pydantic import BaseModel
        from parts import money
        from parts.money import CURRENCY

        @dataclass
        class Item:
            price: prices.Price

        class Order(BaseModel):
            item: Item

        def cost() -> str:
            """What it costs."""
            import later
            order = Order(item=Item(price=prices.Price(5)))
            return f"{order.item.price.euros} {later.WORD} {CURRENCY}"
    '''
    prices = "from dataclasses import dataclass\n@dataclass\nclass Price:\n    euros: int\n"
    text = "name: A\ndescription: d\ntools: [shop.cost]"
    registry = write(
        a__yaml=text, shop__py=tools, prices__py=prices, later__py="WORD = 'in'",
        **{"parts/money__py": "from .names import CURRENCY", "parts/names__py": "CURRENCY = 'EUR'"},
    )  # fmt: skip

    assert said(registry) == []
    assert call(registry.get("A"), "cost") == "5 in EUR"
    assert "prices" not in sys.modules


def test_a_module_beside_the_agents_wins_over_an_installed_one_and_only_there(write):
    tools = 'from colorsys import MINE\ndef f() -> str:\n    """F."""\n    return MINE'
    text = "name: A\ndescription: d\ntools: [shop.f]"
    registry = write(a__yaml=text, shop__py=tools, colorsys__py="MINE = 'mine'")

    assert call(registry.get("A"), "f") == "mine"
    import colorsys

    assert hasattr(colorsys, "rgb_to_hsv")


def test_a_dotted_path_of_an_installed_package_is_a_tool_too(write):
    text = "name: A\ndescription: d\ntools: [textwrap.dedent]"

    assert call(write(a__yaml=text).get("A"), "dedent", text="  x") == "x"


def test_a_ready_llamaindex_tool_is_taken_as_it_is(write):
    tools = """
        from llama_index.core.tools import FunctionTool
        ready = FunctionTool.from_defaults(fn=lambda x: x, name="echo", description="Again.")
    """
    agent = write(a__yaml="name: A\ndescription: d\ntools: [t.ready]", t__py=tools).get("A")

    assert agent.tool_names() == ["echo"]
    assert agent.asks("echo")


def test_agents_come_in_the_order_of_their_files(write):
    one = "name: {}\ndescription: d"
    registry = write(b__yaml=one.format("First"), c__yml=one.format("Second"))
    write(z__py="agent_config = {'name': 'Last', 'description': 'd'}", a__py="x = 1")

    assert list(registry.agents()) == ["First", "Second", "Last"]
    assert registry.files()["Last"] == "agents/z.py"


NOTEBOOK = '''
from llama_index.core.tools import BaseTool, FunctionTool
from pydantic import BaseModel, ConfigDict, Field

class AgentConfig(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    name: str
    description: str
    system_prompt: str | None = None
    tools: list[BaseTool] | None = None
    tools_requiring_human_confirmation: list[str] = Field(default_factory=list)

def add(a: int, b: int) -> int:
    """Used to add two numbers together."""
    return a + b

def look(a: int) -> int:
    """Looks."""
    return a

add_tool = FunctionTool.from_defaults(fn=add)
look_tool = FunctionTool.from_defaults(fn=look)

agent_config = AgentConfig(
    name="Addition Agent",
    description="Adds.",
    tools=[add_tool, look_tool],
    tools_requiring_human_confirmation=["add"],
)
'''


def test_a_notebooks_cell_with_its_own_agentconfig_is_an_agent(write):
    registry = write(notebook__py=NOTEBOOK)

    assert said(registry) == []
    agent = registry.get("Addition Agent")
    assert isinstance(agent, AgentConfig)
    assert (agent.asks("add"), agent.asks("look")) == (True, False)
    assert call(agent, "add", a=1, b=2) == "3"
    assert "notebook.add_tool: ask" in as_yaml(agent)


def test_a_python_agent_says_its_rules_by_the_names_of_its_tools(write):
    cell = """
        from hitl import AgentConfig
        from llama_index.core.tools import FunctionTool
        from shop import look_up, refund
        agent_config = AgentConfig(
            name="P", description="d",
            tools=[FunctionTool.from_defaults(look_up), FunctionTool.from_defaults(refund)],
            tools_requiring_human_confirmation=["look_up"],
            rules={"refund": "ask when amount > 100"},
            expires={"refund": "1 hour"}, expires_after=60,
        )
    """
    agent = write(p__py=cell, shop__py=TOOLS).get("P")

    assert agent.snapshot()["tools"] == {"look_up": "ask", "refund": "ask when amount > 100"}
    assert (agent.expiry_of("look_up"), agent.expiry_of("refund")) == (60, 3600)


def test_a_python_agent_that_is_a_dict_asks_where_it_says_nothing(write):
    cell = """
        from shop import look_up, refund
        agent_config = dict(
            name="P", description="d", tools=[look_up, refund], rules={"look_up": "allow"}
        )
    """
    agent = write(p__py=cell, shop__py=TOOLS).get("P")

    assert agent.snapshot()["tools"] == {"look_up": "allow", "refund": "ask"}


def test_a_python_agent_can_list_plain_functions_and_import_its_neighbours(write):
    cell = """
        from hitl import AgentConfig
        from shop import refund
        agent_config = AgentConfig(name="P", description="d", tools=[])
        agent_config = agent_config.model_copy(update={"tools": [refund]})
    """
    agent = write(p__py=cell, shop__py=TOOLS).get("P")

    assert agent.tool_names() == ["refund"]
    assert not agent.asks("refund"), "a notebook's empty list means that nothing asks"


# What is refused

BROKEN = {
    "not YAML": ("name: [x", 1, None, "not valid YAML"),
    "a tab": ("name: A\n\tdescription: d", 2, None, "not valid YAML"),
    "an empty file": ("# nothing\n", 1, None, "the file is empty"),
    "two documents": ("name: A\n---\nname: B", 2, None, "not valid YAML"),
    "a list": ("- name: A", 1, None, "an agent file is a mapping"),
    "a Python object": ("name: !!python/name:os.system", 1, None, "not valid YAML"),
    "a key said twice": ("name: A\ndescription: d\nname: B", 3, "name", "the first is in line 1"),
    "a policy said twice": (
        "name: A\ndescription: d\ntools:\n  shop.refund: ask\n  shop.refund: allow",
        5, "tools.shop.refund", "said twice; the first is in line 4",
    ),
    "no name": ("description: d", 1, "name", "is missing"),
    "a name with nothing in it": ("name:\ndescription: d", 1, "name", "is missing"),
    "a blank name": ("name: ' '\ndescription: d", 1, "name", "without blanks around it"),
    "a name that is a number": ("name: 1\ndescription: d", 1, "name", "valid string, not 1"),
    "an unknown field": (
        "name: A\ndescription: d\nsystem_promt: x", 3, "system_promt",
        "no such field; did you mean 'system_prompt'?",
    ),
    "a number as a key": ("name: A\ndescription: d\n1: x", 3, "1", "keys should be strings"),
    "a wrong policy": (
        "name: A\ndescription: d\ntools:\n  shop.refund: maybe", 4, "tools.shop.refund",
        "must be 'ask', 'allow', 'deny' or a rule such as 'ask when amount > 100', not 'maybe'",
    ),
    "a policy that YAML makes a boolean of": (
        "name: A\ndescription: d\ntools:\n  shop.refund: yes", 4, "tools.shop.refund",
        "must be 'ask', 'allow', 'deny' or a rule such as 'ask when amount > 100', not True",
    ),
    "a rule whose condition is cut off": (
        "name: A\ndescription: d\ntools:\n  shop.refund: ask when amount >", 4,
        "tools.shop.refund", "'amount >' is no condition: mismatched input '<EOF>'",
    ),
    "a rule of a list": (
        "name: A\ndescription: d\ntools:\n  shop.refund:\n    - ask when amount > 1\n    - alow",
        4, "tools.shop.refund", "not 'alow'",
    ),
    "a rule about an argument that there is not": (
        "name: A\ndescription: d\ntools:\n  shop.refund: ask when amonut > 1", 4,
        "tools.shop.refund", "the tool has no argument 'amonut'; it has: amount",
    ),
    "a rule with a function that there is not": (
        "name: A\ndescription: d\ntools:\n  shop.refund: ask when sqrt(amount) > 1", 4,
        "tools.shop.refund", "there is no function 'sqrt'",
    ),
    "rules that could never count": (
        "name: A\ndescription: d\ntools:\n  shop.refund: [allow, ask when amount > 1]", 4,
        "tools.shop.refund", "nothing after 'allow' could ever count",
    ),
    "no rules at all": (
        "name: A\ndescription: d\ntools:\n  shop.refund: []", 4, "tools.shop.refund",
        "must have at least one rule",
    ),
    "a misspelt field of a tool": (
        "name: A\ndescription: d\ntools:\n  shop.refund:\n    rule: ask", 5,
        "tools.shop.refund.rule", "no such field; did you mean 'rules'?",
    ),
    "an expiry that is no time": (
        "name: A\ndescription: d\ntools: []\nexpires_after: soon", 4, "expires_after",
        "must be a time such as '15 min', '2 hours' or 90 (seconds), not 'soon'",
    ),
    "an expiry of a tool that is over": (
        "name: A\ndescription: d\ntools:\n  shop.refund:\n    expires_after: 0", 5,
        "tools.shop.refund.expires_after", "must be a time such as '15 min'",
    ),
    "a rule that contradicts the list": (
        "name: A\ndescription: d\ntools:\n  shop.refund: ask when amount > 1\n"
        "tools_requiring_human_confirmation: [refund]", 4, "tools.shop.refund", "the opposite",
    ),
    "tools that are neither list nor mapping": (
        "name: A\ndescription: d\ntools: shop.refund", 3, "tools", "must map tools to",
    ),
    "a list of mappings": (
        "name: A\ndescription: d\ntools:\n  - shop.refund: ask", 3, "tools", "must map tools to",
    ),
    "a misspelt function": (
        "name: A\ndescription: d\ntools:\n  shop.refnd: ask", 4, "tools.shop.refnd",
        "no function 'refnd' in shop.py; did you mean 'refund'?",
    ),
    "a misspelt function in a list": (
        "name: A\ndescription: d\ntools:\n  - shop.refund\n  - shop.lok_up", 5,
        "tools.shop.lok_up", "no function 'lok_up' in shop.py; did you mean 'look_up'?",
    ),
    "a misspelt module": (
        "name: A\ndescription: d\ntools: [shp.refund]", 3, "tools.shp.refund",
        "no module 'shp' in agents/ or installed; did you mean 'shop'?",
    ),
    "a reference without a module": (
        "name: A\ndescription: d\ntools: [refund]", 3, "tools.refund", "must be MODULE.FUNCTION",
    ),
    "a relative reference": (
        "name: A\ndescription: d\ntools: [..os.system]", 3, "tools...os.system",
        "must be MODULE.FUNCTION",
    ),
    "a tool that is no function": (
        "name: A\ndescription: d\ntools: [collections.OrderedDict]", 3,
        "tools.collections.OrderedDict", "'OrderedDict' is a type, not a function or a tool",
    ),
    "a tool that takes arguments by position": (
        "name: A\ndescription: d\ntools: [math.sqrt]", 3, "tools.math.sqrt", "by position alone",
    ),
    "two tools of one name": (
        "name: A\ndescription: d\ntools: [shop.refund, other.refund]", 3, "tools.other.refund",
        "'shop.refund' is called 'refund' too",
    ),
    "a confirmation for no tool": (
        "name: A\ndescription: d\ntools: [shop.refund]\n"
        "tools_requiring_human_confirmation:\n  - refnd", 5,
        "tools_requiring_human_confirmation.refnd", "no tool 'refnd'; did you mean 'refund'?",
    ),
    "a policy that contradicts the list": (
        "name: A\ndescription: d\ntools:\n  shop.refund: ask\n"
        "tools_requiring_human_confirmation: []", 4, "tools.shop.refund", "the opposite",
    ),
    "a panel that is not there": (
        "name: A\ndescription: d\npanel: shop.panel", 3, "panel", "no function 'panel' in shop.py",
    ),
    "a panel that is no function": (
        "name: A\ndescription: d\npanel: math.pi", 3, "panel", "must be a function, not a float",
    ),
    "a temperature out of range": (
        "name: A\ndescription: d\ntemperature: 3", 3, "temperature", "less than or equal to 2",
    ),
    "samples that are no texts": (
        "name: A\ndescription: d\nsamples:\n  - one\n  - two: 2", 5, "samples.1", "valid string",
    ),
    "a state that JSON does not know": (
        "name: A\ndescription: d\nstate:\n  x: !!set {a}", 4, "state.x", "valid JSON",
    ),
    "something that contains itself": (
        "name: A\ndescription: d\nstate: &s\n  x: *s", 4, "state.x", "refers to itself",
    ),
    "a demo script with a misspelt field": (
        "name: A\ndescription: d\ndemo:\n  - when: [hi]\n    sya: x\n    say: y", 5,
        "demo.0.sya", "not permitted",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "field", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_reported_with_line_and_field(write, text, line, field, problem):
    registry = write(a__yaml=text, shop__py=TOOLS, other__py=TOOLS)

    (error,) = registry.errors()
    assert (error.file, error.line, error.field) == ("agents/a.yaml", line, field), str(error)
    assert problem in error.problem
    place = f"agents/a.yaml, line {line}" + (f", {field}" if field else "")
    assert str(error) == f"{place}: {error.problem}"


def test_everything_wrong_with_a_file_is_said_at_once(write):
    text = "name: A\ndescription: d\ntools: [shop.a, shop.b]\npanel: shop.c"

    assert [error.field for error in write(a__yaml=text, shop__py=TOOLS).errors()] == [
        "tools.shop.a",
        "tools.shop.b",
        "panel",
    ]


def test_a_broken_file_leaves_the_other_agents_alone(write):
    registry = write(a__yaml="name: [", b__yaml="name: B\ndescription: d")

    assert list(registry.agents()) == ["B"]


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("x = 1\ndef f(:", 2, "SyntaxError: "),
        ("x = 1\n\nraise RuntimeError('no database')", 3, "RuntimeError: no database"),
        ("import nothing_like_it", 1, "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("import sys\nsys.exit(3)", 2, "SystemExit: 3"),
        ("import helper\nhelper.boom()", 3, "ZeroDivisionError"),
        ("from hitl import tool\n@tool(sentence='{b}')\ndef f(a: int): ...", 2, "no argument 'b'"),
    ],
)
def test_an_error_in_a_module_is_reported_once_where_it_happened(write, source, line, problem):
    text = "name: A\ndescription: d\ntools: [t.f, t.g]\npanel: t.p"
    registry = write(a__yaml=text, t__py=source, helper__py="def boom():\n\n    1 / 0")

    (error,) = registry.errors()
    assert error.file == ("agents/helper.py" if "helper" in source else "agents/t.py")
    assert error.line == line
    assert problem in error.problem
    assert "needed by agents/a.yaml" in error.problem


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("x = 1\nagent_config = AgentConfig()", 2, "NameError"),
        ("from hitl import AgentConfig\nagent_config = AgentConfig(name='A')", 2, "description"),
        ("agent_config = (\n", 1, "SyntaxError"),
        ("agent_config = 5", 1, "name: is missing"),
        ("agent_config = {'name': 'A', 'description': 'd', 'tools': [5]}", 1, "is a int"),
        ("agent_config = {'name': 'A', 'description': 'd', 'tols': []}", 1, "mean 'tools'?"),
        ("agent_config = {'name': 'A', 'description': 'd', 'panel': 5}", 1, "must be a function"),
        ("agent_config = {'name': 'A', 'description': 'd', 'state': {'x': {1}}}", 1, "valid JSON"),
        ("if False:\n    agent_config = 1", 2, "is missing"),
        (
            "agent_config = {'name': 'A', 'description': 'd', "
            "'tools_requiring_human_confirmation': ['x']}",
            1,
            "no tool 'x'",
        ),
        ("agent_config = dict(name='A', description='d', rules={'x': 'ask'})", 1, "no tool 'x'"),
        ("agent_config = dict(name='A', description='d', expires={'x': 5})", 1, "no tool 'x'"),
        (
            "from hitl import AgentConfig\nagent_config = AgentConfig(name='A', description='d', "
            "tools_requiring_human_confirmation=['x'])",
            2,
            "no tool 'x'",
        ),
        (
            "def f(a: int):\n    'F.'\nagent_config = dict(name='A', description='d', tools=[f], "
            "rules={'f': 'ask when b > 1'})",
            3,
            "the tool has no argument 'b'; it has: a",
        ),
        (
            "def f(a: int):\n    'F.'\nagent_config = dict(name='A', description='d', tools=[f], "
            "rules={'f': 'allow'}, tools_requiring_human_confirmation=['f'])",
            3,
            "'f' is allowed, and in tools_requiring_human_confirmation",
        ),
    ],
)
def test_a_broken_python_agent_is_reported_with_its_line(write, source, line, problem):
    errors = write(a__py=source).errors()

    assert (errors[0].file, errors[0].line) == ("agents/a.py", line)
    assert problem in " ".join(map(str, errors))
    assert not write().agents()


@pytest.mark.parametrize("name", ["größe", "x" * 65])
def test_a_name_that_no_provider_accepts_is_refused(write, name):
    text = f"name: A\ndescription: d\ntools: [t.{name}]"
    (error,) = write(a__yaml=text, t__py=f'def {name}():\n    """D."""').errors()

    assert "is no name for a tool" in error.problem


def test_an_argument_that_no_schema_can_describe_is_refused(write):
    source = 'class Thing: ...\ndef f(x: Thing) -> None:\n    """D."""'
    (error,) = write(a__yaml="name: A\ndescription: d\ntools: [t.f]", t__py=source).errors()

    assert "can't be described to a model" in error.problem


def test_two_agents_of_one_name_are_an_error_that_names_both_files(write):
    one = "description: d\nname: Twin"
    registry = write(
        a__yaml=one, b__yaml=one, c__py="agent_config = dict(name='C', description='')"
    )
    write(c__py="agent_config = dict(name='Twin', description='d')")

    assert [(error.file, error.line, error.field) for error in registry.errors()] == [
        ("agents/a.yaml", 2, "name"),
        ("agents/b.yaml", 2, "name"),
        ("agents/c.py", 1, "name"),
    ]
    assert "agents/b.yaml, agents/c.py" in registry.errors()[0].problem
    assert registry.agents() == {}


def test_a_file_that_is_not_text_is_an_error_with_its_line(folder):
    (folder / "a.yaml").write_bytes(b"name: A\n# \xff\n")
    (folder / "b.yaml").mkdir()
    errors = Registry(folder).errors()

    assert [str(error) for error in errors] == [
        "agents/a.yaml, line 2: is not UTF-8 text",
        "agents/b.yaml: can't be read: Is a directory",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: A\ndescription: d\ntools: [odd.f]", "can't be used: RuntimeError: surprise"),
        ("name: A\ndescription: d\ntools: [gone.f]", "no module 'gone'"),
        ("name: A\nstate: " + "[" * 5000, "RecursionError|recursion"),
    ],
)
def test_no_surprise_of_one_file_reaches_the_others(write, folder, text, problem):
    (folder / "gone.py").symlink_to("nowhere")
    odd = "def __getattr__(name): raise RuntimeError('surprise')"
    registry = write(a__yaml=text, odd__py=odd, b__yaml="name: B\ndescription: d")

    assert list(registry.agents()) == ["B"]
    (error,) = registry.errors()
    assert re.search(problem, error.problem)


def test_a_missing_folder_is_an_error_and_its_later_arrival_is_noticed(write, folder):
    registry = Registry(folder, look_every=0)
    folder.rmdir()
    assert "no such folder" in str(registry.errors()[0])

    write(a__yaml="name: A\ndescription: d")
    assert (list(registry.agents()), registry.errors()) == (["A"], [])


def test_an_unknown_agent_is_not_found_and_the_broken_files_are_named(write):
    registry = write(a__yaml=AGENT, shop__py=TOOLS, b__yaml="name: B")

    with pytest.raises(NotFound, match=r"no agent 'B'; there are: 'Shop'\nagents/b.yaml, line 1"):
        registry.get("B")


# What a change does


def test_a_change_is_seen_without_a_restart(write):
    registry = write(a__yaml=AGENT, shop__py=TOOLS)
    assert call(registry.get("Shop"), "look_up", order=1) == "order 1"

    write(shop__py=TOOLS.replace('f"order', 'f"ORDER'))
    assert call(registry.get("Shop"), "look_up", order=1) == "ORDER 1"
    write(a__yaml=AGENT.replace("allow", "ask"))
    assert registry.get("Shop").asks("look_up")


def test_a_change_of_the_same_size_within_the_same_second_is_seen(write, folder):
    registry = write(a__yaml=AGENT, shop__py=TOOLS)
    registry.agents()
    (folder / "shop.py").write_text(TOOLS.replace('f"order', 'f"ordér'))
    os.utime(folder / "shop.py", ns=(1_700_000_001_000_000_001,) * 2)

    assert call(registry.get("Shop"), "look_up", order=1) == "ordér 1"


def test_a_change_of_a_module_that_a_tools_module_imports_is_seen(write):
    tools = 'def f() -> int:\n    """F."""\n    from deep import N\n    return N'
    text = "name: A\ndescription: d\ntools: [t.f]"
    registry = write(a__yaml=text, t__py=tools, deep__py="N = 1")
    before = registry.get("A")
    write(deep__py="N = 2")

    assert call(registry.get("A"), "f") == "2"
    assert registry.get("A").version != before.version
    assert call(before, "f") == "1", "what started keeps the modules of its age, even lazy ones"


def test_a_run_keeps_the_version_that_it_started_with(write):
    registry = write(a__yaml=AGENT, shop__py=TOOLS)
    version = registry.get("Shop").version
    write(shop__py=TOOLS.replace('f"order', 'f"new'), a__yaml=AGENT + "model: other")
    gc.collect()

    old, new = registry.get("Shop", version), registry.get("Shop")
    assert (call(old, "look_up", order=1), call(new, "look_up", order=1)) == ("order 1", "new 1")
    assert registry.get("Shop", "never seen") is new


def test_a_version_changes_with_its_own_files_alone(write):
    other = "name: Other\ndescription: d\ntools: [other.look_up]"
    registry = write(a__yaml=AGENT, shop__py=TOOLS, b__yaml=other, other__py=TOOLS)
    shop, untouched = registry.get("Shop"), registry.get("Other")
    write(shop__py=TOOLS + "\n")

    assert registry.get("Shop").version != shop.version
    assert registry.get("Other") is untouched


def test_a_change_of_a_prompt_does_not_load_the_tools_again(write):
    counting = TOOLS + "\nimport builtins\nbuiltins.loads = getattr(builtins, 'loads', 0) + 1\n"
    registry = write(a__yaml=AGENT, shop__py=counting, b__yaml=AGENT.replace("Shop", "Two"))
    import builtins

    registry.agents()
    write(a__yaml=AGENT + "system_prompt: new")
    assert registry.get("Shop").system_prompt == "new"
    assert vars(builtins).pop("loads") == 1, "two agents and two readings share one load"


def test_a_file_that_breaks_is_an_error_but_running_runs_keep_their_version(write):
    registry = write(a__yaml=AGENT, shop__py=TOOLS)
    version = registry.get("Shop").version
    write(a__yaml=AGENT + "oops: 1")

    with pytest.raises(NotFound, match=r"agents/a\.yaml, line 7, oops: no such field"):
        registry.get("Shop")
    assert registry.agents() == {}
    assert registry.get("Shop", version).version == version
    assert registry.names() == ["Shop"], "the engine still serves the runs that have a version"
    write(a__yaml=AGENT)
    assert (said(registry), list(registry.agents())) == ([], ["Shop"])


def test_a_removed_file_is_a_removed_agent(write):
    registry = write(a__yaml=AGENT, shop__py=TOOLS)
    registry.agents()
    write(a__yaml=None)

    assert registry.agents() == {}


def test_a_broken_file_is_logged_once(write, caplog):
    registry = write(a__yaml="name: [", b__yaml="name: B\ndescription: d")
    with caplog.at_level(logging.ERROR, "hitl.agents"):
        registry.errors()
        write(b__yaml="name: B\ndescription: changed")
        registry.errors()

    assert [record.name for record in caplog.records] == ["hitl.agents"]


def test_a_file_is_not_read_in_the_moment_in_which_it_is_written(write, folder):
    asking = "\ntools_requiring_human_confirmation:\n  - look_up\n  - refund\n"
    whole = "name: A\ndescription: d\ntools: [shop.look_up, shop.refund]" + asking
    registry = write(a__yaml=whole, shop__py=TOOLS)
    registry.agents()
    (folder / "a.yaml").write_text(whole.removesuffix("  - refund\n"))

    assert registry.get("A").asks("refund")
    write(a__yaml=whole.removesuffix("  - refund\n"))
    assert not registry.get("A").asks("refund")


def test_the_files_are_looked_at_only_now_and_then(write, folder, monkeypatch):
    registry, now = Registry(folder), [100.0]
    monkeypatch.setattr("hitl.registry.time.monotonic", lambda: now[0])
    assert registry.agents() == {}
    write(a__yaml="name: A\ndescription: d")

    now[0] += 0.4
    assert registry.agents() == {}
    now[0] += 0.2
    assert list(registry.agents()) == ["A"]


def test_many_threads_read_while_files_change(write):
    registry = write(a__yaml=AGENT, shop__py=TOOLS)
    registry.agents()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(30):
                assert call(registry.get("Shop"), "look_up", order=7).endswith("7")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(10):
        write(a__yaml=f"{AGENT}model: m{number}")
    for thread in threads:
        thread.join()
    assert failures == []


# Back to a file


def same(one: AgentConfig, other: AgentConfig) -> bool:
    plain = set(AgentConfig.model_fields) - {"tools", "panel", "reset", "version"}
    metadata = [
        [
            (tool.metadata.name, tool.metadata.description, tool.metadata.fn_schema_str)
            for tool in it
        ]
        for it in (one.tools or [], other.tools or [])
    ]
    return one.model_dump(include=plain) == other.model_dump(include=plain) and (
        metadata[0] == metadata[1]
    )


def test_a_changed_agent_as_yaml_reads_back_as_the_same_agent(write):
    text = AGENT + "panel: shop.tables\nreset: shop.tables\nsamples: [a]\nstate: {x: 1}\n"
    agent = write(a__yaml=text, shop__py=TOOLS + "\ndef tables(): return {}\n").get("Shop")
    changed = agent.changed(
        {
            "system_prompt": "A\n\n  prompt: yes\n",
            "temperature": 0.0,
            "tools": {"look_up": "ask", "refund": "allow"},
        }
    )
    again = write(a__yaml=as_yaml(changed)).get("Shop")

    assert same(again, changed)
    assert again.tools_requiring_human_confirmation == ["look_up"]
    assert again.panel is not None
    assert again.reset is not None


def test_rules_and_expiry_as_yaml_read_back_as_themselves(write):
    agent = write(a__yaml=RULED, shop__py=TOOLS).get("Shop")
    text = as_yaml(agent)
    again = write(a__yaml=text).get("Shop")

    assert same(again, agent)
    assert "expires_after: 2 hours" in text
    assert "shop.refund: deny" in text
    looked = {"look_up": ["ask when order > 7 && order != 9", "allow when order == 8"]}
    changed = agent.changed({"tools": looked, "model": "m"})
    assert same(write(a__yaml=as_yaml(changed)).get("Shop"), changed)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    prompt=st.none() | TEXT,
    greeting=st.none() | TEXT,
    samples=st.lists(TEXT, max_size=3),
    state=st.dictionaries(TEXT, JSON, max_size=3),
    temperature=st.none() | st.floats(0, 2),
)
def test_any_agent_as_yaml_reads_back_as_itself(
    folder, prompt, greeting, samples, state, temperature
):
    agent = AgentConfig(
        name="A",
        description="d",
        system_prompt=prompt,
        greeting=greeting,
        samples=samples,
        state=state,
        temperature=temperature,
    )
    (folder / "a.yaml").write_bytes(as_yaml(agent).encode())
    registry = Registry(folder)

    assert said(registry) == []
    assert same(registry.get("A"), agent)


def test_a_tool_that_no_file_could_name_is_not_written(write):
    from llama_index.core.tools import FunctionTool

    nameless = FunctionTool.from_defaults(fn=lambda x: x, name="echo", description="")
    with pytest.raises(DeclarationError, match="tool 'echo' was not read from a file"):
        as_yaml(AgentConfig(name="A", description="d", tools=[nameless]))


# The check


def test_the_check_tells_who_asks_and_what_runs_freely(write, folder):
    write(a__yaml=AGENT, shop__py=TOOLS)
    lines, is_fine = check.report(folder)

    assert is_fine
    assert lines == [
        "agents/a.yaml: Shop, 2 tools",
        "  ask a person: refund",
        "  run freely:   look_up",
        "1 agent, 0 errors",
    ]


def test_the_check_tells_what_is_denied_and_what_depends(write, folder):
    write(a__yaml=RULED, shop__py=TOOLS)
    lines, is_fine = check.report(folder)

    assert is_fine
    assert lines[1:-1] == [
        "  are denied:   refund",
        "  it depends:   look_up: deny when order < 0; ask when order > 100",
    ]


def test_the_check_finds_what_a_model_is_not_told(write, folder, capsys):
    tools = "def f(a, b: int):\n    return a\n"
    write(
        a__yaml="name: A\ndescription: d\ntools: [t.f]",
        b__yaml="name: B\ndescription: d\ntools: [t.g]",
        t__py=tools,
        unused__py="def (",
    )

    assert check.main(folder) == 1
    assert capsys.readouterr().out.splitlines() == [
        "agents/a.yaml: A, 1 tool",
        "  ask a person: f",
        "error: agents/b.yaml, line 3, tools.t.g: no function 'g' in t.py",
        "error: agents/t.py, line 1, f: no description; write a docstring: "
        "it is what the model goes by",
        "error: agents/t.py, line 1, f: argument 'a' has no type; "
        "nothing checks what a model gives it",
        "error: agents/unused.py, line 1: SyntaxError: invalid syntax",
        "1 agent, 4 errors",
    ]


def test_the_check_finds_a_generator_as_it_would_never_run(write, folder, capsys):
    tools = """
    def count(to: int):
        "Count."
        yield to

    async def stream(to: int):
        "Count later."
        yield to
    """
    write(
        a__yaml="name: A\ndescription: d\ntools: [t.count, t.stream]", t__py=textwrap.dedent(tools)
    )

    assert check.main(folder) == 1
    found = [line for line in capsys.readouterr().out.splitlines() if line.startswith("error")]
    said = "it is a generator, whose code would never run; return the result instead"
    assert found == [
        f"error: agents/t.py, line 2, count: {said}",
        f"error: agents/t.py, line 6, stream: {said}",
    ]
