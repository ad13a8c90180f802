"""A model that fails: said clearly in the conversation, which stays usable, and Retry."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app_server import AppServer
from tests.browser.conftest import Visit
from tests.browser.model import Model, pay
from tests.browser.visitor import approve, button, cards, say, shows, waiting
from tests.openai_server import Call, Reply

TRIES = 3  # the client's own, before we hear of it


def alert(page: Page, text: str) -> None:
    expect(page.get_by_test_id("stAlert").last).to_contain_text(text)


def test_retry_after_an_outcome_repeats_neither_message_nor_tool(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(4))
    page = visit(app.url)
    say(page, "Pay 4")
    model.will(*[Reply(status=500)] * TRIES)
    approve(waiting(page))
    alert(page, "500")
    assert app.effects() == ["pay 4 Ada"]
    model.will(Reply("Paid, after all."))
    button(page, "Retry").click()
    shows(page, "Paid, after all.")
    expect(button(page, "Retry")).to_have_count(0)
    assert model.requests[-1]["messages"] == model.requests[1]["messages"]
    assert app.effects() == ["pay 4 Ada"]
    expect(cards(page)).to_have_count(1)


BAD_REPLIES = {
    "wrong key": ([Reply("Incorrect API key.", status=401)], "API key"),
    "too many requests": ([Reply(status=429)] * TRIES, "too many requests"),
    "not JSON": ([Reply("hello", garbage=True)], "not JSON"),
    "cut off in a call": (
        [Reply(calls=[Call("pay", {"amount": 10, "to": "Ada"})], cut_off=True)],
        "cut off",
    ),
    "connection lost": ([Reply("half an answer", drop_after=2)], "broke off"),
    "empty": ([Reply("")], "empty"),
}


@pytest.mark.parametrize("names", [list(BAD_REPLIES)[:3], list(BAD_REPLIES)[3:]], ids=", ".join)
def test_bad_reply_is_told_and_the_conversation_goes_on(
    app: AppServer, model: Model, visit: Visit, names: list[str]
) -> None:
    page = visit(app.url)
    for name in names:
        replies, words = BAD_REPLIES[name]
        model.will(*replies)
        say(page, f"What about {name}?")
        alert(page, words)
        expect(button(page, "Retry").last).to_be_visible()
    model.will(Reply("All is well now."))
    button(page, "Retry").last.click()
    shows(page, "All is well now.")
    model.will(Reply("Still well."))
    say(page, "And now?")
    shows(page, "Still well.")
    assert app.effects() == []
    expect(cards(page)).to_have_count(0)


def test_call_that_does_not_fit_is_answered_to_the_model_and_bothers_nobody(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(
        Reply(
            calls=[
                Call("pay", {"amount": "a lot", "to": "Ada"}),
                Call("pay", '{"amount": 1'),
                Call("vanish", {}),
            ]
        ),
        Reply("I gave up."),
    )
    page = visit(app.url)
    say(page, "Pay a lot")
    shows(page, "I gave up.")
    expect(waiting(page)).to_have_count(0)
    assert "Tool vanish does not exist" in model.told()
    assert app.effects() == []


def test_tool_that_raises_is_an_answer_to_the_model(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply(calls=[Call("break_down", {})]))
    page = visit(app.url)
    say(page, "Break down")
    model.will(Reply("It broke."))
    approve(waiting(page))
    shows(page, "It broke.")
    expect(cards(page)).to_contain_text("Failed")
    assert model.told() == ["Encountered error in tool call: the <b>machine</b> broke down"]
    assert app.effects() == ["break_down"]
