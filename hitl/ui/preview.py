"""The preview on a card: what would happen, beside the exact arguments and never in their place."""

from typing import assert_never

import streamlit as st

from hitl.agents import ToolFacts
from hitl.journal import ToolRequest
from hitl.previewing import (
    DiffShown,
    EmailShown,
    MoveShown,
    NoPreview,
    RowsShown,
    preview_of,
)
from hitl.previews import Preview, RowsPreview
from hitl.secrecy import masked
from hitl.ui import text
from hitl.ui.diff import draw_diff

HEIGHT, MOST_ROWS_UNBOUND = 320, 5
HEADING = "**Preview: {}** · The exact arguments count."


def draw_preview(request: ToolRequest, facts: ToolFacts) -> None:
    """Draw what would happen, if that was declared and is still to be decided."""
    if request.status != "pending" or facts.preview is None:
        return
    with st.container(key=f"preview-{request.id}", gap="small"):
        st.caption(HEADING.format(_title(facts.preview)))
        if _is_hidden(request, facts, facts.preview):
            st.caption("Hidden while it is secret: reveal the secrets to see it.")
            return
        match preview_of(facts.preview, request.final_arguments):
            case DiffShown() as shown:
                _draw_diff(request.id, shown)
            case MoveShown() as shown:
                _draw_move(shown)
            case EmailShown() as shown:
                _draw_email(shown)
            case RowsShown() as shown:
                _draw_rows(shown)
            case NoPreview() as shown:
                st.caption(f"None. {text.words(shown.why)}")
            case never:
                assert_never(never)


def _title(preview: Preview) -> str:
    """Rows are what a call is about, and nothing that would happen."""
    return text.label(preview.title) if isinstance(preview, RowsPreview) else "what would happen"


def _is_hidden(request: ToolRequest, facts: ToolFacts, preview: Preview) -> bool:
    """Whether it would show an argument that the card masks."""
    if st.session_state.get(f"reveal-{request.id}"):
        return False
    arguments = request.final_arguments
    public = masked(arguments, {*request.secret, *facts.secret})
    return any(public.get(name) != arguments.get(name) for name in preview.argument_names())


def _draw_diff(name: str, shown: DiffShown) -> None:
    st.markdown(f"{text.code(shown.path)} · {text.words(shown.summary)}")
    if shown.lines:
        draw_diff(name, shown.lines)
    if shown.truncated:
        st.caption("There is more than is shown here.")


def _draw_move(shown: MoveShown) -> None:
    st.markdown(f"{text.code(shown.path)} → {text.code(shown.target)}")
    if shown.fits:
        st.caption(text.words(shown.summary))
    else:
        st.warning(text.words(shown.summary), icon=":material/warning:")


def _draw_email(shown: EmailShown) -> None:
    with st.container(border=True, gap="small"):
        st.markdown(f"To {text.code(shown.to)}")
        st.markdown(f"**{text.words(shown.subject.replace(chr(10), '⏎'))}**")
        if len(shown.body) <= 1200 and shown.body.count("\n") <= 14:
            st.text(text.visible(shown.body))
        else:
            # What scrolls has to hold something that the keyboard reaches: its button to copy.
            with st.container(height=HEIGHT, border=False):
                st.code(text.visible(shown.body), language=None, wrap_lines=True)
        if shown.truncated:
            st.caption("It goes on; the arguments hold all of it.")


def _draw_rows(shown: RowsShown) -> None:
    """What all rows have in common in one line, which breaks where it must; the rest as a table."""
    if not shown.rows:
        st.caption("No rows match.")
        return
    if len(shown.rows) > 1 or shown.truncated:
        more = "; there are more" if shown.truncated else ""
        st.caption(f"{len(shown.rows)} rows{more}")
    common, rows = _apart(shown)
    if common:
        st.markdown(" · ".join(f"{name} {cell}" for name, cell in common.items()))
    if rows:
        few = len(rows) <= MOST_ROWS_UNBOUND
        st.table(rows, border="horizontal", hide_index=True, height="content" if few else 230)


def _apart(shown: RowsShown) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The cells that are the same in every row, and the others row by row, as Markdown."""
    rows = [
        {text.label(name): text.code(cell) for name, cell in zip(shown.columns, row, strict=True)}
        for row in shown.rows
    ]
    common = {
        name: cell for name, cell in rows[0].items() if all(row[name] == cell for row in rows)
    }
    others = [{name: row[name] for name in row if name not in common} for row in rows]
    return common, others if any(others) else []
