"""Follows a conversation down: whoever sends a message wants to see what comes of it."""

import streamlit as st

_follow = st.components.v2.component(
    "hitl_follow",
    html="<i hidden></i>",
    js="""
const SECONDS = 4
const MARGIN = 12
export default function ({ data }) {
  const before = window.hitlSent ?? 0
  window.hitlSent = data.sent
  if (data.sent <= before) return
  const find = (what) => document.querySelector(what)
  const scrolled =
    find('[data-testid="stAppScrollToBottomContainer"]') ?? find('[data-testid="stMain"]')
  if (!scrolled) return
  let over = false
  const until = performance.now() + SECONDS * 1000
  const stop = () => { over = true }
  for (const what of ["wheel", "touchmove", "pointerdown"])
    scrolled.addEventListener(what, stop, { once: true, passive: true })
  const step = () => {
    if (over || performance.now() > until) return
    const end = find(".st-key-said")?.getBoundingClientRect().bottom
    const edge = find('[data-testid="stBottom"]')?.getBoundingClientRect().top
    if (end && edge && end > edge - MARGIN) scrolled.scrollTop += end - edge + MARGIN
    requestAnimationFrame(step)
  }
  step()
}
""",
)


def follow() -> None:
    """Scroll to the end after each message sent, until the reader scrolls or clicks."""
    with st.container(key="follow-place", height=1, border=False):
        _follow(key="follow", data={"sent": st.session_state.get("sent", 0)}, height=1)


def sent() -> None:
    """Note that this visitor sent a message."""
    st.session_state["sent"] = st.session_state.get("sent", 0) + 1
