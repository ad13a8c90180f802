"""A model that says what the test tells it to, behind the strict OpenAI-compatible server."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.browser.app_server import until
from tests.openai_server import Body, Call, OpenAIServer, Reply

Step = Reply | Callable[[Body], Reply]
HOLD_SECONDS = 20


class Held:
    """A reply that is held back until the test lets it go."""

    def __init__(self, reply: Reply) -> None:
        self._reply, self._go = reply, threading.Event()

    def __call__(self, body: Body) -> Reply:
        assert self._go.wait(HOLD_SECONDS), "a held reply was never let go"
        return self._reply

    def let_go(self) -> None:
        self._go.set()


class Model:
    """The script of the package's one server, refilled by each test."""

    def __init__(self) -> None:
        self._replies: deque[Step] = deque()
        self._held: list[Held] = []
        self.server = OpenAIServer(self._next)
        self._mark = (0, 0, 0)

    def will(self, *replies: Step) -> None:
        """Say what it answers next, in order."""
        self._replies.extend(replies)
        self._held += [reply for reply in replies if isinstance(reply, Held)]

    @property
    def requests(self) -> list[Any]:
        """What it was sent in this test."""
        return self.server.requests[self._mark[0] :]

    def told(self) -> list[str]:
        """What the tools' messages said in the newest request."""
        messages = self.requests[-1]["messages"]
        return [each["content"] for each in messages if each["role"] == "tool"]

    def begin(self) -> None:
        """Forget what an earlier test left."""
        self._replies.clear()
        while self._held:
            self._held.pop().let_go()
        server = self.server
        self._mark = len(server.requests), len(server.failures), len(server.refused)

    def check(self) -> None:
        """Raise AssertionError if it was asked too much, too little, or what OpenAI refuses."""
        left = len(self._replies)
        until(lambda: not self._replies, f"{left} replies to be asked for")
        failures, refused = self._mark[1:]
        assert not self.server.failures[failures:], self.server.failures[failures:]
        assert not self.server.refused[refused:], self.server.refused[refused:]

    def _next(self, body: Body) -> Reply:
        if not self._replies:
            raise LookupError(f"the script ran out of replies, at {body['messages'][-1]!r}")
        reply = self._replies.popleft()
        return reply if isinstance(reply, Reply) else reply(body)


def pay(*amounts: int, to: str = "Ada") -> Reply:
    """The model asks to pay these amounts, all at once."""
    return Reply(calls=[Call("pay", {"amount": amount, "to": to}) for amount in amounts])
