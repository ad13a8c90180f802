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
  text-align: right;
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
    shown.textContent = left ? `expires in ${clock}` : "expires now"
    shown.classList.toggle("soon", left <= data.warn)
  }
  tick()
  const timer = setInterval(tick, 1000)
  return () => clearInterval(timer)
}
""",
)


def draw_countdown(request_id: str, asked_at: float, expires_at: float) -> None:
    """Count down to the moment at which an unanswered request ends."""
    warn = min(WARN_SECONDS, WARN_SHARE * (expires_at - asked_at))
    left = max(0.0, expires_at - time.time())
    with st.container(width=130):
        _countdown(key=f"countdown-{request_id}", data={"left": left, "warn": warn}, height=24)
