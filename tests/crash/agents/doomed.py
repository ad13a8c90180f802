"""The laboratory's tools for the real server, which dies where CRASH_AT says."""

import os
from typing import Any

from hitl.demo import DemoLLM
from tests.crash import points
from tests.crash.world import note, pay

__all__ = ["note", "pay"]


def _doom() -> None:
    speak = DemoLLM.astream_chat

    async def doomed(self: DemoLLM, *args: Any, **kwargs: Any) -> Any:
        points.point(points.MODEL)
        return await speak(self, *args, **kwargs)

    DemoLLM.astream_chat = doomed  # type: ignore[method-assign]
    points.watch_writes()
    points.die_at(os.environ["CRASH_AT"])


if os.environ.get("CRASH_AT"):
    _doom()
    del os.environ["CRASH_AT"]  # this module may be loaded again
