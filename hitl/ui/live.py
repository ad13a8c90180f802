"""Live areas: parts of a page that are redrawn, each alone, when what they show has changed.

The server tells the page to look again; the page then redraws the areas whose signature differs
from what they drew last. While nothing changes nothing is sent, but for one heartbeat.
"""

from collections.abc import Callable, Hashable

import streamlit as st

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
  const open = (again) => {
    if (ears.dead) return
    ears.socket = new WebSocket(new URL(data.url, location.href.replace(/^http/, "ws")))
    ears.socket.onopen = () => { ears.pause = 250; if (again) tell("back") }
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


def begin() -> None:
    """Forget the areas of the page that was drawn before."""
    st.session_state.areas = {}
    st.session_state.drawn = {}


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
        st.session_state.drawn[key] = signature()
        draw()

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
    drawn = st.session_state.drawn
    stale = [key for key, sign in st.session_state.areas.items() if sign() != drawn.get(key)]
    if stale:
        st.rerun(stale)
