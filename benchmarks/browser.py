"""Time what a person sees, from inside the page.

The clock starts with the browser's own event (Enter or a click) and stops when the awaited thing
is in the DOM, visible and usable. Both readings are taken in the page (stopwatch.js), so the
latency of Playwright is in neither of them.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

STOPWATCH = (Path(__file__).parent / "stopwatch.js").read_text()
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
    # No system may be slow, or fast, because of a foreign host that its page asks (fonts, CDNs).
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
STILL = 300  # milliseconds without a change, after which a person goes on

Kind = Literal["box", "button", "text"]
Sign = tuple[Kind, str] | tuple[Kind, str, str]
"""What to wait for: a usable message box (its selector), a usable button (its name), a text; the
latter two perhaps only within the first place that a selector finds."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium: the system's, or else the one that Playwright installed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """A page of a person who was never here: no cache, no cookies."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.add_init_script(STOPWATCH)
    try:
        yield context.new_page()
    finally:
        context.close()


def wait_for(page: Page, *signs: Sign) -> float:
    """Wait until all `signs` are there; the milliseconds since the page began to load."""
    return page.evaluate("(signs) => bench.when(signs)", signs)


def has(page: Page, sign: Sign) -> bool:
    """Whether `sign` is there now."""
    return page.evaluate("([sign, what]) => bench.signs[sign](what)", sign)


def let_settle(page: Page) -> None:
    """Wait until the page is still."""
    page.evaluate("(milliseconds) => bench.quiet(milliseconds)", STILL)


def send(page: Page, box: str, message: str, *signs: Sign) -> float:
    """Type `message` into `box` and press Enter; the milliseconds from then until all `signs`."""
    page.locator(box).fill(message)
    return _timed(page, "keydown", lambda: page.keyboard.press("Enter"), signs)


def click(page: Page, name: str, *signs: Sign, within: str = "body") -> float:
    """Click the button called `name`; the milliseconds from then until all `signs` are there."""
    find = "([name, within]) => bench.button(name, within)"
    button = page.evaluate_handle(find, [name, within]).as_element()
    return _timed(page, "click", button.click, signs)


def _timed(page: Page, event: str, act: Callable[[], None], signs: tuple[Sign, ...]) -> float:
    let_settle(page)
    page.evaluate("([event, signs]) => bench.arm(event, signs)", [event, signs])
    act()
    return page.evaluate("() => bench.elapsed")


def sent_since_click(page: Page, milliseconds: float) -> int:
    """How many WebSocket messages the page has sent in so many milliseconds after the click."""
    return page.evaluate("(milliseconds) => bench.sentWithin(milliseconds)", milliseconds)
