"""Each string of the hostile corpus, in every place that shows text: shown to the letter, inert."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Connection

from hitl.journal import ModelCall, Reject, ToolCall, conversations, requests, runs
from hitl.journal.rows import now
from tests.browser.app_server import AppServer, running
from tests.browser.conftest import Visit, endpoint
from tests.browser.model import Model
from tests.browser.visitor import approve, button, cards, message_box, say, shows, waiting
from tests.hostile import CORPUS, Hostile
from tests.openai_server import Call, Reply

AGENT = "Workshop"
ME = "the corpus"
WATCH = """
window.violations = []
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`))
"""
# What a text may make nowhere; what an assistant's Markdown may make, and no other text.
MADE = (
    "img:not([alt$=' avatar']), iframe, object, embed, .katex, [data-testid=stMermaidChart], "
    "[href^='javascript:'], .stMarkdownColoredBackground, .stMarkdownShimmer, "
    "[data-testid=stMarkdownContainer] :is(script, style, svg, form, meta, base, link, math), "
    "[data-testid=stMarkdownContainer] [role=img]:not(.stMarkdownBadge *, [data-ours] *)"
)
MARKED_UP = "a[href*=evil], a[href^='data:'], blockquote, ol, ul, hr, del, sup"
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2028\u2029\u2060-\u206f\u2400-\u243f\u2800\u3164\ufe01\ufeff\uffa0"
    "\ue000-\uf8ff\U000e0000-\U000e01ef]"
)
PICTURES = re.compile("[😄😃💯👍](?!🏽)")


def plain(text: str) -> str:
    """A text as a page shows it, where any blanks are one."""
    return " ".join(text.split())


def assert_inert(page: Page, *, markdown: bool = False) -> None:
    """Nothing in the page was made by a text, is hidden in it, or broke the page's policy."""
    made = page.locator(MADE if markdown else f"{MADE}, {MARKED_UP}")
    assert [each.evaluate("it => it.outerHTML.slice(0, 300)") for each in made.all()] == []
    headings = page.locator(":is(h1, h2, h3, h4):has-text('Dana')")
    assert markdown or headings.count() == 0
    badges = page.locator(".stMarkdownBadge, .stMarkdownColoredText").all_text_contents()
    assert not [each for each in badges if re.search("Dana|danger|safe|light|print", each)]
    text = page.locator("body").text_content() or ""
    assert not HIDDEN.findall(text)
    assert not PICTURES.findall(text)
    assert page.title() == "You decide" or page.title() in ("Approvals", "Agents", "Chat")
    assert page.evaluate("window.violations") == []


def assert_shown(places: Locator, corpus: Sequence[Hostile], length: int = 10**6) -> None:
    """Each string is in one of the places to the letter, and none as it was written to deceive."""
    texts = [plain(text) for text in places.all_text_contents()]
    for each in corpus:
        assert any(plain(each.shown)[:length] in text for text in texts), each.name
        deceiving = each.stored == each.text != each.shown
        assert not (deceiving and any(plain(each.text) in text for text in texts)), each.name


# Prepared in the journal, as the engine would have


Prepare = Callable[[Connection], str]


def an_ended_run(tx: Connection, conversation: str, each: Hostile, calls: list[ToolCall]) -> str:
    """A run with one turn of the model, which says the string too."""
    run_id = runs.add(tx, conversation, AGENT, each.text, by=ME)
    run = runs.acquire(tx, run_id, ME, 60)
    assert run is not None
    said = ChatMessage(role="assistant", content=each.stored)
    message = {"role": each.stored[:20], "blocks": [{"block_type": "text", "text": each.stored}]}
    call = ModelCall(
        run_id=run_id,
        turn=1,
        started_at=now(),
        ms=1.0,
        config={each.stored: each.stored},
        messages=[message],
        tools=[{each.stored: each.stored}],
        reply={"said": each.stored},
        error=None,
        tokens_in=None,
        tokens_out=None,
    )
    runs.speak(tx, run, ME, said, calls, call)
    return run_id


def calls_of(each: Hostile) -> list[ToolCall]:
    """An unknown tool with an unknown argument; one that ran freely; one that asks."""
    told = each.stored
    return [
        ToolCall(each.text, {told: told}, "1", asks=False, problem=f"Unknown: {told}"),
        ToolCall("look", {"text": told}, "2", asks=False),
        ToolCall("pay", {"amount": 1, "to": told}, "3", rule=f"ask when {told}"),
    ]


def a_conversation_of(corpus: Sequence[Hostile]) -> Prepare:
    """Runs that failed with the string as the error, after everything else in them said it too."""

    def prepare(tx: Connection) -> str:
        conversation = conversations.create(tx, AGENT, title="corpus")
        for each in corpus:
            run_id = an_ended_run(tx, conversation, each, calls_of(each))
            _, looked, asked = requests.of_runs(tx, [run_id])[run_id]
            requests.change(tx, looked, "succeeded", status="succeeded", result=each.text)
            assert requests.decide(tx, asked.id, Reject(each.text), by=each.text).accepted
            found = conversations.record(tx, run_id).run
            runs.fail(tx, found, ME, each.text)
        return conversation

    return prepare


def an_assistant_that_says(corpus: Sequence[Hostile]) -> Prepare:
    def prepare(tx: Connection) -> str:
        conversation = conversations.create(tx, AGENT, title="prose")
        for each in corpus:
            an_ended_run(tx, conversation, each._replace(text="Speak"), [])
        return conversation

    return prepare


def messages_that_are_held(corpus: Sequence[Hostile]) -> Prepare:
    def prepare(tx: Connection) -> str:
        conversation = conversations.create(tx, AGENT, title="held")
        for each in corpus:
            runs.add(tx, conversation, AGENT, each.text, by=ME, status="held")
        return conversation

    return prepare


def requests_that_wait(corpus: Sequence[Hostile]) -> Prepare:
    """One in each conversation, whose title is the string."""

    def prepare(tx: Connection) -> str:
        for each in corpus:
            conversation = conversations.create(tx, AGENT, title=each.text)
            run_id = an_ended_run(tx, conversation, each, calls_of(each)[2:])
            assert runs.park(tx, run_id, ME)
        return conversation

    return prepare


def batches(size: int) -> Iterator[Any]:
    """The corpus in pages."""
    for start in range(0, len(CORPUS), size):
        yield pytest.param(CORPUS[start : start + size], id=f"{start}-{start + size}")


def opened(visit: Visit, url: str) -> Page:
    return visit(url, script=WATCH)


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


@pytest.mark.parametrize("corpus", batches(26))
def test_conversation_shows_each_string_to_the_letter(
    app: AppServer, visit: Visit, corpus: Sequence[Hostile]
) -> None:
    """Message, tool, argument and its name, result, reason, decider, rule and error."""
    conversation = app.desk.journal.write(a_conversation_of(corpus))
    page = opened(visit, f"{app.url}/?chat={conversation}")
    button(page, "Show older").click()
    expect(cards(page)).to_have_count(len(corpus))
    at_rest(page)
    users = page.get_by_test_id("stChatMessage").filter(
        has=page.get_by_label("Chat message from user")
    )
    assert_shown(page.get_by_test_id("stChatMessage"), corpus)
    assert users.count() in (0, len(corpus))
    steps = page.locator("[class*='st-key-step-']")
    assert_shown(steps.locator("summary"), corpus)
    assert_shown(steps, corpus)
    assert_shown(cards(page), corpus)
    assert_shown(cards(page).get_by_test_id("stText"), corpus)
    assert_shown(page.get_by_test_id("stAlert"), corpus)
    assert_inert(page, markdown=True)
    button(page, "Details").last.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Sent at")
    assert_shown(dialog, corpus[-1:])
    assert_inert(page, markdown=True)
