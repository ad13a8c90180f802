"""Fingerprints: what changes them, what doesn't, and that they are the same everywhere."""

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.tools import BaseTool, FunctionTool, ToolMetadata
from llama_index.core.tools.types import ToolOutput
from pydantic import BaseModel

from hitl.agents import AgentConfig, tool
from hitl.fingerprints import fingerprint, what_differs
from hitl.registry import Registry
from hitl.settings import ROOT

SHOP = '''
"""The shop."""
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
import prices
from pydantic import Field
from rates import *
from rates import TAX as VAT
from hitl import tool

LIMIT = 10
MOST = LIMIT * 2
BRANCHES = ["Rome", "Oslo"]
BRANCHES.append("Graz")
SHARE = Decimal("0.5")
LOG = []
Amount = Annotated[int, Field(ge=1)]

def checked(function):
    def wrapper(amount: int) -> str:
        """Checks."""
        return function(min(amount, MOST))
    wrapper.__wrapped__ = function
    return wrapper

@dataclass
class Account:
    owner: str

    def name(self) -> str:
        return shout(self.owner)

def shout(text):
    return text.upper()

def unrelated(execute):
    return execute

@checked
def pay(amount: Amount) -> str:
    """Pay."""
    from parts import money
    LOG.append(amount)
    unrelated = prices.net(amount) * VAT * SHARE
    return f"{Account('x').name()} {unrelated} {money.CURRENCY} {BRANCHES} {DUTY}"
'''
FILES = {
    "a.yaml": "name: A\ndescription: d\ntools: [shop.pay]",
    "shop.py": SHOP,
    "prices.py": "from parts.money import CENTS\ndef net(x):\n    return x * CENTS\n\nOTHER = 1\n",
    "rates.py": "TAX = 2\nDUTY = 3\nUNUSED = 4\n",
    "parts/__init__.py": "",
    "parts/money.py": "CURRENCY = 'EUR'\nCENTS = 100\nUNUSED = 5\n",
}


def agent_of(folder: Path, **changed: str) -> AgentConfig:
    """The agent in a fresh folder with these files; `__` stands for what separates names."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        key = name.partition(".")[0].replace("/", "__")
        path.write_text(changed.pop(key, text))
    assert not changed
    registry = Registry(folder)
    assert registry.errors() == []
    return registry.get("A")


@pytest.fixture
def pays(tmp_path: Path) -> Callable[..., str]:
    """`pays(shop=...)`: the fingerprint of `pay`, where these files are other ones."""
    folders = iter(range(100))

    def made(**changed: str) -> str:
        found = agent_of(tmp_path / f"agents{next(folders)}", **changed).tool("pay")
        assert found is not None
        return fingerprint(found)

    return made


def of(function: Callable[..., Any], **settings: Any) -> str:
    return fingerprint(FunctionTool.from_defaults(function, **settings))


CHANGES = [
    ("shop", "LIMIT = 10", "LIMIT = 11"),
    ("shop", "LIMIT * 2", "LIMIT * 3"),
    ("shop", '["Rome", "Oslo"]', '["Rome"]'),
    ("shop", 'append("Graz")', 'append("Bonn")'),
    ("shop", '"0.5"', '"0.6"'),
    ("shop", "min(amount", "max(amount"),
    ("shop", "shout(self.owner)", "self.owner"),
    ("shop", "text.upper()", "text.lower()"),
    ("shop", "import TAX as VAT", "import DUTY as VAT"),
    ("shop", "from decimal import Decimal", "from fractions import Fraction as Decimal"),
    ("prices", "x * CENTS", "x"),
    ("rates", "TAX = 2", "TAX = 20"),
    ("rates", "DUTY = 3", "DUTY = 30"),
    ("parts__money", "'EUR'", "'USD'"),
    ("parts__money", "CENTS = 100", "CENTS = 1"),
]


@pytest.mark.parametrize(("file", "before", "after"), CHANGES)
def test_a_change_of_anything_that_a_tool_uses_changes_its_code(pays, file, before, after):
    text = FILES[file.replace("__", "/") + ".py"]
    assert before in text

    assert what_differs(pays(), pays(**{file: text.replace(before, after)})) == ["code"]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("shop", "LIMIT = 10", "# how much\n\n\nLIMIT = (10)  # at most"),
        ("shop", '"""Pay."""', '"""Pay more, as nobody reads here."""'),
        ("shop", '"""The shop."""', ""),
        ("shop", '"0.5"', "'0.5'"),
        ("shop", "return execute", "return execute()"),
        ("shop", "text.upper()", "(\n        text\n        .upper()\n    )"),
        ("prices", "OTHER = 1", "OTHER = 2"),
        ("rates", "UNUSED = 4", "UNUSED = 5"),
        ("parts__money", "UNUSED = 5", "UNUSED = 6"),
    ],
)
def test_comments_formatting_and_the_rest_of_a_file_change_nothing(pays, file, before, after):
    text = FILES[file.replace("__", "/") + ".py"]
    assert before in text

    assert pays() == pays(**{file: text.replace(before, after)})


def test_the_description_and_the_arguments_are_told_apart_from_the_code(pays):
    described = SHOP.replace('"""Checks."""', '"""Checks more."""')
    assert what_differs(pays(), pays(shop=described)) == ["description"]

    def pay(amount: int) -> str:
        """Pay."""
        return str(amount)

    class Whole(BaseModel):
        amount: int

    class Part(BaseModel):
        amount: float

    plain = of(pay, description="Pay.", fn_schema=Whole)
    assert what_differs(plain, of(pay, description="Pay!", fn_schema=Whole)) == ["description"]
    assert what_differs(plain, of(pay, description="Pay.", fn_schema=Part)) == ["arguments"]
    assert what_differs(plain, of(pay, name="give", description="Pay.", fn_schema=Whole)) == [
        "description"
    ]


def test_declared_facts_are_a_part_of_the_description():
    def pay(amount: int) -> str:
        """Pay."""
        return str(amount)

    plain = of(pay)
    assert what_differs(plain, of(tool(idempotent=True)(pay))) == ["description"]


def test_what_a_tool_did_does_not_change_it(pays, tmp_path):
    agent = agent_of(tmp_path / "agents")
    found = agent.tool("pay")
    found.call(amount=5)

    again = FunctionTool(found.real_fn, found.metadata)
    assert fingerprint(again) == fingerprint(found) == pays()


def test_a_generation_keeps_its_fingerprint_when_its_files_change(tmp_path):
    old = agent_of(tmp_path / "agents")
    before = old.tool("pay")
    agent_of(tmp_path / "agents", prices="\n\n" + FILES["prices.py"].replace("x * CENTS", "x"))

    assert fingerprint(before) == fingerprint(agent_of(tmp_path / "agents").tool("pay"))


def test_nothing_is_imported_or_run_to_find_a_tools_code(pays):
    loud = "raise SystemExit('it ran')\nCURRENCY = 'EUR'\nCENTS = 100\n"
    quiet = FILES["prices.py"].replace("from parts.money import CENTS", "CENTS = 1")

    assert pays(parts__money=loud, prices=quiet)


SHIPPED = """
from hitl.fingerprints import fingerprint
from hitl.registry import Registry
for agent in Registry(__import__("pathlib").Path("agents")).agents().values():
    for name in agent.tool_names():
        print(name, fingerprint(agent.tool(name)))
"""


def test_a_fingerprint_is_the_same_in_every_process():
    runs = {
        subprocess.run(
            [sys.executable, "-c", SHIPPED],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert len(runs.pop().splitlines()) == 16


# Tools that are made otherwise


def test_a_function_within_another_is_its_own_code_and_what_it_closes_over():
    def made(limit: Any, more: Callable[[int], int]) -> Callable[[int], int]:
        def pay(amount: int) -> int:
            """Pay."""
            return more(min(amount, limit))

        return pay

    def double(x: int) -> int:
        return 2 * x

    def triple(x: int) -> int:
        return 3 * x

    plain = of(made(5, double))
    assert plain == of(made(5, double))
    assert what_differs(plain, of(made(6, double))) == ["code"]
    assert what_differs(plain, of(made(5, triple))) == ["code"]
    assert what_differs(plain, of(made([5], double))) == ["code"]
    assert of(made([5], double)) == of(made([6], double)), "a list may change all the time"


def test_two_functions_of_one_name_and_place_are_not_the_same():
    if sys.argv:  # one of the two, as a name may be bound twice

        def pay(amount: int) -> int:
            """Pay."""
            return amount

        first = of(pay)

    def pay(amount: int) -> int:
        """Pay."""
        return -amount

    assert what_differs(first, of(pay)) == ["code"]


def test_defaults_and_fixed_arguments_count():
    def pay(amount: int, to: str = "Ada", currency: str = "EUR") -> str:
        """Pay."""
        return f"{amount} {to} {currency}"

    plain = of(pay, partial_params={"currency": "EUR"})
    assert what_differs(plain, of(pay, partial_params={"currency": "USD"})) == ["code"]
    assert "code" in what_differs(plain, of(pay))


class Till:
    def __init__(self) -> None:
        self.paid: list[int] = []

    def pay(self, amount: int) -> str:
        """Pay."""
        self.paid.append(amount)
        return self._said(amount)

    def _said(self, amount: int) -> str:
        return f"paid {amount}"

    def look(self, amount: int) -> str:
        """Look."""
        return str(amount)


def test_a_method_is_its_class_but_not_the_state_of_its_object():
    till = Till()
    pay = FunctionTool.from_defaults(till.pay)
    before = fingerprint(pay)
    pay.call(amount=1)

    assert fingerprint(FunctionTool.from_defaults(till.pay)) == before
    assert fingerprint(FunctionTool.from_defaults(Till().pay)) == before


def exec_d(source: str) -> FunctionTool:
    """A tool that was typed somewhere where no source is kept."""
    names: dict[str, Any] = {"__name__": "nowhere"}
    exec(compile(source, "<typed>", "exec"), names)
    return FunctionTool.from_defaults(names["pay"])


TYPED = (
    "RATE = 2\ndef helper(x):\n    return x * RATE\n"
    "def pay(amount: int) -> int:\n    'Pay.'\n    return helper(amount)\n"
)


def test_without_a_source_it_is_what_was_compiled():
    plain = fingerprint(exec_d(TYPED))

    assert plain == fingerprint(exec_d("\n# words\n" + TYPED))
    assert plain == fingerprint(exec_d(TYPED.replace("'Pay.'", '"Pay."')))
    for before, after in (("RATE = 2", "RATE = 3"), ("x * RATE", "x"), ("helper(amount)", "1")):
        changed = fingerprint(exec_d(TYPED.replace(before, after)))
        assert what_differs(plain, changed) == ["code"], after


class Caller:
    def __call__(self, amount: int) -> int:
        return amount


@functools.cache
def cached(amount: int) -> int:
    """Kept."""
    return amount


class Odd(BaseTool):
    """A tool of a class of its own."""

    def __init__(self, name: str = "odd") -> None:
        self.name = name

    @property
    def metadata(self) -> ToolMetadata:
        return ToolMetadata(name=self.name, description="Odd.")

    def __call__(self, input: Any) -> ToolOutput:
        return ToolOutput(content="", tool_name="odd", raw_input={}, raw_output="")


class Unhashable(Odd):
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")


@pytest.mark.parametrize(
    "made",
    [
        lambda: FunctionTool(Caller(), ToolMetadata(name="call", description="d")),
        lambda: FunctionTool(functools.partial(cached, 1), ToolMetadata(name="p", description="d")),
        lambda: FunctionTool(cached, ToolMetadata(name="cached", description="d")),
        lambda: FunctionTool(lambda: 1, ToolMetadata(name="lambda", description="d")),
        lambda: FunctionTool(len, ToolMetadata(name="len", description="d")),
        lambda: FunctionTool(abs, ToolMetadata(name="abs", description="\ud800")),
        lambda: FunctionTool(print, ToolMetadata(name="x", description="d", fn_schema=None)),
        Odd,
        Unhashable,
    ],
)
def test_any_tool_whatever_has_a_fingerprint(made):
    assert fingerprint(made()) == fingerprint(made())
    assert [len(part) for part in fingerprint(made()).split("-")] == [16, 16, 32]


def test_a_tool_of_a_class_of_its_own_is_found_behind_its_adapter():
    odd = Odd()
    agent = AgentConfig(name="A", description="d", tools=[odd])

    assert fingerprint(agent.tool("odd")) == fingerprint(odd) != fingerprint(Odd("even"))
    assert what_differs(fingerprint(odd), fingerprint(Unhashable())) == ["code"]


def test_a_known_fingerprint_costs_next_to_nothing(tmp_path):
    agent = agent_of(tmp_path / "agents")
    fingerprint(agent.tool("pay"))
    best = min(_seconds(lambda: fingerprint(agent.tool("pay"))) for _ in range(200))

    assert best < 50e-6


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_what_is_no_fingerprint_differs_in_its_code():
    assert what_differs("old", "a-b-c") == ["code"]
    assert what_differs("a-b-c", "") == ["code"]
    assert what_differs("old", "old") == []
    assert what_differs("a-b-c", "x-b-z") == ["description", "code"]
