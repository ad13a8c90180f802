"""Text that would like to act, or to look like something else: shown to the letter, and whole."""

import re

from playwright.sync_api import Page, expect

from tests.browser.app_server import AppServer
from tests.browser.conftest import Visit
from tests.browser.model import Model
from tests.browser.visitor import approve, button, cards, message_box, say, shows, waiting
from tests.openai_server import Call, Reply

PLAIN = (
    "**bold** ![leak](http://evil.example/leak.png) <img src=http://evil.example/x.png> "
    "<script>document.title='gone'</script> [link](http://evil.example/) :red[danger] "
    ":material/check: $a^2$ and $b^2$ -> `code` # head http://evil.example/auto"
)
HIDDEN = "invoice\u202efdp.exe zero\u200bwidth"
SPELLED = "invoice[U+202E]fdp.exe zero[U+200B]width"
# What a page would make of it if it took it for Markdown or HTML.
ACTIVE = "img:not([alt='assistant avatar']):not([alt='user avatar']), .katex, a[href*=evil], script"
LONG = "\n".join(f"{number:06d} {'**x** $y$ ' * 90}end" for number in range(110))  # 100 KB


def shown(page: Page) -> str:
    """All text of the page, without the sidebar and the browser's line breaks."""
    return page.locator("[data-testid=stMain]").inner_text()


def assert_harmless(page: Page) -> None:
    main = page.locator("[data-testid=stMain]")
    assert main.locator("img[src*=evil], a[href*=evil], .katex, script, strong strong").count() == 0
    assert "gone" not in page.title()
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", main.inner_text())


def test_hostile_message_is_literal(app: AppServer, model: Model, visit: Visit) -> None:
    model.will(Reply("Fine."))
    page = visit(app.url)
    say(page, f"{PLAIN} {HIDDEN}")
    shows(page, "Fine.")
    assert PLAIN in shown(page)
    assert SPELLED in shown(page)
    assert_harmless(page)
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text("**bold**").first).to_be_visible()
    assert sidebar.locator("a[href*=evil], .katex, img[src*=evil]").count() == 0


def test_hostile_arguments_and_results_are_literal_and_whole(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = visit(app.url)
    model.will(Reply(calls=[Call("note", {"text": f"{PLAIN} {HIDDEN}"})]))
    say(page, "Note it")
    expect(waiting(page)).to_have_count(1)
    expect(cards(page)).to_contain_text(PLAIN)
    expect(cards(page)).to_contain_text(SPELLED)
    assert_harmless(page)
    model.will(Reply("Noted."))
    approve(waiting(page))
    shows(page, "Noted.")
    button(cards(page), "Result").click()
    expect(page.get_by_test_id("stPopoverBody")).to_contain_text(f"noted: {PLAIN} {SPELLED}")
    assert_harmless(page)


def test_short_hostile_argument_is_literal_in_sentence_and_table(
    app: AppServer, model: Model, visit: Visit
) -> None:
    hostile = "![x](http://evil.example/i.png) `:red[a]` $b$"
    model.will(Reply(calls=[Call("pay", {"amount": 1, "to": hostile})]))
    page = visit(app.url)
    say(page, "Pay them")
    expect(cards(page)).to_contain_text(f"Pay 1 to {hostile}")
    expect(cards(page).get_by_role("table")).to_contain_text(hostile)
    assert_harmless(page)


def test_step_that_ran_freely_shows_hostile_text_literally(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply(calls=[Call("look", {"text": f"{PLAIN} {HIDDEN}"})]), Reply("Found."))
    page = visit(app.url)
    say(page, "Look")
    shows(page, "Found.")
    expect(cards(page)).to_have_count(0)
    page.get_by_text(re.compile(r"^look · done")).click()
    shows(page, f"{PLAIN} {SPELLED}")
    assert_harmless(page)


def test_assistant_speaks_markdown_without_images_html_or_directives(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(
        Reply(
            "A **bold** word, `code ![a](b)`.\n\n![leak](http://evil.example/leak.png)\n\n"
            "![ref][r]\n\n[r]: http://evil.example/ref.png\n\n"
            "<img src=http://evil.example/x.png>\n\n:red[danger] $a^2$ $b$ :material/check:\n\nend"
        )
    )
    page = visit(app.url)
    say(page, "Speak")
    shows(page, "end")
    main = page.locator("[data-testid=stMain]")
    expect(main.locator("strong", has_text="bold")).to_have_count(1)
    expect(main.locator("code", has_text="code ![a](b)")).to_have_count(1)
    shows(page, ":red[danger]")
    shows(page, "$a^2$")
    shows(page, "<img src=http://evil.example/x.png>")
    assert main.locator("img[src*=evil], .katex").count() == 0


# What looks like code to one parser, and to another not.
DISGUISED = (
    "\\`{}\\`",
    "a ` b\n\n{}\n\nc ` d",
    "<pre></pre>\n    {}",
    "<!-- -->\n    {}",
    "- ` a\n- {} ` b",
    "| a | b |\n|---|---|\n| ` | {} ` |",
    "[](<`>) {} `",
    "` a\n[^1]: {} ` b\n\n[^1]",
    "` a\n::leaf\n{} ` b",
    "[r]: http://evil.example/r\n\t{}",
    "https://evil.example/`a {} `",
    "www.evil.example/`a {} `",
    "    {}",
)


def test_power_that_looks_like_code_is_lost_on_the_page(
    app: AppServer, model: Model, visit: Visit
) -> None:
    power = "![leak](http://evil.example/leak.png) $a^2$ :red[danger] :material/check: :material_x:"
    page = visit(app.url)
    for number, disguise in enumerate(DISGUISED):
        model.will(Reply(f"{disguise.format(power)}\n\nend {number}"))
        say(page, f"Speak {number}")
        shows(page, f"end {number}")
    said = page.locator("[data-testid=stChatMessage] [data-testid=stMarkdown]")
    assert said.count() >= len(DISGUISED)
    acting = said.locator("img, .katex, .stMarkdownColoredText, [role=img]")
    assert [each.evaluate("it => it.outerHTML") for each in acting.all()] == []


def test_names_of_pictures_icons_and_colors_stay_words_and_diagrams_code(
    app: AppServer, model: Model, visit: Visit
) -> None:
    words = ":smile: :100: :material_check: :streamlit: the light is :red and key:green :help"
    page = visit(app.url)
    model.will(Reply(f"{words}\n\n`:+1:` too\n\n```mermaid\ngraph TD; A-->B\n```\n\nend"))
    say(page, f"{words} -> http://evil.example/title")
    shows(page, "end")
    said = page.get_by_test_id("stChatMessage")
    expect(said.last).to_contain_text(words)
    expect(said.last.get_by_test_id("stCode")).to_contain_text("graph TD; A-->B")
    expect(page.get_by_test_id("stMermaidChart")).to_have_count(0)
    title = page.get_by_test_id("stSidebar").get_by_role("button").filter(has_text=":smile:")
    expect(title.first).to_contain_text(words[:30])
    made = page.locator(":is(.stMarkdownColoredText, [role=img], img[src])")
    texts = page.locator(":is([data-testid=stChatMessageContent], [data-testid=stSidebar])")
    assert texts.locator(made).filter(has_not_text="1").count() == 0


def test_look_alikes_are_marked_in_message_answer_title_and_card(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = visit(app.url)
    model.will(Reply("I see p\u0430ypal.com", calls=[Call("pay", {"amount": 1, "to": "\uff21da"})]))
    say(page, "Pay g\u043e\u043egle")
    expect(cards(page)).to_contain_text("Pay 1 to \uff21[U+FF21]da")
    expect(cards(page).get_by_role("table")).to_contain_text("\uff21[U+FF21]da")
    shows(page, "I see p\u0430[U+0430]ypal.com")
    marked = "Pay g\u043e[U+043E]\u043e[U+043E]gle"
    shows(page, marked)
    expect(page.get_by_test_id("stSidebar").get_by_text(marked).first).to_be_visible()


def test_page_loads_nothing_from_elsewhere_even_if_a_text_gets_through(
    app: AppServer, visit: Visit
) -> None:
    page = visit(app.url)
    expect(message_box(page)).to_be_visible()
    blocked = page.evaluate(
        """() => new Promise((resolve) => {
          document.addEventListener("securitypolicyviolation", (event) => resolve(event.blockedURI))
          new Image().src = "http://localhost:1/leak.png"
        })"""
    )
    assert blocked == "http://localhost:1/leak.png"


def test_100_kilobytes_are_shown_whole_in_message_argument_and_result(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply(calls=[Call("note", {"text": LONG})], chunk_size=10_000))
    page = visit(app.url)
    say(page, LONG)
    expect(waiting(page)).to_have_count(1)
    assert model.requests[0]["messages"][-1]["content"] == LONG
    lines = LONG.split("\n")
    assert lines[-1] in page.get_by_test_id("stChatMessage").first.text_content()
    argument = cards(page).get_by_test_id("stCode").text_content()
    assert argument is not None
    assert all(line in argument for line in lines)
    model.will(Reply("A lot."))
    approve(waiting(page))
    shows(page, "A lot.")
    button(cards(page), "Result").click()
    expect(page.get_by_test_id("stPopoverBody")).to_contain_text(lines[-1])
    assert_harmless(page)


def test_hostile_words_of_a_person_are_literal_on_the_decided_card(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply(calls=[Call("note", {"text": "x"})]))
    page = visit(app.url)
    say(page, "Note x")
    name = page.get_by_role("textbox", name="Your name")
    name.fill(":red[Root] **x**")
    name.press("Enter")
    model.will(Reply("As you wish."))
    cards(page).get_by_label("Reason (optional)").fill(
        "![a](http://evil.example/r.png) $x$ :red[no]"
    )
    button(cards(page), "Reject").click()
    shows(page, "As you wish.")
    expect(cards(page)).to_contain_text(":red[Root] **x**")
    expect(cards(page)).to_contain_text("![a](http://evil.example/r.png) $x$ :red[no]")
    assert_harmless(page)
