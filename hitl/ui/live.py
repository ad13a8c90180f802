"""Live areas: parts of a page that are redrawn, each alone, when what they show has changed.

The server tells the page to look again; the page then redraws the areas whose signature differs
from what they drew last. While nothing changes nothing is sent, but for one heartbeat.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

import streamlit as st

from hitl.errors import HitlError
from hitl.ui import text
from hitl.ui.clicks import follow_up

T = TypeVar("T")
HEARTBEAT_SECONDS = 10

_ears = st.components.v2.component(
    "hitl_ears",
    html="<i hidden></i>",
    js="""
export default function ({ data, parentElement, setTriggerValue }) {
  const all = (window.hitlEars ??= new WeakMap())
  const known = all.get(parentElement)
  if (known && known.url === data.url) { known.fire = setTriggerValue; return known.stop }
  known?.stop()
  let count = 0
  const ears = { url: data.url, fire: setTriggerValue, dead: false, pause: 250 }
  const tell = (what) => ears.dead || ears.fire("event", what + " " + ++count)
  const open = () => {
    if (ears.dead) return
    ears.socket = new WebSocket(new URL(data.url, location.href.replace(/^http/, "ws")))
    ears.socket.onopen = () => { ears.pause = 250; tell("open") }
    ears.socket.onmessage = () => tell("news")
    ears.socket.onclose = () => {
      ears.timer = setTimeout(open, ears.pause)
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
  open()
  all.set(parentElement, ears)
  return ears.stop
}
""",
)


def begin() -> None:
    """Forget the areas of the page that was drawn before."""
    st.session_state.areas = {}
    st.session_state.drawn = {}
    st.session_state.looked = {}


def once(key: Hashable, look: Callable[[], T]) -> T:
    """What `look` found, asked only once while the page is compared or one area is drawn."""
    looked: dict[Hashable, T] = st.session_state.looked
    if key not in looked:
        looked[key] = look()
    return looked[key]


def area(key: str, signature: Callable[[], Hashable], draw: Callable[[], None]) -> None:
    """Draw a part of the page that will be redrawn alone.

    Args:
        key: its name, unique in the page.
        signature: what it shows, in short; compared to what it was when it was drawn.
        draw: draws it.
    """
    st.session_state.areas[key] = signature

    @st.fragment(key=key)
    def body() -> None:
        st.session_state.looked = {}
        try:
            st.session_state.drawn[key] = signature()
            draw()
        except HitlError as error:
            st.session_state.drawn[key] = str(error)
            st.error(text.words(text.visible(str(error))), icon=":material/error:")
        follow_up()

    body()


def listen(conversation_id: str = "") -> None:
    """Hear of changes in a conversation, and of the number of requests that wait anywhere."""

    @st.fragment(key="ears")
    def body() -> None:
        _ears(
            key=f"ears-{conversation_id}",
            data={"url": f"/api/live?c={conversation_id}", "heartbeat": HEARTBEAT_SECONDS * 1000},
            on_event_change=redraw_what_changed,
            height=1,
        )

    with st.container(key="ears-place", height=1, border=False):
        body()


def redraw_what_changed() -> None:
    """Redraw the areas that would look different now. Only to be called by a widget's callback."""
    drawn, st.session_state.looked = st.session_state.drawn, {}
    stale = [key for key, sign in st.session_state.areas.items() if _look(sign) != drawn.get(key)]
    if stale:
        st.rerun(stale)


def _look(signature: Callable[[], Hashable]) -> Hashable:
    try:
        return signature()
    except HitlError as error:
        return str(error)
