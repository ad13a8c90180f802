"""One Chromium, one server with a scripted model and one with the demo model, for all files."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser import chromium
from tests.browser.app_server import TEST_AGENTS, AppServer, running
from tests.browser.model import Model

HERE = ("127.0.0.1", "localhost")
TRACEBACK = "Traceback (most recent call last)"
# What nobody should find in the terminal. A tool's own traceback is told as INFO.
COMPLAINT = re.compile("ERROR|CRITICAL|Exception in ASGI|.*Uncaught|.*Task exception")
Visit = Callable[..., Page]


# Not for the session: while Playwright runs, no other test of this process can use asyncio.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Longer than two heartbeats: what Streamlit loses of a drawing, a heartbeat brings.
    expect.set_options(timeout=25_000)
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def profile(browser: Browser) -> BrowserContext:
    """What all tabs of a person share; it lasts, since half of a page's time is an empty cache."""
    return browser.new_context(reduced_motion="reduce")


@pytest.fixture
def visit(browser: Browser, profile: BrowserContext) -> Iterator[Visit]:
    """`visit(url)`: a new tab. Afterwards no page may have left this machine or shown a traceback.

    With `alone=True` the tab is in a browser of its own, as another person has it.
    """
    tabs: list[Page] = []
    asked: list[str] = []

    def open_tab(url: str, *, alone: bool = False, script: str = "") -> Page:
        tab = (browser.new_context(reduced_motion="reduce") if alone else profile).new_page()
        tabs.append(tab)
        tab.set_default_timeout(25_000)
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("websocket", lambda socket: asked.append(socket.url))
        if script:
            tab.add_init_script(script)
        tab.goto(url, wait_until="commit")
        return tab

    yield open_tab
    shown = [tab.locator("body").inner_text() for tab in tabs if not tab.is_closed()]
    for tab in tabs:
        (tab if tab.context is profile else tab.context).close()
    assert not [url for url in asked if _host(url) not in HERE]
    assert not [text for text in shown if TRACEBACK in text or "Uncaught app" in text]


def _host(url: str) -> str | None:
    parts = urlsplit(url)
    return HERE[0] if parts.scheme in ("data", "blob", "about") else parts.hostname


@pytest.fixture(scope="package")
def package_model() -> Iterator[Model]:
    model = Model()
    model.server.start()
    yield model
    model.server.stop()


@pytest.fixture(scope="package")
def package_app(
    tmp_path_factory: pytest.TempPathFactory, package_model: Model
) -> Iterator[AppServer]:
    env = endpoint(package_model.server.url)
    with running(tmp_path_factory.mktemp("app"), env=env) as server:
        yield server


@pytest.fixture
def model(package_model: Model) -> Iterator[Model]:
    """The scripted model behind `app`; complains if it was asked too much or too little."""
    package_model.begin()
    yield package_model
    package_model.check()


@pytest.fixture
def app(package_app: AppServer) -> Iterator[AppServer]:
    """The server with the test agents and the scripted model; nothing waits in it at first."""
    yield from _left_in_order(package_app)


@pytest.fixture(scope="package")
def package_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    with running(tmp_path_factory.mktemp("demo")) as server:
        yield server


@pytest.fixture
def demo(package_demo: AppServer) -> Iterator[AppServer]:
    """The server as it comes: the shipped agents and the demo model."""
    yield from _left_in_order(package_demo)


def _left_in_order(server: AppServer) -> Iterator[AppServer]:
    said, effects = len(server.log()), server.folder / "effects"
    effects.unlink(missing_ok=True)
    yield server
    server.clear()
    complaints = [line for line in server.log()[said:].splitlines() if COMPLAINT.match(line)]
    assert not complaints, "in the terminal, see there for more: " + "; ".join(complaints)


def endpoint(url: str, agents: Path = TEST_AGENTS) -> dict[str, str]:
    """Settings for an OpenAI-compatible endpoint and the test agents."""
    return {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": "test-key",
        "HITL_AGENTS_DIR": str(agents),
        "HITL_CONTEXT_WINDOW": "1000000",  # of 100 KB of text in one message
    }
