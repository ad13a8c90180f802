"""What the server refuses, and how it says so."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.browser.app_server import AppServer, running, until
from tests.browser.conftest import TRACEBACK, Visit
from tests.browser.visitor import approve, button, cards, message_box, say, shows, waiting

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
        expect(page.get_by_test_id("stAlert").first).to_contain_text("database", ignore_case=True)
        assert server.health()[0] == 503
        assert TRACEBACK not in server.log(), server.log()
    finally:
        server.kill()
        if (tmp_path / "data").is_dir():
            (tmp_path / "data").chmod(0o755)


def about_the_database(log: str) -> list[str]:
    return [line for line in log.splitlines() if "database" in line.lower()]


@pytest.mark.parametrize("path", ["/api/live", "/_stcore/stream"])
def test_foreign_origin_is_refused(demo: AppServer, path: str) -> None:
    address = demo.url.replace("http", "ws") + path
    with connect(address, origin=demo.url):  # type: ignore[arg-type]
        pass
    with pytest.raises(InvalidStatus) as refused, connect(address, origin="http://evil.example"):
        pass
    assert refused.value.response.status_code == 403


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
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
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
