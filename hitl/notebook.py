"""`hitl.chat(agent_config)`: the terminal's chat inside a notebook cell, or any Python script."""

import asyncio
import builtins
import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from llama_index.core.llms import LLM

from hitl.agents import AgentConfig
from hitl.desk import Desk
from hitl.engine import Engine
from hitl.errors import NotFound
from hitl.journal import Journal
from hitl.settings import Settings
from hitl.terminal import Talk
from hitl.toolcalls import chat_of

BY = "Notebook"
# The app's engine serves other kinds, so it never runs what only the notebook's tools can do.
KIND = "notebook"
LEAVE_ON = ("", "quit")


class OneAgent:
    """The agents of an engine that knows one."""

    def __init__(self, agent: AgentConfig) -> None:
        self.agent = agent

    def names(self) -> list[str]:
        return [self.agent.name]

    def get(self, name: str, version: str | None = None) -> AgentConfig:
        """The agent.

        Raises:
            NotFound: if it has another name.
        """
        if name != self.agent.name:
            raise NotFound(f"There is no agent {name!r} here, only {self.agent.name!r}.")
        return self.agent
