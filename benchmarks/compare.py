"""The same job in every system: a conversation, the memory it takes, and a start."""

import time
from collections.abc import Sequence
from contextlib import ExitStack

from playwright.sync_api import Browser, Page

from benchmarks.browser import click, has, let_settle, new_page, send, wait_for
from benchmarks.systems import Server, System, started


def conversations(browser: Browser, model_url: str, systems: Sequence[System], rounds: int) -> dict:
    """One conversation in each system: milliseconds per round, resident megabytes around them.

    The systems take turns in every round, and each time another one begins, so that whatever else
    the machine does hits all of them alike.
    """
    with ExitStack() as stack:
        servers = [stack.enter_context(started(system, model_url)) for system in systems]
        pages = [stack.enter_context(new_page(browser)) for _ in systems]
        for page, server in zip(pages, servers, strict=True):
            open_chat(page, server)
        before = [server.megabytes() for server in servers]
        times: list[list[tuple[float, float]]] = [[] for _ in systems]
        for number in range(rounds):
            for turn in range(len(systems)):
                which = (number + turn) % len(systems)
                times[which].append(one_round(pages[which], systems[which], number))
        after = [server.megabytes() for server in servers]
    return {
        system.name: {
            "send_ms": [sent for sent, _ in times[i]],
            "approve_ms": [approved for _, approved in times[i]],
            "before_mb": before[i],
            "after_mb": after[i],
        }
        for i, system in enumerate(systems)
    }


def open_chat(page: Page, server: Server) -> None:
    """Open the page at which one chats, and wait until one can."""
    page.goto(server.url, wait_until="commit")
    wait_for(page, ("box", server.system.box))
    let_settle(page)


def one_round(page: Page, system: System, number: int) -> tuple[float, float]:
    """Ask for a sum that no other round asks for, and approve.

    Returns:
        milliseconds from Enter to the request, and from Approve to the answer.
    """
    try:
        page.bring_to_front()
        wait_for(page, ("box", system.box))
        return _ask_and_approve(page, system, 1000 + number, number)
    except Exception as error:
        shown = page.locator("body").inner_text()[-500:]
        error.add_note(f"{system.name}, round {number}. The page ends with:\n{shown}")
        raise


def _ask_and_approve(page: Page, system: System, a: int, b: int) -> tuple[float, float]:
    if has(page, ("button", "Approve")):
        raise RuntimeError("An earlier request is still open.")
    sent = send(page, system.box, f"What is {a} + {b}?", ("button", "Approve"))
    approved = click(page, "Approve", ("text", f"{a} + {b} is {a + b}."))
    let_settle(page)
    return sent, approved


def starts(browser: Browser, model_url: str, systems: Sequence[System], times: int = 5) -> dict:
    """Starts of each system, in turns, each for a person who was never there.

    `usable_s`: seconds from the start of the process until one can type. `first_ms`: milliseconds
    from Enter to the request for what is then sent at once, and so what was put off until then.
    """
    results: dict = {system.name: {"usable_s": [], "first_ms": []} for system in systems}
    for _ in range(times):
        for system in systems:
            usable, first = _start(browser, model_url, system)
            results[system.name]["usable_s"].append(usable)
            results[system.name]["first_ms"].append(first)
    return results


def _start(browser: Browser, model_url: str, system: System) -> tuple[float, float]:
    with new_page(browser) as page:
        began = time.perf_counter()
        with started(system, model_url) as server:
            page.goto(server.url, wait_until="commit")
            wait_for(page, ("box", system.box))
            usable = time.perf_counter() - began
            return usable, send(page, system.box, "What is 1 + 2?", ("button", "Approve"))
