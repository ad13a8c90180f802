"""Where the pictures are made: a running app, a browser, and what a scene does with them."""

import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.app_server import ROOT, AppServer, running, until
from tests.browser.chromium import launch
from tests.browser.visitor import button, say

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1280, 390)
# So high that no card scrolls, or is half below the message box.
HEIGHT = 2400
PAGE_HEIGHT = 1000
SECONDS = 30
# For whoever is asked while a picture is taken there is no hurry.
CALM = {"HITL_ARM_SECONDS": "0"}


@dataclass(frozen=True)
class Studio:
    """A running app and a browser.

    Args:
        folder: for what is thrown away afterwards.
        target: where the pictures go.
        agents: the app's own copy of the shipped agents, which a scene may change.
    """

    folder: Path
    target: Path
    agents: Path
    app: AppServer
    browser: Browser

    def tries(self, scene: Callable[["Studio"], None]) -> bool:
        """Make the pictures of a scene; whether that went well, since others don't need it."""
        try:
            scene(self)
        except Exception:
            traceback.print_exc()
            return False
        finally:
            for context in self.browser.contexts:
                context.close()
        print(scene.__name__, file=sys.stderr)
        return True

    def visit(self, path: str = "", app: AppServer | None = None) -> Page:
        """A new tab of a person of its own."""
        context = self.browser.new_context(
            reduced_motion="reduce", viewport={"width": WIDTHS[0], "height": HEIGHT}
        )
        page = context.new_page()
        page.goto((app or self.app).url + path)
        return page

    def chat(self, agent: str, *messages: str) -> Page:
        """A new conversation with these messages."""
        page = self.visit(f"/?agent={agent}")
        for message in messages:
            say(page, message)
        return page

    def shoot(self, name: str, shown: Locator | Page) -> None:
        """Picture it in each theme and at each width: a part of a page, or a page as it is seen."""
        page = shown if isinstance(shown, Page) else shown.page
        height = PAGE_HEIGHT if isinstance(shown, Page) else HEIGHT
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": height})
                at_rest(page)
                if isinstance(shown, Locator):
                    bring_into_view(shown)
                shown.screenshot(path=self.target / f"{name}-{scheme}-{width}.png")
        page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})


def bring_into_view(part: Locator) -> None:
    """Scroll to it, until the page, which follows its conversation, lets it be."""
    before, now = None, part.bounding_box()
    while before != now:
        part.evaluate("it => it.scrollIntoView({ block: 'center', behavior: 'instant' })")
        before = part.bounding_box()
        part.page.wait_for_timeout(300)
        now = part.bounding_box()


def at_rest(page: Page) -> None:
    """Wait until nothing is drawn any more."""
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 200)))")


def press(page: Page, pressed: Locator) -> None:
    """Press until it counts: where a press comes too soon, the page says so."""
    refused = page.get_by_text(re.compile("[Pp]ress (Approve )?again"))
    for _ in range(4):
        pressed.click()
        until(lambda: not pressed.count() or refused.count(), "a press that counts", SECONDS)
        if not pressed.count():
            return
        until(lambda: not refused.count(), "the end of the toast", SECONDS)
    raise AssertionError("no press counted")


def opened(card: Locator, word: str, then: str) -> Locator:
    """The card after a press on something calm, such as "Edit"."""
    button(card, word).click()
    expect(button(card, then)).to_be_visible()
    return card


@contextmanager
def open_studio(folder: Path, target: Path) -> Iterator[Studio]:
    """The app with a copy of the shipped agents, and a browser."""
    target.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=SECONDS * 1000)
    agents = folder / "agents"
    shutil.copytree(ROOT / "agents", agents, ignore=shutil.ignore_patterns("__pycache__"))
    env = {**CALM, "HITL_AGENTS_DIR": str(agents)}
    with sync_playwright() as playwright, running(folder / "app", env=env) as app:
        yield Studio(folder, target, agents, app, launch(playwright))
