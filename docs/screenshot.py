"""Makes docs/card.png from the running app: `python docs/screenshot.py`."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import launch  # noqa: E402

MESSAGE = "Refund order 1042 in full and tell the customer by e-mail."


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        env = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env={**env, "HITL_DATA_DIR": folder})
        try:
            take(f"http://127.0.0.1:{port}/?agent=Back%20Office", ROOT / "docs" / "card.png")
        finally:
            server.terminate()
            server.wait()


def take(url: str, target: Path) -> None:
    """Ask the shipped Back Office for a refund and picture the first card beside the shop."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1500, "height": 1000}, device_scale_factor=1.5)
        _open(page, url)
        page.get_by_placeholder("Message").fill(MESSAGE)
        page.get_by_placeholder("Message").press("Enter")
        cards = page.locator("[class*='st-key-request-']")
        expect(cards).to_have_count(2, timeout=30_000)
        page.mouse.move(600, 500)
        page.mouse.wheel(0, -200)  # the page follows the conversation until its reader scrolls
        cards.first.screenshot(path=target)
        browser.close()


def _open(page: Page, url: str) -> None:
    for _ in range(60):
        try:
            page.goto(url)
            break
        except Exception:  # the server is not up yet
            page.wait_for_timeout(500)
    expect(page.get_by_placeholder("Message")).to_be_enabled(timeout=30_000)


if __name__ == "__main__":
    main()
