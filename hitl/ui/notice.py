"""What waits is noticed in time: in the tab's title, and if wanted on the desktop and by a sound.

The page is told what waits, and until when, each time that this changes; the rest, minutes that
pass included, happens in the browser. What a browser was asked to do it remembers itself.
"""

import time
from typing import Any

import streamlit as st

from hitl.journal.waiting import Waiting, Waits
from hitl.ui import live, text
from hitl.ui.countdown import WARN_SECONDS, WARN_SHARE
from hitl.ui.office import desk

LONGEST = 60

HTML = """
<details>
  <summary>Notifications</summary>
  <div>
    <label><span>Desktop notifications</span>
      <input type="checkbox" role="switch" name="desktop"></label>
    <label><span>Sound</span>
      <input type="checkbox" role="switch" name="sound"></label>
    <p class="hint">When a request begins to wait, and before it expires.</p>
    <p class="trouble" role="status"></p>
  </div>
</details>
<p class="said" role="status"></p>
<p class="soon" role="timer" aria-live="off" popover="manual"></p>
"""

CSS = """
:host, details { font: 0.875rem var(--st-font); color: var(--st-text-color); }
details { border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); }
summary {
  display: flex; align-items: center; gap: 0.5rem; padding: 0.4rem 0.75rem;
  border-radius: inherit; cursor: pointer; list-style: none;
}
summary::-webkit-details-marker { display: none; }
summary::after {
  content: ""; width: 0.4rem; height: 0.4rem; margin: -0.2rem 0.15rem 0 auto;
  border: solid currentColor; border-width: 0 1.5px 1.5px 0; transform: rotate(45deg);
}
details[open] summary::after { margin-top: 0.2rem; transform: rotate(225deg); }
summary:hover { color: var(--st-link-color); }
details > div { display: grid; gap: 0.5rem; padding: 0.25rem 0.75rem 0.75rem; }
label {
  display: flex; align-items: center; justify-content: space-between; gap: 0.75rem;
  min-height: 1.75rem; cursor: pointer;
}
input {
  appearance: none; flex: none; box-sizing: border-box; position: relative;
  width: 2.25rem; height: 1.25rem; margin: 0; border-radius: 1rem; cursor: pointer;
  border: 1px solid var(--st-gray-text-color); background: transparent;
}
input::before {
  content: ""; position: absolute; top: 0.1875rem; left: 0.1875rem;
  width: 0.75rem; height: 0.75rem; border-radius: 50%; background: var(--st-gray-text-color);
}
input:checked { border-color: var(--st-primary-color); background: var(--st-primary-color); }
input:checked::before { left: 1.1875rem; background: #fff; }
summary:focus-visible, input:focus-visible {
  outline: 2px solid var(--st-primary-color); outline-offset: 2px;
}
@media (forced-colors: active) { input { appearance: auto; } }
p { margin: 0; }
.hint { font-size: 0.8125rem; color: var(--st-gray-text-color); }
.trouble { color: var(--st-orange-text-color); }
.trouble:empty { display: none; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.soon {
  inset: 0.5rem auto auto 50%; transform: translateX(-50%);
  box-sizing: border-box; width: max-content; max-width: min(40rem, calc(100vw - 7rem));
  padding: 0.5rem 1rem; border-radius: 0.5rem; pointer-events: none; overflow-wrap: anywhere;
  font: 0.875rem var(--st-font); color: var(--st-orange-text-color);
  border: 1px solid currentColor; visibility: visible;
  background: linear-gradient(
    var(--st-orange-background-color, transparent), var(--st-orange-background-color, transparent)
  ), var(--st-background-color, Canvas);
}
"""

JS = """
const HOUR = 3600
const BLOCKED = "Your browser blocks notifications of this page; allow them in its settings."
const UNANSWERED = "Not turned on: your browser's question was not answered with yes."
const UNABLE = "This browser can't show notifications for this page."

// What a browser remembers, for all of its tabs; or only this page, where nothing may be kept.
const kept = {}
const recall = (key) => { try { return localStorage.getItem(key) } catch { return kept[key] } }
const keep = (key, value) => {
  kept[key] = value
  try { localStorage.setItem(key, value) } catch { /* then for as long as the page lasts */ }
}

// Whether it is this tab that tells something. What was told before, here or in another tab of this
// browser, is not told again; of those that want to at the same moment one gets the lock, for good.
const mayTell = (key) => {
  const told = JSON.parse(recall("hitl-told") || "[]")
  if (told.includes(key)) return false
  keep("hitl-told", JSON.stringify([...told, key].slice(-200)))
  if (!navigator.locks) return true
  return new Promise((answer) => {
    navigator.locks.request(`hitl ${key}`, { ifAvailable: true }, (lock) => {
      answer(lock !== null)
      return lock && new Promise(() => {})
    })
  })
}

const permission = () =>
  window.isSecureContext && "Notification" in window ? Notification.permission : "unable"
const wants = (name) => recall(`hitl-${name}`) === "on"
const isOn = (name) => wants(name) && (name !== "desktop" || permission() === "granted")
const isLookedAt = () => document.visibilityState === "visible" && document.hasFocus()

// Two soft notes. A page that nobody has touched yet may make no sound; nor shall it later.
const ring = () => {
  const audio = new AudioContext()
  for (const [note, begins] of [[660, 0], [880, 0.14]]) {
    const tone = audio.createOscillator(), loudness = audio.createGain()
    const at = audio.currentTime + begins
    tone.frequency.value = note
    loudness.gain.setValueAtTime(0, at)
    loudness.gain.linearRampToValueAtTime(0.08, at + 0.02)
    loudness.gain.exponentialRampToValueAtTime(0.0001, at + 0.5)
    tone.connect(loudness).connect(audio.destination)
    tone.start(at)
    tone.stop(at + 0.5)
  }
  setTimeout(() => audio.close(), 1000)
}

const show = (page, each, title) => {
  try {
    const options = { body: each.body, tag: each.id, renotify: true }
    const shown = new Notification(title, options)
    shown.onclick = () => { window.focus(); shown.close() }
    page.shown.set(each.id, shown)
  } catch { /* some phones take them from installed apps only */ }
}

// The tab that is looked at goes first, so that the others needn't.
const tell = (page, key, each, title) => {
  if (!isOn("desktop") && !isOn("sound")) return
  const now = async () => {
    if (!page.waits(each.id) || !(await mayTell(key))) return
    if (isOn("desktop") && !isLookedAt()) show(page, each, title)
    if (!isOn("sound") || performance.now() < page.silentUntil) return
    page.silentUntil = performance.now() + 1000
    ring()
  }
  setTimeout(now, isLookedAt() ? 0 : 300)
}

const switches = (root) => {
  const trouble = root.querySelector(".trouble"), inputs = [...root.querySelectorAll("input")]
  const draw = () => inputs.forEach((input) => { input.checked = isOn(input.name) })
  const say = (what) => { trouble.textContent = what }
  const refusal = () => ({ unable: UNABLE, denied: BLOCKED, default: UNANSWERED })[permission()]
  const turn = async ({ target: { name, checked } }) => {
    draw() // it is on once the browser agrees
    if (checked && name === "desktop" && permission() === "default")
      await Notification.requestPermission()
    keep(`hitl-${name}`, checked ? "on" : "off")
    if (name === "desktop") say(checked && refusal() || "")
    if (name === "desktop" && !isOn(name)) keep(`hitl-${name}`, "off")
    draw()
    if (name === "sound" && checked) ring()
  }
  inputs.forEach((input) => { input.onchange = turn })
  draw()
  if (wants("desktop") && !isOn("desktop")) say(refusal())
  window.addEventListener("storage", draw)
  return () => window.removeEventListener("storage", draw)
}

// Streamlit writes the title too, so it is looked after.
const titled = (mark) => {
  const own = document.querySelector("title")
  const bare = () => document.title.replace(/^(⏰ ?)?([(]\\d+[)] ?)?/, "")
  const write = () => {
    const wanted = `${mark()}${bare()}`.trim()
    if (document.title !== wanted) document.title = wanted
  }
  const watch = new MutationObserver(write)
  watch.observe(own, { childList: true, characterData: true, subtree: true })
  write()
  return { write, stop: () => { watch.disconnect(); document.title = bare() } }
}

export default function ({ data, parentElement }) {
  const page = (window.hitlNotice ??= { known: new Set(), shown: new Map(), silentUntil: 0 })
  page.stop?.()
  page.waits = (id) => [...data.newest, ...data.expiring].some((each) => each.id === id)

  // How far this clock is ahead; what is drawn again later was still sent then.
  if (page.sent !== data.now) {
    page.sent = data.now
    page.ahead = Date.now() / 1000 - data.now
  }
  const now = () => Date.now() / 1000 - page.ahead

  let alarm = "", timer = 0
  const title = titled(() => `${alarm}${data.count ? `(${data.count}) ` : ""}`)

  // What began to wait. What is older than the oldest that was named at first did so before.
  const first = page.since === undefined
  if (first) page.since = data.newest.length < data.count ? data.newest.at(-1).since : 0
  for (const each of data.newest) {
    const isNew = !first && each.since >= page.since && !page.known.has(each.key)
    page.known.add(each.key)
    if (isNew) tell(page, each.key, each, each.title)
  }
  for (const [id, shown] of page.shown)
    if (!page.waits(id)) { shown.close(); page.shown.delete(id) }

  // What expires soon
  const line = parentElement.querySelector(".soon"), said = parentElement.querySelector(".said")
  const remind = (each, left) => {
    const key = `${each.key} expires`, title = `${each.what} expires in ${left} s`
    if (page.known.has(key)) return
    page.known.add(key)
    said.textContent = title
    tell(page, key, each, title)
  }
  const look = () => {
    const waiting = data.expiring.map((each) => ({ ...each, left: each.expires - now() }))
    const ahead = waiting.filter((each) => each.left > 0)
    const soon = ahead.filter((each) => each.left <= each.warn)
    soon.forEach((each) => remind(each, Math.ceil(each.left)))
    const more = soon.length > 1 ? `, and ${soon.length - 1} more soon` : ""
    line.textContent = soon.length
      ? `${soon[0].what} expires in ${Math.ceil(soon[0].left)} s${more}`
      : ""
    if (line.isConnected) line.togglePopover?.(soon.length > 0)
    alarm = soon.length ? "⏰ " : ""
    title.write()
    const pause = soon.length
      ? soon[0].left % 1
      : Math.min(HOUR, ...ahead.map((each) => each.left - each.warn))
    if (ahead.length) timer = setTimeout(look, Math.max(20, pause * 1000 + 5))
  }
  look()

  const stopSwitches = switches(parentElement)
  const stop = () => {
    if (page.stop !== stop) return
    page.stop = null
    clearTimeout(timer)
    title.stop()
    stopSwitches()
  }
  page.stop = stop
  return stop
}
"""

_notice = st.components.v2.component("hitl_notice", html=HTML, css=CSS, js=JS)


def waits() -> Waits:
    """How much waits; asked once for all who look at the same moment."""
    return live.once("waits", desk().waits)


def draw_notice() -> None:
    """Two switches in the sidebar, and what makes them do something on every page."""
    live.area("notice", waits, _draw)


def _draw() -> None:
    seen = desk().glance()
    data = {
        "now": time.time(),
        "count": seen.waiting,
        "newest": [_told(each) for each in seen.newest],
        "expiring": [_told(each) for each in seen.expiring],
    }
    _notice(key="notice", data=data)


def _told(request: Waiting) -> dict[str, Any]:
    """What a browser is told of a request: plain text, since a notification is nothing else."""
    tool, agent = _name(request.tool), _name(request.agent)
    in_doubt = request.status == "unknown"
    return {
        "id": request.id,
        "key": f"{request.id} {request.status}",
        "since": request.since,
        "what": f"{tool} ({agent})",
        "title": f"What came of {tool}?" if in_doubt else f"{tool} waits for your decision",
        "body": f"{agent} was cut off" if in_doubt else f"{agent} asks for it",
        **_expiry(request),
    }


def _name(name: str) -> str:
    return text.shorten(text.visible(name), LONGEST)


def _expiry(request: Waiting) -> dict[str, float]:
    if request.expires_at is None:
        return {}
    warn = min(WARN_SECONDS, WARN_SHARE * (request.expires_at - request.asked_at))
    return {"expires": request.expires_at, "warn": warn}
