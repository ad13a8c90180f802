"""What an agent is: its prompt, its tools, and which of them ask a person first."""

import copy
import inspect
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from llama_index.core.tools import AsyncBaseTool, BaseTool, adapt_to_async_tool
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hitl.errors import DeclarationError
from hitl.previews import Preview
from hitl.rules import ALLOW, ASK, Policy, strictest
from hitl.spans import Span

Function = TypeVar("Function", bound=Callable[..., Any])
Risk = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class ToolFacts:
    """What is true of a tool wherever it is used, declared beside its function.

    Args:
        sentence: what a call does, for people: `Refund {amount} to {customer}`.
        secret: names of the arguments that a card masks until they are revealed.
        idempotent: whether doing it twice is the same as doing it once, so that a call that was
            cut off runs again by itself.
        risk: how bad a wrong call would be.
        preview: what a card shows of what would happen.
    """

    sentence: str | None = None
    secret: tuple[str, ...] = ()
    idempotent: bool = False
    # Not in `repr`, which a tool's fingerprint is made of: a call does the same without them.
    risk: Risk | None = field(default=None, repr=False)
    preview: Preview | None = field(default=None, repr=False)

    def names_in_sentence(self) -> list[str]:
        return [name for _, name, _, _ in string.Formatter().parse(self.sentence or "") if name]


def tool(
    *,
    sentence: str | None = None,
    secret: tuple[str, ...] | list[str] = (),
    idempotent: bool = False,
    risk: Risk | None = None,
    preview: Preview | None = None,
) -> Callable[[Function], Function]:
    """Declare beside a function what a reviewer should know about it.

    Args:
        sentence: a template of plain argument names: `Refund {amount} to {customer}`.
        secret: names of arguments that are masked on cards.
        idempotent: whether doing it twice is the same as doing it once.
        risk: "low", "medium" or "high": how bad a wrong call would be.
        preview: what a card shows of what would happen, of a kind that can have no side effects.

    Raises:
        DeclarationError: if the sentence holds anything but plain names of the function's
            arguments, if `secret` or the preview names an argument that the function does not
            have, or there is no such risk.
    """
    facts = ToolFacts(sentence, tuple(secret), idempotent, risk, preview)

    def declare(function: Function) -> Function:
        _check_declaration(function, facts)
        function.__hitl__ = facts  # type: ignore[attr-defined]
        return function

    return declare


def _check_declaration(function: Callable[..., Any], facts: ToolFacts) -> None:
    arguments = set(inspect.signature(function).parameters)
    try:
        parts = list(string.Formatter().parse(facts.sentence or ""))
    except ValueError as error:
        raise DeclarationError(
            f"the sentence of tool {function.__name__!r} is not a template: {error}"
        ) from None
    for _, name, spec, conversion in parts:
        if name is not None and (not name.isidentifier() or spec or conversion):
            raise DeclarationError(
                f"the sentence of tool {function.__name__!r} may hold plain argument names only, "
                f"not {{{name}}}"
            )
    if facts.risk not in (None, *get_args(Risk)):
        raise DeclarationError(
            f"tool {function.__name__!r}: risk must be one of {', '.join(get_args(Risk))}, "
            f"not {facts.risk!r}"
        )
    in_preview = facts.preview.argument_names() if facts.preview else []
    for name in [*facts.names_in_sentence(), *facts.secret, *in_preview]:
        if name not in arguments:
            raise DeclarationError(
                f"tool {function.__name__!r} has no argument {name!r}; it has "
                + ", ".join(sorted(arguments))
            )


def facts_of(tool: BaseTool) -> ToolFacts:
    """What was declared beside the tool's function; empty facts if nothing was."""
    function = getattr(tool, "real_fn", None)
    facts = getattr(function, "__hitl__", None)
    return facts if isinstance(facts, ToolFacts) else ToolFacts()


def unknown_arguments(tool: BaseTool, policy: Policy) -> Iterator[str]:
    """What is wrong with rules about arguments that a call of the tool does not have."""
    wanted = policy.argument_names()
    matter = bool(wanted) or policy.goes_by_origins
    known = set(tool.metadata.get_parameters_dict().get("properties", {})) if matter else set()
    known -= set(getattr(tool, "partial_params", {}))
    if policy.goes_by_origins and not known:
        yield f"{policy.words!r}: the tool has no arguments to go by"
    for name in sorted(wanted - known):
        has = ", ".join(sorted(known)) or "none"
        yield f"{policy.words!r}: the tool has no argument {name!r}; it has: {has}"


class AgentConfig(BaseModel):
    """One agent.

    Args:
        name: how people find it.
        description: one sentence about what it does.
        system_prompt: instructions for the model.
        tools: what it can call.
        tools_requiring_human_confirmation: names of the tools that wait for a person.
        model: overrides the default model.
        temperature: overrides the default temperature.
        state: the user state that a new conversation starts with.
        greeting: what an empty chat says.
        samples: messages that an empty chat offers.
        panel: returns tables (title → rows) to show beside the chat.
        panel_title: what the panel is called.
        reset: brings the demo data back.
        demo: the demo model's script.
        rules: what is said about tools beyond that: name → `Policy` data, as in an agent's file.
        expires_after: when an unanswered request ends: in seconds, or as `15 min`; None waits for
            ever.
        expires: the same for single tools, by name.
        file_rules: what its file says about its tools now, where that is not the same.
        version: changes whenever the agent's file or its tool modules change.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    name: str
    description: str
    system_prompt: str | None = None
    tools: list[BaseTool] | None = None
    tools_requiring_human_confirmation: list[str] = Field(default_factory=list)
    model: str | None = None
    temperature: float | None = None
    state: dict[str, Any] = Field(default_factory=dict)
    greeting: str | None = None
    samples: list[str] = Field(default_factory=list)
    panel: Callable[[], dict[str, list[dict[str, Any]]]] | None = None
    panel_title: str = "Panel"
    reset: Callable[[], None] | None = None
    demo: list[dict[str, Any]] = Field(default_factory=list)
    rules: dict[str, Any] = Field(default_factory=dict)
    expires_after: Span = None
    expires: dict[str, Span] = Field(default_factory=dict)
    file_rules: dict[str, Any] = Field(default_factory=dict)
    version: str = ""

    @model_validator(mode="after")
    def _speaks_of_its_own_tools(self) -> "AgentConfig":
        """A misspelt name would let the tool that is meant run freely.

        Raises:
            DeclarationError: if something is said about a tool that there is not, that can't be
                understood, or that contradicts itself.
        """
        for problem in self._wrong():
            raise DeclarationError(f"agent {self.name!r}: {problem}")
        return self

    def _wrong(self) -> Iterator[str]:
        for name in (*self.tools_requiring_human_confirmation, *self.rules, *self.expires):
            if name not in self.tool_names():
                there_are = ", ".join(self.tool_names()) or "none"
                yield f"no tool {name!r}; there are: {there_are}"
        for name, rules in self.rules.items():
            said = Policy.from_data(rules) if isinstance(rules, dict) else Policy.read(rules)
            if said == ALLOW and name in self.tools_requiring_human_confirmation:
                yield f"{name!r} is allowed, and in tools_requiring_human_confirmation"
            for tool in self.tools or []:
                if tool.metadata.get_name() == name:
                    yield from unknown_arguments(tool, said)

    def policy(self, tool_name: str) -> Policy:
        """What is said about calls of this tool; one that the agent does not have asks."""
        if tool_name in self.rules:
            return Policy.from_data(self.rules[tool_name])
        free = tool_name not in self.tools_requiring_human_confirmation
        return ALLOW if free and tool_name in self.tool_names() else ASK

    def rules_of(self, tool_name: str) -> dict[str, Any]:
        """What a request remembers: the rules that hold, and those of the agent's file."""
        holds = self.policy(tool_name).as_data()
        return {"holds": holds, "file": self.file_rules.get(tool_name, holds)}

    def asks(self, tool_name: str) -> bool:
        """Whether a call of this tool may wait for a person."""
        return self.policy(tool_name).plain not in ("allow", "deny")

    def expiry_of(self, tool_name: str) -> float | None:
        """Seconds after which an unanswered request of this tool ends; None if never."""
        return self.expires.get(tool_name, self.expires_after)

    def tool(self, name: str) -> AsyncBaseTool | None:
        """The tool of that name, or None."""
        for candidate in self.tools or []:
            if candidate.metadata.get_name() == name:
                return adapt_to_async_tool(candidate)
        return None

    def tool_names(self) -> list[str]:
        return [tool.metadata.get_name() for tool in self.tools or []]

    def snapshot(self) -> dict[str, Any]:
        """The configuration as plain data: what a run keeps of the agent it started with."""
        return {
            "name": self.name,
            "system_prompt": self.system_prompt,
            "model": self.model,
            "temperature": self.temperature,
            "state": copy.deepcopy(self.state),
            "tools": {name: self.policy(name).as_data() for name in self.tool_names()},
            "version": self.version,
        }

    def as_strict_as(self, other: "AgentConfig") -> "AgentConfig":
        """This agent, each of its tools under the stricter of both agents' rules."""
        known = other.tool_names()
        return self._ruled(
            {
                name: strictest(self.policy(name), other.policy(name))
                if name in known
                else self.policy(name)
                for name in self.tool_names()
            }
        )

    def with_present_tools(self, present: "AgentConfig") -> "AgentConfig":
        """This agent with the tools and expiry that it has now, and never laxer rules.

        Args:
            present: the agent as its file is now.
        """
        strict = present.as_strict_as(self)
        taken = ("tools", "tools_requiring_human_confirmation", "rules", "expires_after", "expires")
        return self.model_copy(update={name: getattr(strict, name) for name in taken})

    def changed(self, changes: dict[str, Any]) -> "AgentConfig":
        """This agent with some of its settings replaced.

        Args:
            changes: any of `system_prompt`, `model`, `temperature`, `state`, and `tools`
                (name → `Policy` data).
        """
        said = changes.get("tools", {})
        plain = {key: value for key, value in changes.items() if key in CHANGEABLE}
        policies = {
            name: Policy.from_data(said[name]) if name in said else self.policy(name)
            for name in self.tool_names()
        }
        return self.model_copy(update=plain)._ruled(policies)

    def _ruled(self, policies: dict[str, Policy]) -> "AgentConfig":
        """This agent under other rules."""
        return self.model_copy(
            update={
                "tools_requiring_human_confirmation": [
                    name for name, policy in policies.items() if policy != ALLOW
                ],
                "rules": {
                    name: policy.as_data()
                    for name, policy in policies.items()
                    if policy not in (ALLOW, ASK)
                },
            }
        )


CHANGEABLE = ("system_prompt", "model", "temperature", "state")
