"""Wakes runs. Trusted for nothing: the journal decides what may happen."""

from hitl.engine.bus import Bus
from hitl.engine.engine import Engine

__all__ = ["Bus", "Engine"]
