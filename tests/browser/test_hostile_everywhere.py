"""Each text of the hostile corpus in every place that shows text: to the letter, and inert."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import islice
from pathlib import Path

import pytest
import yaml
from llama_index.core.llms import ChatMessage
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Connection

from hitl.journal import Approve, Reject, ToolCall, conversations, decisions, requests, runs
from hitl.journal.rows import now
from hitl.journal.tables import readable
from hitl.journal.values import ModelCall
from hitl.plain import IN_PROSE, visible
from hitl.ui.text import is_short, shorten, value
from tests.browser.app_server import AppServer, running
from tests.browser.conftest import Visit
from tests.browser.visitor import button, cards, shows
from tests.hostile import ALL, DECEIVES, HARMLESS, HIDES

AGENT = "Corpus"
ME = "the corpus"
BATCH = 28  # a page shows ten runs, and twenty more when it is asked to
LONG = " and so on, until it fits into no line" * 3
IN_A_TOAST = 52
# What can stand beside others: this one is told by there being no other Cyrillic.
TOGETHER = [text for text in ALL.values() if text != DECEIVES["Cyrillic that reads as Latin"]]
WATCH = """
window.violations = []
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`))
"""
# All text but what can be edited, which is what it is.
READ = """(body) => {
  const copy = body.cloneNode(true)
  copy.querySelectorAll("textarea").forEach((each) => each.remove())
  return copy.textContent
}"""
# A page that hears of nothing, so that its visitor clicks on what was decided already.
DEAF = """
window.WebSocket = new Proxy(WebSocket, { construct: (Socket, [url, ...rest]) =>
  String(url).includes("/api/live") ? new EventTarget() : new Socket(url, ...rest) })
"""
# What no text may make.
MADE = (
    "img:not([alt$=' avatar']), iframe, object, embed, video, base, .katex, math, "
    "[data-testid=stMermaidChart], [href*=evil]:not([href^='#']), [href^='mailto:'], "
    "[href^='javascript:'], [href^='data:'], .stMarkdownColoredBackground, .stMarkdownShimmer, "
    "[data-testid=stMarkdownContainer] "
    ":is(script, style, form, input, meta, link, [onload], [onmouseover], svg:not(button *, a *))"
)
# What only an assistant's Markdown may make.
MARKED_UP = (
    "[data-testid=stMarkdownContainer] "
    ":is(blockquote, ol, ul, hr, del, sup, em, :is(h1, h2, h3, h4):not([data-testid=stHeading] *))"
)
OURS = re.compile(
    r"(\w+ )?(Approved|Rejected|Allowed|Asks first|Runs freely|Done.*|Failed.*"
    r"|Nothing was executed.*|\d+|changed|removed|Demo model.*|Next"
    r"|.*· secret|.*(optional|required|if left out))",
    re.DOTALL,
)
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2028\u2029\u2060-\u206f\u2400-\u243f\u2800\u3164\ufe00\ufe01\ufeff\uffa0"
    "\ue000-\uf8ff\U000e0000-\U000e01ef]"
)
PICTURES = re.compile("[😄👍👎⚠✅](?!🏽)")


def shown(text: str, keep: Set[str] = frozenset()) -> str:
    """How a text is to be read on a page, where any blanks are one."""
    return " ".join(visible(readable(text), keep=keep).split())


def in_prose(text: str) -> str:
    """The same where people and assistants speak: emoji and blanks of typography stay."""
    return shown(text, IN_PROSE)


def as_value(text: str) -> str:
    """The same as an argument's value."""
    return shown(value(readable(text)))


def in_a_line(text: str) -> str:
    """The same as code in one line."""
    line = visible(readable(text)).replace("\n", "⏎").replace("\t", "⇥")
    return " ".join(line.split())


def read(places: Locator) -> list[str]:
    return [" ".join(text.split()) for text in places.all_text_contents()]


def assert_shown(places: Locator, texts: Iterable[str], how: Callable[[str], str] = shown) -> None:
    """Each text is in one of the places to the letter."""
    found = read(places)
    missing = [text for text in map(how, texts) if not any(text in there for there in found)]
    assert not missing, (missing[:5], found[:20])


def assert_inert(page: Page, *, markdown: bool = False) -> None:
    """Nothing in the page was made by a text, is hidden in it, or broke the page's policy."""
    made = page.locator(MADE if markdown else f"{MADE}, {MARKED_UP}")
    assert [each.evaluate("it => it.outerHTML.slice(0, 300)") for each in made.all()] == []
    badges = page.locator(".stMarkdownBadge, .stMarkdownColoredText").all_text_contents()
    assert [badge for badge in badges if badge.strip() and not OURS.fullmatch(badge.strip())] == []
    text = page.locator("body").evaluate(READ)
    assert HIDDEN.findall(text) == []
    assert PICTURES.findall(text) == []
    for each in DECEIVES.values():
        assert each not in text
    assert re.fullmatch(r"(⏰ )?(\(\d+\) )?(You decide|Chat|Approvals|Agents|Grants)", page.title())
    assert "evil" not in page.url
    assert page.evaluate("window.violations") == []


def batches() -> Iterator[list[str]]:
    """The corpus in pages."""
    texts = iter(ALL.values())
    while batch := list(islice(texts, BATCH)):
        yield batch


in_batches = pytest.mark.parametrize(
    "texts", list(batches()), ids=lambda texts: f"{texts[0][:12]!r}"
)


def opened(visit: Visit, url: str, script: str = "") -> Page:
    return visit(url, script=WATCH + script)


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0)


# Prepared in the journal, as the engine would have


def speak(tx: Connection, conversation: str, text: str, calls: list[ToolCall]) -> str:
    """A run in which the model has spoken once; text and all are the hostile text."""
    run_id = runs.add(tx, conversation, AGENT, text, by=ME)
    run = runs.acquire(tx, run_id, ME, 60)
    assert run is not None
    told = readable(text)
    call = ModelCall(
        run_id=run_id,
        turn=1,
        started_at=now(),
        ms=1.0,
        config={told: told},
        messages=[{"role": told, "blocks": [{"block_type": "text", "text": told}]}],
        tools=[{told: told}],
        reply={"said": told},
        error=None,
        tokens_in=None,
        tokens_out=None,
    )
    runs.speak(tx, run, ME, ChatMessage(role="assistant", content=told), calls, call)
    return run_id


def calls_of(text: str) -> list[ToolCall]:
    """An unknown tool with an unknown argument; one that ran freely; two that ask."""
    told = readable(text)
    return [
        ToolCall(told, {told: told}, "1", asks=False, problem=f"Unknown: {told}"),
        ToolCall("look", {"text": told + LONG}, "2", asks=False),
        ToolCall("pay", {"amount": 1, "to": told, told: told}, "3", rule=f"ask when {told}"),
        ToolCall("pay", {"amount": 2, "to": told + LONG}, "4"),
    ]


def a_conversation_of(tx: Connection, texts: Sequence[str]) -> str:
    """Runs that failed with the text as the error, after everything in them was the text too."""
    conversation = conversations.create(tx, AGENT, title="corpus")
    for text in texts:
        run_id = speak(tx, conversation, text, calls_of(text))
        _, looked, rejected, approved = requests.of_runs(tx, [run_id])[run_id]
        requests.change(tx, looked, "succeeded", status="succeeded", result=text)
        assert decisions.decide(tx, rejected.id, Reject(text), by=text).accepted
        assert decisions.decide(tx, approved.id, Approve(reason=text), by=text).accepted
        requests.change(tx, approved, "failed", status="failed", result=text)
        runs.fail(tx, conversations.record(tx, run_id).run, ME, text)
    return conversation


def an_assistant_that_says(tx: Connection, texts: Sequence[str]) -> str:
    conversation = conversations.create(tx, AGENT, title="prose")
    for text in texts:
        speak(tx, conversation, text, [])
    return conversation


def held_messages(tx: Connection, texts: Sequence[str]) -> str:
    conversation = conversations.create(tx, AGENT, title="held")
    for text in texts:
        runs.add(tx, conversation, AGENT, text, by=ME, status="held")
    return conversation


def waiting_requests(tx: Connection, texts: Sequence[str]) -> None:
    """One in each conversation, whose title is the text."""
    for text in texts:
        conversation = conversations.create(tx, AGENT, title=text)
        run_id = speak(tx, conversation, text, calls_of(text)[2:3])
        assert runs.park(tx, run_id, ME)


# A server with an agent whose every field is the corpus


TOOLS = '''
"""Tools that do nothing."""
import json
from pathlib import Path

from llama_index.core.tools import FunctionTool
from pydantic import Field, create_model

from hitl import tool

CORPUS = json.loads(Path(__file__).with_name("corpus.json").read_text())
FIELDS = {text: (str, Field("=" + text, description=text)) for text in CORPUS["texts"]}


@tool(sentence="Pay {amount} to {to}")
def pay(amount: int, to: str) -> str:
    """Pay somebody."""
    return "paid"


def look(text: str) -> str:
    """Look something up."""
    return text


def nothing(**_: str) -> str:
    return ""


def everything() -> dict:
    return {text: [{text: text}] for text in CORPUS["texts"]}


wide = FunctionTool.from_defaults(
    nothing,
    name="wide",
    description=CORPUS["together"],
    fn_schema=create_model("Wide", **FIELDS),
)
'''


def agents_in(folder: Path) -> None:
    """Agents whose every field is the corpus, in files, and one that says nothing of it."""
    folder.mkdir()
    texts, beside = list(map(readable, ALL.values())), list(map(readable, TOGETHER))
    together = "\n".join(beside)
    (folder / "corpus.json").write_text(json.dumps({"texts": texts, "together": together}))
    (folder / "corpus_tools.py").write_text(TOOLS)
    agent = {
        "name": AGENT,
        "description": together,
        "system_prompt": together,
        "greeting": together,
        "samples": beside,
        "state": {text: text for text in beside},
        "tools": {"corpus_tools.pay": "ask", "corpus_tools.look": "allow"},
    }
    panel = {
        "name": "Panel",
        "description": "Has one.",
        "panel": "corpus_tools.everything",
        "panel_title": together,
        "tools": {"corpus_tools.wide": "ask"},
    }
    for each in (agent, panel, {"name": "Silent", "description": "Has no tools."}):
        (folder / f"{str(each['name']).lower()}.yaml").write_text(yaml.safe_dump(each))


@pytest.fixture(scope="module")
def corpus_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("hostile")
    agents_in(folder / "agents")
    with running(folder, env={"HITL_AGENTS_DIR": str(folder / "agents")}) as server:
        yield server


# In the browser


@in_batches
def test_conversation_shows_each_text_to_the_letter(
    corpus_app: AppServer, visit: Visit, texts: list[str]
) -> None:
    """Message, unknown tool, arguments and their names, result, reason, decider, rule, errors."""
    conversation = corpus_app.desk.journal.write(a_conversation_of, texts)
    page = opened(visit, f"{corpus_app.url}/?chat={conversation}")
    button(page, "Show older").click()
    expect(cards(page)).to_have_count(2 * len(texts))
    at_rest(page)
    steps = page.locator("[class*='st-key-step-']")
    assert_shown(steps.locator("summary"), texts)
    assert_shown(steps, [text + LONG for text in texts], as_value)
    assert_shown(cards(page), texts)
    table = cards(page).get_by_role("table")
    assert_shown(table, [text for text in texts if is_short(value(text))], as_value)
    assert_shown(cards(page).get_by_test_id("stCode"), [text + LONG for text in texts], as_value)
    assert_shown(cards(page).get_by_test_id("stText"), texts)
    assert_shown(page.get_by_test_id("stAlert"), texts)
    assert_inert(page, markdown=True)


@in_batches
def test_assistant_says_each_text_and_it_does_nothing(
    corpus_app: AppServer, visit: Visit, texts: list[str]
) -> None:
    conversation = corpus_app.desk.journal.write(an_assistant_that_says, texts)
    page = opened(visit, f"{corpus_app.url}/?chat={conversation}")
    button(page, "Show older").click()
    expect(page.get_by_test_id("stChatMessage")).to_have_count(2 * len(texts))
    at_rest(page)
    assert_inert(page, markdown=True)
    literal = [text for text in texts if text in {*HIDES.values(), *DECEIVES.values()}]
    assert_shown(page.get_by_test_id("stMarkdown"), literal, in_prose)
    tags = [text for text in texts if text.startswith("<") and "*" not in text]
    assert_shown(page.get_by_test_id("stMarkdown"), tags)
    button(page, "Details").last.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Sent at")
    assert_shown(dialog, texts[-1:])
    assert_inert(page, markdown=True)


def test_assistant_may_use_emoji_and_any_language(corpus_app: AppServer, visit: Visit) -> None:
    texts = list(HARMLESS.values())
    conversation = corpus_app.desk.journal.write(an_assistant_that_says, texts)
    page = opened(visit, f"{corpus_app.url}/?chat={conversation}")
    expect(page.get_by_test_id("stChatMessage")).to_have_count(2 * len(texts))
    at_rest(page)
    found = read(page.get_by_test_id("stMarkdown"))
    assert [text for text in texts if text not in found] == []
    assert_inert(page, markdown=True)


def test_message_that_is_held_is_shown_to_the_letter(corpus_app: AppServer, visit: Visit) -> None:
    texts = list(ALL.values())
    conversation = corpus_app.desk.journal.write(held_messages, texts)
    page = opened(visit, f"{corpus_app.url}/?chat={conversation}")
    expect(page.locator("[class*='st-key-held-']")).to_have_count(len(texts))
    at_rest(page)
    assert_shown(page.locator("[class*='st-key-held-']"), texts)
    assert_inert(page, markdown=True)


def test_sidebar_shows_each_title_to_the_letter(corpus_app: AppServer, visit: Visit) -> None:
    page = opened(visit, f"{corpus_app.url}/agents?agent=Silent")
    sidebar = page.get_by_test_id("stSidebar")
    for texts in batches():
        corpus_app.desk.journal.write(waiting_requests, texts)
        titles = [shorten(text, 34) for text in texts]
        expect(sidebar).to_contain_text(in_prose(titles[-1]))
        at_rest(page)
        assert_shown(sidebar.get_by_role("button"), titles, in_prose)
        assert_inert(page)
    box = page.get_by_placeholder("Search", exact=True)
    for text in ALL.values():
        box.fill(text)
    box.fill("![leak] of nobody")
    expect(sidebar).to_contain_text("Nothing found")
    assert_inert(page)


def test_approvals_page_shows_each_text_to_the_letter(corpus_app: AppServer, visit: Visit) -> None:
    """Title, argument, its name and the rule."""
    corpus_app.clear()
    texts = list(ALL.values())
    corpus_app.desk.journal.write(waiting_requests, texts)
    page = opened(visit, f"{corpus_app.url}/approvals")
    for number, start in enumerate(range(0, len(texts), 10), 1):
        if number > 1:
            page.get_by_test_id("stPagination").get_by_text(str(number), exact=True).click()
        here = texts[start : start + 10]
        expect(cards(page)).to_have_count(10)
        shows(page, in_prose(here[0]))
        at_rest(page)
        main = page.get_by_test_id("stMain")
        assert_shown(main.get_by_test_id("stCaptionContainer"), here, in_prose)
        assert_shown(cards(page), here)
        assert_inert(page)


def test_toast_tells_the_name_of_whoever_was_faster(corpus_app: AppServer, visit: Visit) -> None:
    desk = corpus_app.desk
    corpus_app.clear()
    for start in range(0, len(TOGETHER), IN_A_TOAST):
        names = " | ".join(TOGETHER[start : start + IN_A_TOAST])
        desk.journal.write(waiting_requests, ["Pay"])
        page = opened(visit, f"{corpus_app.url}/approvals", script=DEAF)
        expect(cards(page)).to_have_count(1)
        desk.decide(desk.pending()[0].id, Reject(), by=names)
        button(cards(page), "Approve").click()
        toast = page.get_by_test_id("stToast")
        expect(toast).to_be_visible()
        assert_shown(toast, [names])
        assert_inert(page)
        page.close()


def test_agent_is_shown_to_the_letter(corpus_app: AppServer, visit: Visit) -> None:
    """Description, prompt, user state, the file; greeting, samples; what its tools take; panel."""
    page = opened(visit, f"{corpus_app.url}/agents?agent={AGENT}")
    shows(page, "System prompt")
    at_rest(page)
    main = page.get_by_test_id("stMain")
    assert_shown(main.get_by_test_id("stText"), TOGETHER)
    assert_shown(main.get_by_role("table"), TOGETHER, lambda text: in_a_line(value(text)))
    assert_inert(page)
    page.goto(f"{corpus_app.url}/?agent={AGENT}")
    expect(page.locator(f".st-key-sample-{len(TOGETHER) - 1}")).to_be_attached()
    at_rest(page)
    assert_shown(page.get_by_test_id("stChatMessage"), TOGETHER)
    assert_shown(main.get_by_role("button"), TOGETHER)
    assert_inert(page)


def test_tool_and_panel_are_shown_to_the_letter(corpus_app: AppServer, visit: Visit) -> None:
    """A tool's description, its arguments' names, words and defaults; titles and rows beside."""
    texts = list(ALL.values())
    page = opened(visit, f"{corpus_app.url}/agents?agent=Panel")
    shows(page, "Try this tool")
    page.get_by_text("Try this tool").click()
    at_rest(page)
    tool = page.locator(".st-key-tool-wide")
    assert_shown(tool.get_by_test_id("stText"), TOGETHER)
    assert_shown(tool.get_by_role("table"), texts, in_a_line)  # names
    assert_shown(tool.get_by_role("table"), texts)  # descriptions
    assert_shown(tool.get_by_test_id("stWidgetLabel"), texts)
    assert_inert(page)
    page.goto(f"{corpus_app.url}/?agent=Panel")
    panel = page.locator(".st-key-panel-place")
    expect(panel.get_by_role("table")).to_have_count(len(texts))
    at_rest(page)
    assert_shown(panel.get_by_role("table"), texts)
    assert_shown(panel.get_by_test_id("stCaptionContainer"), texts)
    assert_shown(panel.get_by_test_id("stHeading"), TOGETHER)
    assert_inert(page)


def test_mistake_in_an_agents_file_is_told_to_the_letter(
    corpus_app: AppServer, visit: Visit
) -> None:
    folder = corpus_app.folder / "agents"
    texts = [readable(text) for text in ALL.values()]
    bad = [folder / f"bad-{number}.yaml" for number in range(len(texts))]
    for file, text in zip(bad, texts, strict=True):
        file.write_text(yaml.safe_dump({"name": text, "description": text, text: text}))
    try:
        page = opened(visit, f"{corpus_app.url}/agents?agent=Silent")
        expect(page.get_by_test_id("stAlert").nth(len(bad) - 1)).to_be_attached()
        at_rest(page)
        assert_shown(page.get_by_test_id("stAlert"), texts, in_a_line)
        assert_inert(page)
        page.goto(corpus_app.url)
        expect(page.get_by_test_id("stAlert").nth(len(bad) - 1)).to_be_attached()
        at_rest(page)
        assert_shown(page.get_by_test_id("stAlert"), texts)
        assert_inert(page)
    finally:
        for file in bad:
            file.unlink()
