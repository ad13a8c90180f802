"""The reviewer's card: a decision among others, and the way to the edit form."""

from dataclasses import dataclass

from playwright.sync_api import Browser, Page

from benchmarks.browser import Sign, click, let_settle, new_page, sent_since_click, wait_for
from benchmarks.compare import open_chat
from benchmarks.headless import Parked, store_parked
from benchmarks.systems import OURS, Server, started

CARDS = (1, 10)
WARM = 2  # rounds that fill caches


def deciding(browser: Browser, model_url: str, rounds: int) -> dict[str, list[float]]:
    """Milliseconds from the click on Approve until that very card says so, by how many wait.

    Each is a new conversation, so that always as many wait; the numbers take turns, and so do the
    places of the card that is decided.
    """
    results: dict[str, list[float]] = {str(number): [] for number in CARDS}
    with started(OURS, model_url) as server, new_page(browser) as page:
        for turn, row in enumerate(_rows(page, server, WARM + rounds)):
            for conversation in row if turn % 2 else row[::-1]:
                card = conversation.cards[turn % len(conversation.cards)]
                _open(page, server, conversation)
                took = click(page, "Approve", ("text", "Approved", card), within=card)
                let_settle(page)
                if turn >= WARM:
                    results[str(len(conversation.cards))].append(took)
    return results


@dataclass
class Opening:
    """How the edit form of a card came: in how many milliseconds, after how many messages."""

    ms: list[float]
    round_trips: list[int]


def editing(browser: Browser, model_url: str, rounds: int) -> dict[str, dict[str, list]]:
    """From the click on Edit until the form can be typed into, by how many cards there are."""
    results = {str(number): Opening([], []) for number in CARDS}
    with started(OURS, model_url) as server, new_page(browser) as page:
        for turn, row in enumerate(_rows(page, server, WARM + rounds)):
            for conversation in row if turn % 2 else row[::-1]:
                card = conversation.cards[turn % len(conversation.cards)]
                _open(page, server, conversation)
                form: Sign = ("box", f"{card} [class*=st-key-edit-form-] input")
                took = click(page, "Edit", form, within=card)
                if turn >= WARM:
                    opening = results[str(len(conversation.cards))]
                    opening.ms.append(took)
                    opening.round_trips.append(sent_since_click(page, took))
    return {number: vars(opening) for number, opening in results.items()}


def _rows(page: Page, server: Server, count: int) -> list[list[Parked]]:
    """For each round a conversation with one waiting request, and one with ten."""
    open_chat(page, server)
    stored = store_parked(server.env["HITL_DATABASE_URL"], list(CARDS) * count)
    return [stored[i : i + len(CARDS)] for i in range(0, len(stored), len(CARDS))]


def _open(page: Page, server: Server, conversation: Parked) -> None:
    """Open it, and wait until each of its cards can be decided."""
    page.goto(server.origin + conversation.path, wait_until="commit")
    wait_for(page, *(("button", "Approve", card) for card in conversation.cards))
