"""What the README says is true."""

import re
from pathlib import Path

import pytest
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock

from hitl.demo import DemoLLM
from hitl.registry import Registry
from hitl.settings import variables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("variable", variables())
def test_each_setting_is_named_in_the_readme(variable: str) -> None:
    assert f"`{variable}`" in README


@pytest.mark.parametrize("page", sorted(page.stem for page in (ROOT / "pages").glob("*.py")))
def test_each_page_is_named_in_the_design(page: str) -> None:
    assert re.search(rf"pages/ .*\b{page}\b", (ROOT / "docs" / "design.md").read_text())


def test_each_shipped_agent_loads_and_is_named_in_the_changelog() -> None:
    registry = Registry(ROOT / "agents")
    assert registry.errors() == []
    assert sorted(registry.agents()) == ["Addition Agent", "Back Office", "Workspace"]
    for name in registry.agents():
        assert f"*{name}*" in (ROOT / "CHANGELOG.md").read_text()


def test_the_gate_runs_the_test_command_of_the_readme() -> None:
    command = "pip install -r requirements-dev.txt && pytest"
    assert f"\n{command}\n" in README
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_four_packages_of_the_frame_are_required_by_name() -> None:
    required = (ROOT / "requirements.txt").read_text()
    for package in ("streamlit", "llama-index-core", "llama-index-llms-openai", "nest-asyncio"):
        assert re.search(rf"^{package}\W", required, re.MULTILINE), package


def test_the_agent_and_tool_of_the_readme_work_as_printed(tmp_path: Path) -> None:
    for language, marker in (("python", "# "), ("yaml", "# ")):
        block = re.search(rf"```{language}\n{marker}agents/(\S+)\n(.*?)```", README, re.DOTALL)
        assert block is not None
        (tmp_path / block[1]).write_text(block[2])
    registry = Registry(tmp_path)
    assert registry.errors() == []
    gardener = registry.get("Gardener")
    assert gardener.tool_names() == ["water"]
    assert gardener.asks("water")
    message = re.search(r'Gardener and write "(.*?)"', README)
    assert message is not None
    asked = DemoLLM(gardener.demo, []).chat([ChatMessage(message[1])]).message
    [call] = [block for block in asked.blocks if isinstance(block, ToolCallBlock)]
    assert call.tool_kwargs == {"plant": "rose", "litres": 2}


def test_nothing_tracked_names_a_path_of_one_machine() -> None:
    for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("hitl/**/*.py")]:
        assert "/work/" not in file.read_text(), file
