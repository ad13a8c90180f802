"""Makes docs/card.png from the running app: `python docs/screenshot.py`.

All other kinds of cards: `python docs/screenshots FOLDER`.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.app_server import running  # noqa: E402
from tests.browser.chromium import launch  # noqa: E402
from tests.browser.visitor import button, say, waiting  # noqa: E402

MESSAGE = "Send the customer of order 1053 the invoice."
# Wide enough for the shop beside the card, and so high that the whole card is in sight.
SIZE = {"width": 1900, "height": 1800}


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder)) as app,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright)
        page = browser.new_page(
            viewport=SIZE, device_scale_factor=1.5, color_scheme="light", reduced_motion="reduce"
        )
        page.goto(f"{app.url}/?agent=Back Office")
        take(page, ROOT / "docs" / "card.png")
        browser.close()


def take(page: Page, target: Path) -> None:
    """Ask for an invoice whose order holds an instruction, and picture the card of the e-mail."""
    say(page, MESSAGE)
    expect(waiting(page)).to_have_count(1, timeout=30_000)
    expect(button(waiting(page), "Approve")).to_be_enabled(timeout=30_000)
    page.mouse.move(600, 500)  # over no button
    waiting(page).screenshot(path=target, animations="disabled")


if __name__ == "__main__":
    main()
