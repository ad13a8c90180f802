"""From an agent back to the text of its file: what "Copy as agent file" gives."""

from contextlib import suppress
from typing import Any

import yaml

from hitl.agent_files import AgentFile
from hitl.agents import AgentConfig
from hitl.errors import DeclarationError
from hitl.spans import written

REFERENCES = {"panel", "reset"}
POLICY = {"tools", "tools_requiring_human_confirmation"}


def remember_reference(thing: object, reference: str) -> None:
    """Note on a tool or function how a file refers to it, for `as_yaml`."""
    # vars, not setattr: pydantic tools refuse attributes that they didn't declare.
    with suppress(TypeError):  # what is written in C keeps no notes
        vars(thing)["__hitl_reference__"] = reference


def _reference_of(thing: object, what: str) -> str:
    reference = getattr(thing, "__hitl_reference__", None)
    if not isinstance(reference, str):
        raise DeclarationError(
            f"{what} was not read from a file, so that a file can't refer to it; "
            "put it into a module in the agents folder"
        )
    return reference


def _line(config: AgentConfig, name: str) -> Any:
    """What a file says about a tool; what it can't say, always asks."""
    rules = config.policy(name).as_data()
    rules = "always_ask" if isinstance(rules, dict) else rules
    expires_after = config.expires.get(name)
    return {"rules": rules, "expires_after": written(expires_after)} if expires_after else rules


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, the way that people write prompts."""

    def represent_text(self, text: str) -> yaml.Node:
        # Line ends that YAML knows besides ours would come back as ours, unless they are escaped.
        style = '"' if set(text) & set("\r\x85\u2028\u2029") else "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(str, _Dumper.represent_text)


def as_yaml(config: AgentConfig) -> str:
    """The agent as a file's text: read back, it gives the same agent.

    Raises:
        DeclarationError: if a tool, the panel or the reset has no name that a file could use.
    """
    content = config.model_dump(include=set(AgentFile.model_fields) - REFERENCES - POLICY)
    for field in REFERENCES:
        if function := getattr(config, field):
            content[field] = _reference_of(function, f"the {field} of {config.name!r}")
    if config.expires_after:
        content["expires_after"] = written(config.expires_after)
    content["tools"] = {
        _reference_of(tool, f"tool {name!r}"): _line(config, name)
        for tool, name in zip(config.tools or [], config.tool_names(), strict=True)
    }
    said = {
        name: content[name]
        for name, field in AgentFile.model_fields.items()
        if name in content and content[name] != field.get_default(call_default_factory=True)
    }
    return yaml.dump(said, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
