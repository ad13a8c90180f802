"""What only this app is asked: long conversations, and a page that nobody touches."""

from collections import Counter

from playwright.sync_api import Browser

from benchmarks.browser import let_settle, new_page, wait_for
from benchmarks.compare import one_round, open_chat
from benchmarks.headless import store, store_waiting
from benchmarks.systems import OURS, started

LENGTHS = (50, 1000)  # messages
WAITING = (10, 10_000)  # requests


def reloads(browser: Browser, model_url: str, times: int = 10) -> dict[str, list[float]]:
    """Milliseconds until a conversation is there and one can go on with it, by its length.

    Counted from the navigation until its last message is shown; the lengths take turns.
    """
    results: dict[str, list[float]] = {str(length): [] for length in LENGTHS}
    with started(OURS, model_url) as server, new_page(browser) as page:
        open_chat(page, server)
        stored = {length: store(server.env["HITL_DATABASE_URL"], length) for length in LENGTHS}
        for number in range(times + 1):
            for length, conversation in stored.items():
                page.goto(server.origin + conversation.path, wait_until="commit")
                shown = wait_for(page, ("text", conversation.last_text), ("box", OURS.box))
                let_settle(page)
                if number:  # the first visit fills caches
                    results[str(length)].append(shown)
    return results


def approvals(browser: Browser, model_url: str, times: int = 10) -> dict[str, list[float]]:
    """Milliseconds until the approvals page shows its cards, by how many requests wait."""
    results: dict[str, list[float]] = {str(number): [] for number in WAITING}
    with started(OURS, model_url) as few, started(OURS, model_url) as many:
        servers = dict(zip(WAITING, (few, many), strict=True))
        with new_page(browser) as page:
            for number, server in servers.items():
                open_chat(page, server)
                store_waiting(server.env["HITL_DATABASE_URL"], number)
            for turn in range(times + 1):
                for number, server in servers.items():
                    page.goto(f"{server.origin}/approvals", wait_until="commit")
                    shown = wait_for(page, ("text", f"{number} requests wait for you"))
                    let_settle(page)
                    if turn:  # the first visit fills caches
                        results[str(number)].append(shown)
    return results


def idle(browser: Browser, model_url: str, seconds: int = 30) -> dict:
    """WebSocket frames, and the server's share of one core, while a page is only open."""
    frames: Counter[str] = Counter()
    with started(OURS, model_url) as server, new_page(browser) as page:
        network = page.context.new_cdp_session(page)
        network.on("Network.webSocketFrameSent", lambda _: frames.update(["sent"]))
        network.on("Network.webSocketFrameReceived", lambda _: frames.update(["received"]))
        network.send("Network.enable")
        open_chat(page, server)
        one_round(page, OURS, 0)
        page.wait_for_timeout(5_000)
        frames.clear()
        before = server.cpu_seconds()
        page.wait_for_timeout(seconds * 1_000)
        used = server.cpu_seconds() - before
    return {
        "sent_per_10_s": frames["sent"] * 10 / seconds,
        "received_per_10_s": frames["received"] * 10 / seconds,
        "cpu_percent": 100 * used / seconds,
    }
