"""What the server refuses, and how it says so."""

import ctypes
import http.client
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.browser.app_server import ROOT, AppServer, running, until
from tests.browser.conftest import TRACEBACK, Visit
from tests.browser.visitor import (
    approve,
    button,
    cards,
    conversation_id,
    message_box,
    say,
    shows,
    waiting,
)

EVERYWHERE = ("--server.address", "0.0.0.0")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def heed_file_modes() -> None:
    """Let root heed read-only files and folders like everybody else, from the next exec on."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def test_it_refuses_to_serve_strangers_in_one_line(tmp_path: Path) -> None:
    server = AppServer(tmp_path, options=EVERYWHERE).launch()
    assert server.exit_code() != 0
    assert TRACEBACK not in server.log()
    [line] = [line for line in server.log().splitlines() if "HITL_ALLOW_ANONYMOUS=1" in line]
    assert "0.0.0.0" in line
    assert server.log().strip().endswith(line)


def test_it_serves_strangers_when_told_to(tmp_path: Path) -> None:
    env = {"HITL_ALLOW_ANONYMOUS": "1"}
    with running(tmp_path, options=EVERYWHERE, env=env) as server:
        assert server.health()[0] == 200
        # Streamlit likes to ask a server on the internet for the address to print.
        assert "external" not in server.log().lower()


def a_folder_in_its_place(data: Path) -> dict[str, str]:
    (data / "hitl.sqlite").mkdir(parents=True)
    return {}


def a_read_only_folder(data: Path) -> dict[str, str]:
    data.mkdir()
    data.chmod(0o555)
    return {}


def a_read_only_database(data: Path) -> dict[str, str]:
    with running(data.parent):
        pass
    for file in data.iterdir():
        file.chmod(0o444)
    data.chmod(0o555)
    return {}


def nobody_listening(data: Path) -> dict[str, str]:
    return {"HITL_DATABASE_URL": "postgresql+psycopg://nobody:secret@127.0.0.1:1/none"}


def nonsense(data: Path) -> dict[str, str]:
    return {"HITL_DATABASE_URL": "nosuchdb://somewhere/none"}


@pytest.mark.parametrize(
    "break_database",
    [a_folder_in_its_place, a_read_only_folder, a_read_only_database, nobody_listening, nonsense],
    ids=lambda function: function.__name__,
)
def test_database_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, visit: Visit, break_database: Callable[[Path], dict[str, str]]
) -> None:
    env = break_database(tmp_path / "data")
    (tmp_path / "terminal.log").unlink(missing_ok=True)
    server = AppServer(tmp_path, env=env, before=heed_file_modes).launch()
    try:
        complaints = until(lambda: about_the_database(server.log()), "a line in the terminal", 20)
        assert len(complaints) == 1, complaints
        assert "secret" not in server.log()
        page = visit(server.url)
        expect(page.get_by_role("alert").first).to_contain_text("database", ignore_case=True)
        assert server.health()[0] == 503
        assert TRACEBACK not in server.log(), server.log()
    finally:
        server.kill()
        if (tmp_path / "data").is_dir():
            (tmp_path / "data").chmod(0o755)


def about_the_database(log: str) -> list[str]:
    return [line for line in log.splitlines() if "database" in line.lower()]


ROUTES = """
import streamlit as st
from hitl.ui.server import build

app = st.App("app.py", **build())
for route in app._build_starlette_app().routes:
    for method in getattr(route, "methods", None) or ["socket"]:
        print(method, route.path)
"""


@cache
def routes() -> list[tuple[str, str]]:
    """All that the app serves, its own and Streamlit's: method and path."""
    run = [sys.executable, "-c", ROUTES]
    said = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line.split(" ") for line in said.splitlines()]
    return [(method, re.sub(r"{.*?}", "x", path)) for method, path in lines]


def ask(server: AppServer, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path or "/", headers=sent)
    answer = connection.getresponse()
    answer.read()
    return answer


FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Host": "evil.example"},
    {"Host": "localhost.evil.example:1"},
    {"Host": "192.168.0.7"},
)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_foreign_origin_or_host_is_refused_on_every_route(
    demo: AppServer, headers: dict[str, str]
) -> None:
    served = routes()
    assert ("socket", "/_stcore/stream") in served
    assert ("PUT", "/_stcore/upload_file/x/x") in served
    for method, path in served:
        if method == "socket":
            assert socket_status(demo, path, headers) == 403, path
        else:
            assert ask(demo, method, path, **headers).status == 403, (method, path)


def socket_status(server: AppServer, path: str, headers: dict[str, str]) -> int:
    address = f"ws://{headers.get('Host', f'127.0.0.1:{server.port}')}{path}"
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        try:
            with connect(address, sock=line, origin=headers.get("Origin")):  # type: ignore[arg-type]
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


@pytest.mark.parametrize("path", ["/api/live", "/_stcore/stream"])
def test_its_own_pages_and_programs_without_a_page_may_listen(demo: AppServer, path: str) -> None:
    assert socket_status(demo, path, {"Origin": demo.url}) == 101
    assert socket_status(demo, path, {}) == 101


def test_page_of_somebody_else_can_change_nothing(demo: AppServer) -> None:
    for site in ("cross-site", "same-site"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            for path in ("/", "/_stcore/upload_file/x/x", "/healthz"):
                assert ask(demo, method, path, Sec_Fetch_Site=site).status == 403
    assert ask(demo, "GET", "/healthz", Sec_Fetch_Site="cross-site").status == 200


def test_numbers_about_visitors_and_the_way_without_a_browser_are_not_served(
    demo: AppServer,
) -> None:
    for path in ("metrics", "metrics/", "agent/openapi.json", "agent/interact", "agent/mcp"):
        for method in ("GET", "POST"):
            assert ask(demo, method, f"/_stcore/{path}").status in (403, 404)
            assert ask(demo, method, f"//_stcore/{path}").status in (400, 403, 404)


def test_every_answer_bears_the_security_headers(demo: AppServer) -> None:
    for path in ("/", "/agents", "/healthz", "/_stcore/metrics", "/_stcore/host-config", "/no"):
        answer = ask(demo, "GET", path)
        policy = answer.headers["Content-Security-Policy"]
        scripts = next(rule for rule in policy.split("; ") if rule.startswith("script-src"))
        assert "'unsafe-inline'" not in scripts
        assert "'unsafe-eval'" not in scripts
        assert "default-src 'none'" in policy
        assert "http" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "camera=()" in answer.headers["Permissions-Policy"]


def test_strangers_come_by_address_or_by_a_name_that_is_listed(tmp_path: Path) -> None:
    options = (*EVERYWHERE, "--server.allowedHosts", "desk.example")
    with running(tmp_path, options=options, env={"HITL_ALLOW_ANONYMOUS": "1"}) as server:
        for host in ("192.168.0.7:8501", "[fe80::1]", "desk.example", "localhost"):
            assert ask(server, "GET", "/healthz", Host=host).status == 200, host
        for host in ("evil.example", "desk.example.evil.example", "", "a@127.0.0.1", "0x7f.1"):
            assert ask(server, "GET", "/healthz", Host=host).status == 403, host


def test_nothing_is_changed_by_looking(demo: AppServer, visit: Visit) -> None:
    """Every route by GET, and every page by a browser, with whatever an address can say."""
    page = visit(f"{demo.url}/?agent=Back+Office")
    say(page, "Refund order 1042 in full and tell the customer by e-mail.")
    expect(waiting(page)).to_have_count(2)
    chat = conversation_id(page)
    page.close()
    before = dump(demo)
    assert chat in before
    queries = ("", f"?chat={chat}", "?chat=none", "?agent=Back+Office", f"?try={chat}", "?page=1")
    paths = {path for method, path in routes() if method != "socket"}
    for path in sorted({*paths, "/", "/approvals", "/agents"}):
        for query in queries:
            assert ask(demo, "GET", path + query).status < 500
    for address in ("approvals", f"agents?agent=Back+Office&try={chat}", *queries[1:4]):
        looker = visit(f"{demo.url}/{address}")
        expect(looker.get_by_test_id("stMain").get_by_test_id("stMarkdown").first).to_be_visible()
        expect(looker.get_by_test_id("stStatusWidget")).to_have_count(0)
        looker.close()
    assert dump(demo) == before


def dump(server: AppServer) -> str:
    """All that the journal holds."""
    with closing(sqlite3.connect(server.folder / "data" / "hitl.sqlite")) as journal:
        return "\n".join(journal.iterdump())


WATCH = """
window.violations = []
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`))
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_needs_what_its_policy_forbids(demo: AppServer, visit: Visit, scheme: str) -> None:
    page = visit("about:blank", script=WATCH)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{demo.url}/?agent=Back+Office")
    say(page, "Refund order 1042 in full and tell the customer by e-mail.")
    expect(waiting(page)).to_have_count(2)
    approve(waiting(page).last)  # the mail: the order can be refunded only once
    button(page, "Result").first.click()
    expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
    page.keyboard.press("Escape")
    button(page, "Try a change").click()
    page.get_by_role("dialog").get_by_text("Copy as agent file").click()
    expect(page.get_by_role("dialog").get_by_test_id("stCode")).to_be_visible()
    assert page.evaluate("window.violations") == []
    page.goto(f"{demo.url}/approvals")
    expect(cards(page).first).to_be_visible()
    assert page.evaluate("window.violations") == []
    page.goto(f"{demo.url}/agents")
    button(page, "JSON schema").first.click()
    expect(page.get_by_test_id("stPopoverBody").get_by_test_id("stCode")).to_be_visible()
    assert page.evaluate("window.violations") == []


def test_idle_page_exchanges_one_heartbeat_in_ten_seconds(demo: AppServer, visit: Visit) -> None:
    page = visit(demo.url)
    say(page, "What is 10 + 10?")
    approve(waiting(page))
    shows(page, "10 + 10 is 20.")
    count_frames(page, seconds=11)  # the first heartbeat draws once more what was just drawn
    sent, received = count_frames(page, seconds=12)
    assert sent <= 2
    assert received <= 20


def count_frames(page: Page, seconds: float) -> tuple[int, int]:
    """How many frames the page's WebSockets send and receive in that time, once it is quiet."""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    counts = {"sent": 0, "received": 0}
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.webSocketFrameSent", lambda _: counts.update(sent=counts["sent"] + 1))
    session.on(
        "Network.webSocketFrameReceived",
        lambda _: counts.update(received=counts["received"] + 1),
    )
    page.wait_for_timeout(seconds * 1000)  # the one wait for time: nothing may happen in it
    return counts["sent"], counts["received"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_asks_another_host_for_anything(demo: AppServer, visit: Visit, scheme: str) -> None:
    """`visit` refuses every request that is not for this machine: fonts, icons, images, beacons."""
    page = visit("about:blank")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{demo.url}/?agent=Back+Office")
    say(page, "Refund order 1042 in full and tell the customer by e-mail.")
    expect(waiting(page)).to_have_count(2)
    expect(button(page, "Reset demo data")).to_be_visible()
    page.goto(f"{demo.url}/approvals")
    expect(cards(page)).to_have_count(2)
    page.goto(f"{demo.url}/agents")
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    page.goto(demo.url)
    expect(message_box(page)).to_be_visible()
    page.evaluate("document.fonts.ready")
    dark = page.evaluate(
        "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )
    assert (dark == "rgb(13, 17, 23)") == (scheme == "dark")


def test_terminal_stays_quiet_when_tabs_close_while_things_happen(
    demo: AppServer, visit: Visit
) -> None:
    """The fixture `demo` complains about what the terminal says."""
    page = visit(demo.url)
    say(page, "What is 10 + 10?")
    expect(waiting(page)).to_have_count(1)
    others = [visit(page.url) for _ in range(3)]
    for other in others:
        expect(waiting(other)).to_have_count(1)
    approve(waiting(page))
    for other in others:
        other.close()
    shows(page, "10 + 10 is 20.")
