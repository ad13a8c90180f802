"""Lines that would be added and removed: coloured, to the letter, and for the keyboard too.

Streamlit's own highlighting of a diff is too pale to read. A wrapped line goes on beside its mark,
never below it, so that what a file holds can't pass for a line of its own.
"""

from collections.abc import Sequence

import streamlit as st

from hitl.previewing import Line
from hitl.ui import text

MARKS = {"added": "+", "removed": "−", "same": "", "skipped": "⋯", "note": ""}

_diff = st.components.v2.component(
    "hitl_diff",
    html='<div class="lines"></div>',
    css="""
.lines {
  max-height: 20rem;
  overflow-y: auto;
  padding: 0.5rem 0;
  border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius);
  background: var(--st-secondary-background-color);
  color: var(--st-text-color);
  font: 0.85rem/1.5 var(--st-code-font);
}
.lines:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.line { display: grid; grid-template-columns: 1.6rem 1fr; padding: 0 0.6rem 0 0; }
.line > * { min-height: 1.5em; white-space: pre-wrap; overflow-wrap: anywhere; }
.mark { text-align: center; user-select: none; font-weight: 650; }
ins, del { text-decoration: none; }
.added { background: color-mix(in srgb, var(--st-green-color) 22%, transparent); }
.removed { background: color-mix(in srgb, var(--st-red-color) 20%, transparent); }
.skipped, .note { font-style: italic; }
""",
    js="""
const TAGS = { added: "ins", removed: "del" }

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".lines")
  box.replaceChildren(...data.lines.map(({ kind, mark, text }) => {
    const line = document.createElement("div")
    line.className = `line ${kind}`
    const sign = line.appendChild(document.createElement("span"))
    sign.className = "mark"
    sign.textContent = mark
    line.appendChild(document.createElement(TAGS[kind] ?? "span")).textContent = text
    return line
  }))
  const scrolls = () => {
    if (box.scrollHeight <= box.clientHeight) {
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name)
    } else {
      box.tabIndex = 0
      box.setAttribute("role", "group")
      box.setAttribute("aria-label", "What would change, line by line")
    }
  }
  const watch = new ResizeObserver(scrolls)
  watch.observe(box)
  return () => watch.disconnect()
}
""",
)


def draw_diff(name: str, lines: Sequence[Line]) -> None:
    """Draw lines with what would happen to them.

    Args:
        name: what changes, unique in the page.
    """
    shown = text.visible("\n".join(line.text for line in lines)).split("\n")
    data = [
        {"kind": line.kind, "mark": MARKS[line.kind], "text": written}
        for line, written in zip(lines, shown, strict=True)
    ]
    _diff(key=f"diff-{name}", data={"lines": data}, height="content")
