"""What a click on a card costs: one message there, and back nothing of the other cards."""

from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Locator, Page, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.app_server import AppServer
from tests.browser.conftest import Visit
from tests.browser.model import Model, pay
from tests.browser.visitor import approve, button, card, request_id, say, waiting

# Keeps what the page sends to the server, in order.
LISTEN = """
window.sent = []
const send = WebSocket.prototype.send
WebSocket.prototype.send = function (message) {
  sent.push([...new Uint8Array(message)])
  return send.call(this, message)
}
"""
# Resolves with what was sent until the field is there, which comes by a change of the page.
UNTIL_FIELD = """(selector) => {
  sent.length = 0
  window.untilField = new Promise((resolve) => {
    new MutationObserver((_, watch) => {
      if (!document.querySelector(selector)) return
      watch.disconnect()
      resolve([...sent])
    }).observe(document, { subtree: true, childList: true })
  })
}"""
# Notes whatever is changed in a card from now on.
WATCH = """(card) => {
  window.touched ??= []
  new MutationObserver((changes) => {
    for (const { type, attributeName, target } of changes)
      touched.push(`${type} ${attributeName ?? ""} ${target.outerHTML ?? target.data}`)
  }).observe(card, { subtree: true, childList: true, attributes: true, characterData: true })
}"""


def test_edit_form_is_one_round_trip_away(app: AppServer, model: Model, visit: Visit) -> None:
    """The click itself leads to it, and no second message that the page is told to send."""
    model.will(pay(1, 2, 3))
    page = visit(f"{app.url}/?agent=Zoom", script=LISTEN)
    say(page, "Pay")
    here = _armed(page, "Pay 2 to Ada", of=3)
    page.evaluate(UNTIL_FIELD, f".st-key-edit-form-{request_id(here)} input")
    button(here, "Edit").click()
    expect(here.get_by_label("amount", exact=True)).to_be_editable()
    messages = [_read(each) for each in page.evaluate("() => untilField")]
    asked = [each for each in messages if not _is_heartbeat(each)]
    assert [_pressed(each) for each in asked] == [[f"edit-{request_id(here)}"]]


def test_deciding_one_of_three_cards_redraws_that_card_alone(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """The others are neither sent again nor changed in the page, by so much as an attribute."""
    model.will(pay(1, 2, 3))
    page = visit("about:blank")
    received: list[bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", _noting(received)))
    page.goto(f"{app.url}/?agent=Zoom", wait_until="commit")
    say(page, "Pay")
    here = _armed(page, "Pay 2 to Ada", of=3)
    others = [card(page, f"Pay {amount} to Ada") for amount in (1, 3)]
    for other in others:
        other.evaluate(WATCH)
    decided, names = request_id(here), tuple(map(request_id, others))
    received.clear()
    approve(here)
    expect(card(page, "Pay 2 to Ada")).to_contain_text("Done")
    expect(page.get_by_text("2 requests wait for you")).to_be_visible()
    assert page.evaluate("() => touched") == []
    drawn = list(_keys_drawn(received))
    assert f"request-{decided}" in drawn
    assert not [key for key in drawn if key.endswith(names)]


def _armed(page: Page, text: str, *, of: int) -> Locator:
    """The card that says this, once all of them have come and can be decided."""
    expect(waiting(page)).to_have_count(of)
    for place in range(of):
        expect(button(waiting(page).nth(place), "Approve")).to_be_enabled()
    page.wait_for_function(  # so that nothing of what armed them is still on its way
        "() => !document.querySelector('[data-test-script-state=running]')"
    )
    return card(page, text)


def _noting(received: list[bytes]) -> Any:
    return lambda frame: received.append(frame if isinstance(frame, bytes) else b"")


def _read(message: list[int]) -> BackMsg:
    read = BackMsg()
    read.ParseFromString(bytes(message))
    return read


def _is_heartbeat(message: BackMsg) -> bool:
    states = message.rerun_script.widget_states.widgets
    return any("beat" in each.json_trigger_value for each in states)


def _pressed(message: BackMsg) -> list[str]:
    """The keys of the buttons that a message says were pressed."""
    states = message.rerun_script.widget_states.widgets
    return [_key(each.id) for each in states if each.trigger_value]


def _key(identifier: str) -> str:
    """The key of a container or widget, which its id (`$$ID-<digest>-<key>`) ends with."""
    return identifier.split("-", 2)[-1]


def _keys_drawn(received: list[bytes]) -> Iterator[str]:
    """The keys of the containers and buttons in what the server sent."""
    for frame in received:
        message = ForwardMsg()
        message.ParseFromString(frame)
        block, element = message.delta.add_block, message.delta.new_element
        for identifier in (block.id, element.button.id, element.text_input.id):
            if identifier:
                yield _key(identifier)
