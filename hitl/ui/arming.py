"""Buttons that can't be hit by accident: what just appeared or moved can be clicked a moment later.

Until then the server draws the buttons disabled. The browser says when the moment has passed, for
all cards at once, and when something other than the reader moved the buttons; the server's own
clock has the last word. A click that comes too early is refused in words, never swallowed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import streamlit as st
from streamlit.errors import StreamlitAPIException

from hitl.ui import live, text
from hitl.ui.clicks import click, follow_up, say
from hitl.ui.office import settings

TOO_EARLY = "That did not count: the card had just moved. Press again."
# The browser's clock and ours need not agree to the millisecond.
TOLERANCE_SECONDS = 0.05
LONGEST_NAME = 200

_arming = st.components.v2.component(
    "hitl_arming",
    html='<span aria-hidden="true"><i></i></span>',
    css="""
span { display: block; width: 3rem; height: 2px; border-radius: 1px; overflow: hidden; }
i { display: block; height: 100%; width: 0; background: var(--st-primary-color); }
span.waits { background: var(--st-border-color); }
span.waits i { width: 100%; animation: fill var(--moment) linear; }
@keyframes fill { from { width: 0 } }
""",
    js="""
const FAR = 8, LOOK = 50, RESIZING = 1000, AGAIN = 3000
const page = (window.hitlArming ??=
  { cards: new Map(), places: new WeakMap(), pressed: new Set(), count: 0 })

// How far a box and all around it are scrolled; asked once per look for all that is in it.
const scrolled = (box, known) => {
  if (!box) return [0, 0]
  if (!known.has(box)) {
    const [x, y] = scrolled(box.parentElement, known)
    known.set(box, [x + box.scrollLeft, y + box.scrollTop])
  }
  return known.get(box)
}

// Where a button is: for the reader's eyes, and within what scrolls.
const place = (button, known) => {
  const { left, top } = button.getBoundingClientRect()
  const [x, y] = scrolled(button.parentElement, known)
  return { seen: [left, top], lies: [left + x, top + y] }
}
const apart = (one, other) => Math.max(...one.map((each, i) => Math.abs(each - other[i])))

// A move is what is neither the reader's own scrolling (it still lies where it lay) nor made good
// by the browser (it is still seen where it was seen). A button that was not there before moved.
const hasMoved = (button, known) => {
  const now = place(button, known), before = page.places.get(button)
  const lies = before && apart(now.lies, before.lies), seen = before && apart(now.seen, before.seen)
  if (!before || lies > FAR || seen > FAR) page.places.set(button, now)
  return !before || (lies > FAR && seen > FAR && !page.resized)
}

// What is calm, such as "Edit", decides nothing.
const BUTTONS = 'button:not([data-testid="stBaseButton-tertiary"])'
const foot = (card) => `.st-key-foot-${card.id}`

// A part of a card, searched for in the whole page only if it is another than before.
const part = (card, name) => {
  const found = card[name], key = `st-key-${name}-${card.id}`
  if (found?.isConnected && found.classList.contains(key)) return found
  return card[name] = document.querySelector(`.${key}`)
}

// Asked, not listened for: the event comes later than the first look at what the new size moved.
const noteSize = () => {
  const size = `${innerWidth} ${innerHeight}`
  if (page.size && page.size !== size)
    Object.assign(page, { resized: true, resizing: performance.now() + RESIZING })
  page.size = size
}

const look = () => {
  noteSize()
  const known = new Map()
  for (const card of [...page.cards.values()]) {
    if (!card.owner.isConnected) {
      forget(card)
      continue
    }
    nameGroup(card)
    if (!card.moment) continue
    const buttons = [...part(card, "foot")?.querySelectorAll(BUTTONS) ?? []]
    if (buttons.filter((button) => hasMoved(button, known)).length) {
      card.stands = performance.now()
      card.moved ||= card.armed
    }
    giveBackFocus(card)
  }
  // What a new size moved may be seen late: nobody looks while the page is drawn.
  page.resized &&= performance.now() < page.resizing
  const all = [...page.cards.values()]
  tell(all.filter((card) => !card.alone))
  for (const card of all) if (card.alone) tell([card])
  // What the size becomes while nobody looks moves no card that comes later.
  if (!all.length) page.timer = page.size = clearInterval(page.timer)
}

const isDrawing = () => document.querySelector('[data-test-script-state="running"]')

// Streamlit loses the end of a drawing when it is asked for another at that moment.
const tell = (cards) => {
  const now = performance.now(), untold = cards.filter((card) => now > card.told + AGAIN)
  const moved = untold.filter((card) => card.moved)
  // Of several cards that came together the first wait for the last, but not for long.
  const fresh = untold.filter((card) => !card.armed)
  const still = fresh.filter((card) => now > card.stands + card.moment)
  const enough = still.length === fresh.length ||
    still.some((card) => now > card.stands + 2 * card.moment)
  const news = moved.length ? moved : enough ? still : []
  if (!news.length || isDrawing()) return
  for (const card of news) card.told = now
  const what = news.some((card) => card.early) ? "early" : moved.length ? "moved" : "armed"
  news[0].fire("news", `${what} ${++page.count} ${news.map((card) => card.id).join(" ")}`)
}

// Until the server has heard of a move, the buttons look as if they could be clicked.
const guard = (event) => {
  const button = event.target.closest?.(BUTTONS)
  const card = button && [...page.cards.values()].find((each) => button.closest(foot(each)))
  if (!card?.armed) return
  page.look()
  if (!card.moved) return
  event.preventDefault()
  event.stopImmediatePropagation()
  if (event.type !== "click") return
  Object.assign(card, { early: true, told: 0 })
  page.look()
}

// A button that is disabled for a moment loses the focus; a key held down is not to press it.
const noteFocus = ({ type, target }) => {
  if (type === "focusout" && target.disabled) return
  for (const card of page.cards.values())
    card.focused = type === "focusin" && target.closest?.(`${foot(card)} ${BUTTONS}`) || null
}

// Each card has an "Approve": a screen reader says to which call it belongs.
const nameGroup = (card) => {
  const group = card.name && part(card, "request")
  if (!group || group === card.group) return
  group.setAttribute("role", "group")
  group.setAttribute("aria-label", card.name)
  card.group = group
}
const forget = (card) => {
  page.cards.delete(card.id)
  for (const what of ["role", "aria-label"]) card.group?.removeAttribute(what)
}

const giveBackFocus = (card) => {
  if (card.focused?.disabled) card.lost = card.focused
  if (!card.lost || card.lost.disabled || page.pressed.size) return
  if (document.activeElement === document.body) card.lost.focus()
  card.lost = null
}

const start = () => {
  if (page.timer) return
  // A card that is half drawn moves the ones below it for a moment; a click looks all the same.
  page.timer = setInterval(() => isDrawing() || page.look(), LOOK)
  if (page.started) return
  page.started = true
  addEventListener("keydown", (event) => page.pressed.add(event.code), true)
  addEventListener("keyup", (event) => page.pressed.delete(event.code), true)
  addEventListener("blur", () => page.pressed.clear())
  for (const what of ["focusin", "focusout"])
    addEventListener(what, (event) => page.noteFocus(event))
  for (const what of ["pointerdown", "click"])
    addEventListener(what, (event) => page.guard(event), true)
}

export default function ({ data, parentElement, setTriggerValue }) {
  const before = page.cards.get(data.id)
  const fresh = { id: data.id, stands: performance.now(), told: 0 }
  const card = Object.assign(before ?? fresh, { fire: setTriggerValue, owner: parentElement })
  if (card.armed !== data.armed) Object.assign(card, { told: 0, moved: false, early: false })
  if (card.armed && !data.armed) card.stands = performance.now()
  Object.assign(card, data)
  page.cards.set(data.id, card)
  Object.assign(page, { look, guard, noteFocus })
  const bar = parentElement.querySelector("span")
  bar.style.setProperty("--moment", `${data.moment}ms`)
  bar.classList.toggle("waits", !data.armed)
  start()
}
""",
)


@dataclass
class Stance:
    """Since when the buttons of a card stand still, in seconds of the monotonic clock."""

    since: float
    armed: bool = False


def draw_when_armed(request_id: str, draw: Callable[[bool], None], name: str = "") -> None:
    """Draw the buttons of a card in a row, and redraw them alone once they can be clicked.

    Args:
        request_id: of the card.
        draw: draws the buttons, disabled unless it is passed True.
        name: of the card, for screen readers: its buttons are called like those of other cards.
    """

    live.note_part(_fragment(request_id))

    @st.fragment(key=_fragment(request_id))
    def body() -> None:
        _draw_row(request_id, draw, _hear, name)
        if not st.session_state.whole:
            follow_up()

    body()


def draw_in_dialog(name: str, draw: Callable[[bool], None]) -> None:
    """The same at the foot of a dialog, which is redrawn as a whole."""
    _draw_row(name, draw, _hear_in_dialog)


def _draw_row(
    request_id: str, draw: Callable[[bool], None], hear: Callable[[str], None], name: str = ""
) -> None:
    armed = is_armed(request_id)
    key = f"foot-{request_id}"
    with st.container(key=key, horizontal=True, gap="small", vertical_alignment="center"):
        draw(armed)
        _watch(request_id, armed, hear, name)


def is_armed(request_id: str) -> bool:
    """Whether the buttons of a card have stood still for long enough to be clicked."""
    if not settings().arm_seconds:
        return True
    return _stances().setdefault(request_id, Stance(time.monotonic())).armed


def disarm(request_id: str) -> None:
    """Other buttons stand on the card now: they are armed like those of a new one."""
    _stances().pop(request_id, None)


def is_refused(request_id: str) -> bool:
    """Whether a click came too early to count, which is then said."""
    if is_armed(request_id):
        return False
    say(TOO_EARLY)
    return True


def redraw(request_id: str) -> None:
    """After a click on a card: redraw the card, then what else changed. Only for callbacks."""
    live.redraw_around(_fragment(request_id))


def _fragment(request_id: str) -> str:
    return f"buttons-{request_id}"


def _stances() -> dict[str, Stance]:
    """The cards of the page that is open; on another page they have just appeared."""
    path = urlsplit(st.context.url or "").path
    if st.session_state.get("stances-path") != path:
        st.session_state["stances-path"], st.session_state["stances"] = path, {}
    stances: dict[str, Stance] = st.session_state["stances"]
    return stances


def _watch(request_id: str, armed: bool, hear: Callable[[str], None], name: str) -> None:
    key = f"arming-{request_id}"
    _arming(
        key=key,
        data={
            "id": request_id,
            "armed": armed,
            "moment": settings().arm_seconds * 1000,
            "alone": hear is _hear_in_dialog,
            "name": text.shorten(" ".join(text.visible(name).split()), LONGEST_NAME),
        },
        on_news_change=partial(hear, key),
        width=48,
        height=2,
    )


@click
def _hear(key: str) -> None:
    _redraw_buttons(_heard(key))


@click
def _hear_in_dialog(key: str) -> None:
    _heard(key)  # and the dialog is redrawn, as it is after any click in it


def _heard(key: str) -> list[str]:
    """The browser says of one or more cards that they have stood still, or moved; which ones."""
    words = str(getattr(st.session_state.get(key), "news", "")).split()
    what, requests = "".join(words[:1]), words[2:]
    known = {each: stance for each, stance in _stances().items() if each in requests}
    now = time.monotonic()
    for stance in known.values():
        if what != "armed":
            stance.since, stance.armed = now, False
        elif now - stance.since >= settings().arm_seconds - TOLERANCE_SECONDS:
            stance.armed = True
    if what == "early":
        say(TOO_EARLY)
    return list(known)


def _redraw_buttons(requests: list[str]) -> None:
    try:
        live.redraw([_fragment(each) for each in requests] or ["ears"])
    except StreamlitAPIException:  # one is gone, being decided; the browser asks for the others
        live.redraw_what_changed("ears")
