"""How long a request still waits: counts down in the browser, and warns when little is left."""

import time

import streamlit as st

WARN_SECONDS = 60
WARN_SHARE = 0.2

_countdown = st.components.v2.component(
    "hitl_countdown",
    html='<span role="timer" aria-live="off"></span>',
    css="""
span {
  display: block;
  font: 0.875rem var(--st-font);
  color: var(--st-gray-text-color, inherit);
}
span.soon { color: var(--st-orange-text-color, #b45309); font-weight: 650; }
""",
    js="""
export default function ({ data, parentElement }) {
  const shown = parentElement.querySelector("span")
  const end = performance.now() + data.left * 1000
  const two = (number) => String(number).padStart(2, "0")
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000))
    const hours = Math.floor(left / 3600), minutes = Math.floor(left / 60) % 60
    const clock = hours
      ? `${hours}:${two(minutes)}:${two(left % 60)}`
      : `${minutes}:${two(left % 60)}`
    shown.textContent = left ? `${data.verb} in ${clock}` : `${data.verb} now`
    shown.classList.toggle("soon", left <= data.warn)
  }
  tick()
  const timer = setInterval(tick, 1000)
  return () => clearInterval(timer)
}
""",
)


def draw_countdown(name: str, since: float, until: float, verb: str = "expires") -> None:
    """Count down to the moment at which something happens by itself.

    Args:
        name: what counts down, unique in the page.
        since, until: seconds since the epoch.
        verb: what happens then.
    """
    warn = min(WARN_SECONDS, WARN_SHARE * (until - since))
    left = max(0.0, until - time.time())
    with st.container(width=130 if verb == "expires" else 150):
        data = {"left": left, "warn": warn, "verb": verb}
        _countdown(key=f"countdown-{name}", data=data, height=24)
