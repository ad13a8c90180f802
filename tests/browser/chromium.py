"""A Chromium for the tests: found on this machine, or installed. Never skipped in silence."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import Browser, Playwright
from playwright.sync_api import Error as PlaywrightError

WANTED = os.environ.get("HITL_CHROMIUM")  # read before the tests forget every HITL_ variable
NAMES = ("chromium", "chromium-browser", "google-chrome")
PLAYWRIGHTS_OWN = ""
FLAGS = [
    "--no-sandbox",  # which root can't have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    # Whatever a page asks for, nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


class NoChromium(RuntimeError):
    """Raised when there is no Chromium, and none could be installed."""


def launch(playwright: Playwright) -> Browser:
    """Start the first Chromium that starts.

    Raises:
        NoChromium: if none does; says what was tried.
    """
    tried = []
    for name, path in _candidates():
        try:
            return playwright.chromium.launch(executable_path=path or None, args=FLAGS)
        except PlaywrightError as error:
            tried.append(f"{name} ({str(error).splitlines()[0]})")
    raise NoChromium(
        "The browser tests need a Chromium and none could be found or installed; install one, or "
        f"name its executable in HITL_CHROMIUM. Tried: {'; '.join(tried)}"
    )


def _candidates() -> Iterator[tuple[str, str]]:
    """What to try, in order. What comes after an installation is only reached without it."""
    if WANTED:
        yield f"HITL_CHROMIUM={WANTED}", WANTED
        return
    yield from _on_path()
    yield "Playwright's Chromium", PLAYWRIGHTS_OWN
    if _run(sys.executable, "-m", "playwright", "install", "chromium"):
        yield "Playwright's Chromium, just installed", PLAYWRIGHTS_OWN
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _run("apt-get", "update")
        if _run("apt-get", "install", "-y", "chromium"):
            yield from _on_path()


def _on_path() -> Iterator[tuple[str, str]]:
    for name in NAMES:
        if path := shutil.which(name):
            yield path, path


def _run(*command: str) -> bool:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environ, stdout=sys.stderr, check=False).returncode == 0
