"""Live areas: parts of a page that are redrawn, each alone, when what they show has changed.

The server tells the page to look again; the page then redraws the areas whose signature differs
from what they drew last. While nothing changes nothing is sent, but for one heartbeat. While the
database is away, areas keep what they show.
"""

import secrets
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from hitl.errors import HitlError, JournalUnavailable
from hitl.memory import Memory, remembering
from hitl.ui.clicks import follow_up, guarded
from hitl.ui.listening import is_listening

P = ParamSpec("P")
T = TypeVar("T")
NOT_NOW = "Not now: the database can't be reached. Try again when it is back."
HEARTBEAT_SECONDS = 10
LONGEST_COUNT = 10
NEVER = object()

_ears = st.components.v2.component(
    "hitl_ears",
    html="<i hidden></i>",
    js="""
export default function ({ data, parentElement, setTriggerValue }) {
  // A drawing of the whole page can be lost on its way; then the page has not heard of the newest.
  clearTimeout(window.hitlCheck)
  window.hitlCheck = setTimeout(() => {
    if (window.hitlShown?.drawing !== data.drawing) window.hitlStartOver?.()
  }, 3000)
  const all = (window.hitlEars ??= new WeakMap())
  const known = all.get(parentElement)
  if (known && known.url === data.url) {
    known.fire = setTriggerValue
    known.answered(data.heard)
    return known.stop
  }
  known?.stop()
  // Streamlit loses the end of a drawing when it is asked for another at that moment; so nothing
  // is asked for before the page has received all of the last one. What comes meanwhile is one.
  const ears = { url: data.url, fire: setTriggerValue, dead: false, pause: 250 }
  let count = data.heard, news = null, patience = 0
  const drawing = () =>
    performance.now() < patience || document.querySelector('[data-test-script-state="running"]')
  const tell = (what) => {
    const waiting = news
    news = what
    if (!waiting) speak()
  }
  const speak = () => {
    if (ears.dead || news === null) return
    if (drawing()) return setTimeout(speak, 10)
    patience = performance.now() + 3000
    ears.fire("event", `${news} ${++count}`)
    news = null
  }
  ears.answered = (heard) => { if (heard >= count) { patience = 0; speak() } }
  const open = (again) => {
    if (ears.dead) return
    ears.socket = new WebSocket(new URL(data.url, location.href.replace(/^http/, "ws")))
    ears.socket.onopen = () => { ears.pause = 250; again ? window.hitlStartOver?.() : tell("open") }
    ears.socket.onmessage = () => tell("news")
    ears.socket.onclose = () => {
      ears.timer = setTimeout(open, ears.pause, true)
      ears.pause = Math.min(ears.pause * 2, 8000)
    }
  }
  const beat = setInterval(tell, data.heartbeat, "beat")
  ears.stop = () => {
    ears.dead = true
    clearTimeout(ears.timer)
    clearInterval(beat)
    if (ears.socket) { ears.socket.onclose = null; ears.socket.close() }
    all.delete(parentElement)
  }
  open(false)
  all.set(parentElement, ears)
  return ears.stop
}
""",
)

# After a restart the server knows none of the page's fragments and drops what they send; only
# something outside of them can have the page drawn anew. It asks until that has happened, since
# Streamlit's own connection may come back later than ours. It may also come back earlier and draw
# the page without being asked, in a new session. Either way the server is told which new chat the
# page showed: that may have begun just before the end, and the address not know it yet.
_start_over = st.components.v2.component(
    "hitl_start_over",
    html="<i hidden></i>",
    js="""
export default function ({ data, setTriggerValue }) {
  let count = 0
  const startOver = (shown) => {
    const before = window.hitlShown.drawing
    const ask = () => {
      if (window.hitlShown.drawing !== before) return
      setTriggerValue("again", `${shown.chat} ${++count}`)
      setTimeout(ask, 1000)
    }
    ask()
  }
  const shown = window.hitlShown
  window.hitlShown = data
  window.hitlStartOver = () => startOver(data)
  if (shown?.chat && shown.page !== data.page) startOver(shown)
}
""",
)


def begin() -> None:
    """Forget the areas of the page that was drawn before."""
    st.session_state.areas = {}
    st.session_state.drawn = {}
    st.session_state.sure = {}
    st.session_state.looked = {}
    st.session_state.inside = {}
    st.session_state.kept = {}
    st.session_state.drawing = []
    st.session_state.whole = True
    st.session_state.pop("whole-page", None)
    memory().begin()


def end() -> None:
    """The whole page is drawn; from now on its areas are drawn one by one."""
    st.session_state.whole = False


def memory() -> Memory:
    """What this visitor's page has read, to draw it again while the database is away."""
    remembered: Memory = st.session_state.setdefault("memory", Memory())
    return remembered


def as_last_seen() -> AbstractContextManager[None]:
    """For as long as this lasts, what can't be read is as it was when this page read it last."""
    return remembering(memory())


def dialog(draw: Callable[P, None]) -> Callable[P, None]:
    """What a dialog draws, which is asked for by a click: it says itself if it can't be drawn."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> None:
        with as_last_seen():
            if not guarded(lambda: draw(*args, **kwargs)):
                st.warning(NOT_NOW, icon=":material/database_off:")

    return drawn


def once(key: Hashable, look: Callable[[], T]) -> T:
    """What `look` found, asked only once while the page is compared or one area is drawn."""
    looked: dict[Hashable, T] = st.session_state.looked
    if key not in looked:
        looked[key] = look()
    return looked[key]


def kept() -> dict[str, Any]:
    """What has been read and may be used for as long as the page stands, by whoever checks it."""
    found: dict[str, Any] = st.session_state.kept
    return found


def area(key: str, signature: Callable[[], Hashable], draw: Callable[[], None]) -> None:
    """Draw a part of the page that will be redrawn alone, and with the area that it is drawn in.

    Args:
        key: its name, unique in the page.
        signature: what it shows, in short; compared to what it was when it was drawn.
        draw: draws it.
    """
    st.session_state.areas[key] = signature
    note_part(key)

    @st.fragment(key=key)
    def body() -> None:
        with as_last_seen(), _drawing(key) as is_part:
            if not is_part:
                st.session_state.looked = {}
            _forget_parts(key)
            seen = _look(signature)
            _note_drawing(key, seen if guarded(draw) else NEVER)
        if not st.session_state.whole and not is_part:
            follow_up()

    body()


@contextmanager
def _drawing(key: str) -> Iterator[bool]:
    """Whether an area is drawn as a part of another one, not alone."""
    stack: list[str] = st.session_state.drawing
    stack.append(key)
    try:
        yield len(stack) > 1
    finally:
        stack.remove(key)


def note_part(key: str) -> None:
    """A fragment in the area that is being drawn, if one is: it is redrawn with that."""
    if is_in_area():
        st.session_state.inside[key] = st.session_state.drawing[-1]


def is_in_area() -> bool:
    """Whether what is drawn now is a part of an area, and not of the page alone."""
    return bool(st.session_state.drawing)


def _forget_parts(key: str) -> None:
    """What an area was made of before; it may be made of other parts now."""
    inside = st.session_state.inside
    for part in [part for part, of in inside.items() if of == key]:
        for kept in (st.session_state.areas, inside):
            kept.pop(part, None)


def _note_drawing(key: str, seen: Hashable) -> None:
    """Only once it is drawn: a drawing that was broken off is not a drawing."""
    st.session_state.drawn[key] = seen
    if st.session_state.whole:
        st.session_state.sure[key] = seen


def listen(conversation_id: str = "", new_chat: str = "") -> None:
    """Hear of changes in a conversation, and of the number of requests that wait anywhere.

    Args:
        conversation_id: the conversation that the page shows, if it has begun.
        new_chat: the id that a new chat on the page will have once it begins. Where the page asks
            to start over, `shown_before` is the one that it showed when the connection was lost.
    """
    key, drawing = f"ears-{conversation_id}", secrets.token_hex(4)

    def heard() -> None:
        what, _, count = str(getattr(st.session_state.get(key), "event", "")).partition(" ")
        counted = count.isdecimal() and len(count) < LONGEST_COUNT
        st.session_state.heard = int(count) if counted else 0
        if what == "beat":
            _draw_once_more()
        redraw_what_changed("ears")

    @st.fragment(key="ears")
    def body() -> None:
        _ears(
            key=key,
            data={
                "url": f"/api/live?c={conversation_id}&page={_page()}",
                "heartbeat": HEARTBEAT_SECONDS * 1000,
                "heard": st.session_state.get("heard", 0),
                "drawing": drawing,
            },
            on_event_change=heard,
            height=1,
        )
        if not st.session_state.whole:
            follow_up()

    with st.container(key="ears-place", height=1, border=False):
        data = {"drawing": drawing, "page": _page(), "chat": new_chat}
        answer = _start_over(
            key="start-over", data=data, on_again_change=_told_by_its_result, height=1
        )
        body()
    shown = str(answer.get("again") or "").partition(" ")[0]
    if shown and shown.isascii():  # as our ids are; a page can be made to say anything
        st.session_state["shown-before"] = shown


def shown_before() -> str:
    """The new chat that the page showed when the connection was lost; "" if it was none."""
    return str(st.session_state.get("shown-before", ""))


def forget_what_was_shown() -> None:
    """It has been looked up."""
    st.session_state.pop("shown-before", None)


def _told_by_its_result() -> None:
    """A new session calls nobody back; but a result only has what there is a callback for."""


def _page() -> str:
    return str(st.session_state.setdefault("page", secrets.token_hex(6)))


def leave_it_to_the_news(here: str) -> None:
    """After a message was sent: draw nothing now if the page is about to hear of it.

    What it set off is then drawn once, when it has come to rest or a tenth of a second later,
    instead of twice. Only to be called by a widget's callback.
    """
    if not is_listening(_page()):
        redraw_what_changed(here)
        return
    redraw(["ears"])


def redraw_around(here: str) -> None:
    """Redraw the area that a fragment is in; the rest follows with the news of what was done.

    So what a person looks at is there first. Only to be called by a widget's callback.
    """
    around = st.session_state.inside.get(here)
    if around is None or not is_listening(_page()):
        redraw_what_changed(here)
        return
    st.session_state.looked = {}
    redraw([around])


def redraw(parts: list[str]) -> None:
    """Have these parts drawn, and no more than these. Only to be called by a widget's callback.

    Where the whole page is to be drawn, or another one, that is left as it is.
    """
    run = get_script_run_ctx()
    if run is not None and run.fragment_ids_this_run:
        st.rerun(parts)


def _draw_once_more() -> None:
    """Let what was drawn since the last heartbeat be drawn again: a click can cut it short."""
    drawn, sure = st.session_state.drawn, st.session_state.sure
    for key in [key for key, seen in drawn.items() if key not in sure or sure[key] != seen]:
        sure[key] = drawn.pop(key)


def redraw_what_changed(here: str) -> None:
    """Redraw the areas that would look different now. Only to be called by a widget's callback.

    Args:
        here: the fragment that the widget is in. It is always drawn too: what Streamlit had not
            sent of it yet was dropped when its widget was used.
    """
    st.session_state.looked = {}
    with as_last_seen():
        stale = [key for key, sign in st.session_state.areas.items() if _is_stale(key, sign)]
    stale = [key for key in stale if not _is_part_of(key, stale)]
    # What a person waits for first.
    stale.sort(key=lambda key: not key.startswith(("slot-", "card-")))
    drawn_anyway = _is_part_of(here, stale)
    with suppress(StreamlitAPIException):  # `here` is on a page that has been left
        redraw([*(key for key in stale if key != here), *([] if drawn_anyway else [here])])


def _is_part_of(key: str, areas: list[str]) -> bool:
    """Whether a fragment is redrawn with one of these areas."""
    inside = st.session_state.inside
    while key := inside.get(key, ""):
        if key in areas:
            return True
    return False


def _is_stale(key: str, signature: Callable[[], Hashable]) -> bool:
    """Whether an area would look different now; one that can't be known keeps what it shows."""
    try:
        now = signature()
    except JournalUnavailable:
        return False
    except HitlError as error:
        now = str(error)
    return bool(now != st.session_state.drawn.get(key, NEVER))


def _look(signature: Callable[[], Hashable]) -> Hashable:
    try:
        return signature()
    except HitlError as error:
        return str(error)
