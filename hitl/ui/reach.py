"""What scrolls can be scrolled by keyboard: Streamlit gives its tables and texts no focus."""

import streamlit as st

_reach = st.components.v2.component(
    "hitl_reach",
    html="<i hidden></i>",
    js="""
const SCROLLED = '[data-testid="stTable"] > div, [data-testid="stCode"] pre'
const look = (sizes) => {
  let tables = 0
  for (const box of document.querySelectorAll(SCROLLED)) {
    sizes.observe(box)
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight
    if (scrolls && !box.hasAttribute("tabindex")) {
      box.tabIndex = 0
      box.dataset.hitlReach = ""
    } else if (!scrolls && "hitlReach" in box.dataset) {
      box.removeAttribute("tabindex")
      delete box.dataset.hitlReach
    }
    // Streamlit calls every table of a fixed height the same.
    if (box.getAttribute("role") === "region")
      box.setAttribute("aria-label", `Scrollable table ${++tables}`)
  }
}
export default function () {
  if (window.hitlReach) return
  let due = 0
  const soon = () => { due ||= setTimeout(() => { due = 0; look(sizes) }, 100) }
  const sizes = new ResizeObserver(soon)
  window.hitlReach = new MutationObserver(soon)
  window.hitlReach.observe(document.body, { childList: true, subtree: true })
  soon()
}
""",
)


def reach_what_scrolls() -> None:
    """Once in a page: let Tab reach whatever scrolls in it."""
    with st.container(key="reach-place", height=1, border=False):
        _reach(key="reach", height=1)
