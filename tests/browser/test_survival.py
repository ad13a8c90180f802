"""Killed, restarted, asked for an inner page first, cut off from its model: nothing is lost."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from hitl.outcomes import WORKED
from tests.browser.app_server import AppServer, running, until
from tests.browser.conftest import Visit, endpoint
from tests.browser.model import Held, Model, pay
from tests.browser.visitor import (
    EARS,
    approve,
    at_rest,
    button,
    cards,
    conversation_id,
    message_box,
    request_id,
    say,
    shows,
    waiting,
)
from tests.openai_server import Call, OpenAIServer, Reply

# Cleaning up takes its time where this agent's tools have been imported.
SLUGGISH = {
    "sluggish.yaml": "{name: Slow, description: x, system_prompt: x, tools: {sluggish.go: ask}}",
    "sluggish.py": """
import gc, threading, time

def go() -> str:
    '''Go.'''
    return "gone"

def dawdle(phase, info):
    drawing = threading.current_thread().name == "ScriptRunner.scriptThread"
    if drawing and phase == "start" and info["generation"] == 2:
        time.sleep(0.3)

gc.callbacks.append(dawdle)
""",
}
# News are answered and then drawn, two scripts with 0.3 seconds behind each.
AS_SOON_AS_NEWS_ARE_DRAWN = "(link) => { ears.onmessage(); setTimeout(() => link.click(), 500) }"


@pytest.fixture(scope="module")
def mortal_server(
    tmp_path_factory: pytest.TempPathFactory, package_model: Model
) -> Iterator[AppServer]:
    env = endpoint(package_model.server.url)
    with running(tmp_path_factory.mktemp("mortal"), env=env) as server:
        yield server


@pytest.fixture
def mortal(mortal_server: AppServer) -> Iterator[AppServer]:
    """A server that may be killed; it is started again if a test left it dead."""
    if mortal_server.health()[0] != 200:
        mortal_server.start()
    (mortal_server.folder / "effects").unlink(missing_ok=True)
    yield mortal_server
    mortal_server.clear()


def restart_under(page: Page, server: AppServer) -> None:
    """Kill the server, start it again, and wait until the open page has been drawn by it."""
    drawn: list[bool] = []

    def look(frame: bytes | str) -> None:
        if isinstance(frame, bytes) and ForwardMsg.FromString(frame).HasField("script_finished"):
            drawn.append(True)

    server.kill()
    page.on("websocket", lambda socket: socket.on("framereceived", look))
    server.start()
    until(lambda: page.wait_for_timeout(20) or drawn, "the page to be drawn again")


def test_request_survives_kill_and_is_approved_in_the_page_that_stayed_open(
    mortal: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(7))
    page = visit(mortal.url)
    say(page, "Pay 7")
    expect(waiting(page)).to_have_count(1)
    wanted = request_id(cards(page))
    restart_under(page, mortal)
    model.will(Reply("Paid, in spite of all."))
    approve(waiting(page))
    shows(page, "Paid, in spite of all.")
    expect(cards(page)).to_contain_text("Approved")
    assert request_id(cards(page)) == wanted
    assert mortal.effects() == ["pay 7 Ada"]
    assert len(model.requests) == 2


def test_reason_typed_before_the_kill_is_not_lost(
    mortal: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(8))
    page = visit(mortal.url)
    say(page, "Pay 8")
    waiting(page).get_by_label("Reason (optional)").fill("typed long ago")
    restart_under(page, mortal)
    model.will(Reply("I see."))
    button(cards(page), "Reject").click()
    shows(page, "I see.")
    assert "typed long ago" in model.told()[0]
    assert mortal.effects() == []


def test_tool_interrupted_by_a_kill_is_unknown_and_never_run_again(
    mortal: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply(calls=[Call("dig", {"depth": 3})]))
    page = visit(mortal.url)
    say(page, "Dig")
    approve(waiting(page))
    until(mortal.effects, "the digging to begin")
    mortal.kill()
    mortal.start()
    expect(cards(page)).to_contain_text("Started, outcome unknown")
    expect(cards(page)).to_contain_text("started at")
    assert mortal.effects() == ["dig 3"]
    model.will(Reply("Three metres, then."))
    page.get_by_label("What the agent is told (optional)").fill("It is three metres deep.")
    button(page, "It worked").click()
    shows(page, "Three metres, then.")
    expect(cards(page)).to_contain_text("a person says that it worked")
    assert model.told() == [f"{WORKED} It is three metres deep."]
    assert mortal.effects() == ["dig 3"]


def test_model_call_interrupted_by_a_kill_is_made_again(
    mortal: AppServer, model: Model, visit: Visit
) -> None:
    never = Held(Reply("Nobody hears this."))
    model.will(never)
    page = visit(mortal.url)
    say(page, "Hello")
    until(lambda: model.requests, "the model to be asked")
    mortal.kill()
    never.let_go()
    model.will(Reply("Hello again."))
    mortal.start()
    shows(page, "Hello again.")
    assert model.requests[0]["messages"] == model.requests[1]["messages"]


def test_unreachable_model_is_told_and_retry_goes_on_when_it_is_back(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit
) -> None:
    gone = OpenAIServer([])
    port = int(gone.url.split(":")[2].split("/")[0])
    gone.start()
    gone.stop()
    with running(tmp_path_factory.mktemp("alone"), env=endpoint(gone.url)) as app:
        page = visit(app.url)
        say(page, "Hello")
        expect(page.get_by_test_id("stAlert")).to_contain_text("can't be reached")
        back = OpenAIServer([Reply("Here I am.")], port=port)
        back.start()
        try:
            button(page, "Retry").click()
            shows(page, "Here I am.")
            back.check()
        finally:
            back.stop()


@pytest.fixture(scope="module")
def fresh_servers(
    tmp_path_factory: pytest.TempPathFactory, package_model: Model
) -> Iterator[dict[str, AppServer]]:
    """Servers that nobody has visited yet, all starting at once."""
    env = endpoint(package_model.server.url)
    servers = {
        path: AppServer(tmp_path_factory.mktemp("fresh"), env=env).launch()
        for path in ("/approvals", "/agents", "/?chat=")
    }
    yield servers
    for server in servers.values():
        server.kill()


@pytest.mark.parametrize(("path", "heading"), [("/approvals", "Approvals"), ("/agents", "Agents")])
def test_page_is_whole_as_the_very_first_request(
    fresh_servers: dict[str, AppServer], visit: Visit, path: str, heading: str
) -> None:
    page = visit(fresh_servers[path].ready().url + path)
    expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_role("link", name="Chat")).to_be_visible()
    expect(sidebar.get_by_role("link")).to_have_count(4)
    sidebar.get_by_role("link", name="Chat").click()
    expect(message_box(page)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_conversation_is_whole_as_the_very_first_request(
    fresh_servers: dict[str, AppServer], model: Model, visit: Visit
) -> None:
    app = fresh_servers["/?chat="].ready()
    conversation = app.desk.start("Workshop")
    model.will(pay(5))
    app.desk.send(conversation, "Pay 5", by="another process")
    page = visit(f"{app.url}/?chat={conversation}")
    expect(waiting(page)).to_have_count(1)
    assert conversation_id(page) == conversation
    model.will(Reply("Paid."))
    approve(waiting(page))
    shows(page, "Paid.")
    assert app.effects() == ["pay 5 Ada"]


def test_a_drawing_of_the_whole_page_that_was_lost_is_made_again(
    app: AppServer, visit: Visit
) -> None:
    """Streamlit can drop one on its way; what is there is not drawn again without need."""
    page = visit(app.url)
    expect(message_box(page)).to_be_enabled()
    drawing, now = page.evaluate("[hitlShown.drawing, performance.now()]")
    page.wait_for_function("(then) => performance.now() > then", arg=now + 14_000)
    assert page.evaluate("hitlShown.drawing") == drawing
    page.evaluate("hitlShown.drawing = 'an older one'")
    page.wait_for_function("() => hitlShown.drawing !== 'an older one'")
    expect(message_box(page)).to_be_enabled()


def test_a_message_is_sent_to_its_end_though_something_else_is_clicked_meanwhile(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """The chat begins while the page is asked for another drawing."""
    sent: list[bytes] = []

    def note(frame: bytes | str) -> None:
        sent.append(frame if isinstance(frame, bytes) else frame.encode())

    page = visit(app.url)
    page.on("websocket", lambda socket: socket.on("framesent", note))
    expect(message_box(page)).to_be_enabled()
    model.will(Reply("Hello."))
    with closing(sqlite3.connect(app.database, isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")  # so that storing the message takes its time
        say(page, "Hi")
        name = page.get_by_role("textbox", name="Your name")
        name.fill("Ada")
        name.press("Enter")
        # Frames are only noted while Playwright is asked for something.
        until(lambda: page.title() and any(b"Ada" in each for each in sent), "the name to be sent")
        somebody.rollback()
    shows(page, "Hello.")


def test_what_a_page_was_made_to_say_harms_nobody(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """Whoever forges what our scripts send, with the browser's tools, still has a page."""
    page = visit(app.url)
    expect(message_box(page)).to_be_enabled()
    for chat in (r"'\ud800'", "'../..'", "'x y z'"):
        drawing = page.evaluate("hitlShown.drawing")
        page.evaluate(f"hitlShown.chat = {chat}; hitlStartOver()")
        page.wait_for_function("(before) => hitlShown.drawing !== before", arg=drawing)
    expect(page.get_by_text("could not be shown")).to_have_count(0)
    model.will(pay(7))
    say(page, "Pay 7")
    expect(waiting(page)).to_have_count(1)
    page.wait_for_function("() => window.hitlArming?.cards.size")
    for news in ("''", "'armed'", "'moved x y z'", r"'\ud800 1 \ud800'", "'9'.repeat(5000)"):
        page.evaluate(f"hitlArming.cards.values().next().value.fire('news', {news})")
    model.will(Reply("Paid."))
    approve(waiting(page))
    shows(page, "Paid.")
    assert app.effects() == ["pay 7 Ada"]


def test_a_page_is_drawn_in_its_place_though_a_part_of_another_was_just_drawn(
    tmp_path: Path, model: Model, visit: Visit
) -> None:
    """Streamlit cleans up after each drawing; a click meanwhile is worked on by the same thread."""
    (tmp_path / "agents").mkdir()
    for name, text in SLUGGISH.items():
        (tmp_path / "agents" / name).write_text(text)
    env = {
        **endpoint(model.server.url, agents=tmp_path / "agents"),
        "STREAMLIT_RUNNER_POST_SCRIPT_GC": "true",
    }
    with running(tmp_path, env=env) as app:
        page = visit(app.url, script=EARS)
        page.wait_for_function("() => window.ears")
        for link, heading in (("Approvals", "Approvals"), ("Agents", "Agents")) * 3:
            at_rest(page)
            there = page.get_by_test_id("stSidebar").get_by_role("link", name=link)
            there.evaluate(AS_SOON_AS_NEWS_ARE_DRAWN)
            expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
