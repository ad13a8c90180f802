"""Word of what changed, for whoever looks on. Says *look again*, and passes events along."""

import logging
import threading
from collections.abc import Callable

from llama_index.core.workflow import Event

logger = logging.getLogger("hitl.engine")
Listener = Callable[[str, Event | None], None]


class Bus:
    """Tells listeners that a conversation changed. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = {}

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Call `listener(conversation id, event or None)`, quickly, in the thread that publishes.

        Args:
            topic: a conversation id, or "" for all.

        Returns:
            a function that ends the subscription.
        """
        with self._lock:
            self._listeners.setdefault(topic, []).append(listener)

        def unsubscribe() -> None:
            with self._lock:
                listeners = self._listeners.get(topic, [])
                if listener in listeners:
                    listeners.remove(listener)
                if not listeners:
                    self._listeners.pop(topic, None)

        return unsubscribe

    def publish(self, conversation_id: str, event: Event | None = None) -> None:
        """Say that a conversation changed, or pass on an event of its run."""
        with self._lock:
            listeners = [*self._listeners.get(conversation_id, []), *self._listeners.get("", [])]
        for listener in listeners:
            try:
                listener(conversation_id, event)
            except Exception:  # a page that is gone must not end the run that it watched
                logger.exception("a listener of conversation %s failed", conversation_id)
