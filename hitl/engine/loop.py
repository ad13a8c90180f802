"""One background event loop per process, on a thread of its own."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
TOOL_THREADS = 64
logger = logging.getLogger("hitl.engine")


class LoopThread:
    """An event loop that runs until it is stopped. Everything asynchronous lives here."""

    def __init__(self, name: str = "engine") -> None:
        self.loop = asyncio.new_event_loop()
        # Sync tools run in the default executor; its usual handful of threads is soon full.
        self.loop.set_default_executor(ThreadPoolExecutor(TOOL_THREADS, thread_name_prefix="tool"))
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        while True:
            try:
                self.loop.run_forever()
                return
            except (KeyboardInterrupt, SystemExit):  # asyncio lets these out of any task
                logger.exception("something tried to end the loop; it goes on")

    @property
    def is_alive(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive() and self.loop.is_running()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop, from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def stop(self) -> None:
        """Cancel what runs and end the thread."""

        async def cancel_all() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        if self._thread.is_alive():
            self.submit(cancel_all()).result(timeout=10)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=10)
