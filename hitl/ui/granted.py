"""Grants, in words: what runs without asking, who said so, and the way to end it."""

import streamlit as st

from hitl.journal import Grant, GrantUse, ToolRequest
from hitl.secrecy import masked
from hitl.ui import live, text
from hitl.ui.arguments import MASK, draw_literal
from hitl.ui.clicks import click, say
from hitl.ui.office import desk
from hitl.ui.pages import CHAT, GRANTS
from hitl.ui.people import NOBODY, clock, who

PER_PAGE = 20


def in_words(grant: Grant, where: str = "one conversation") -> str:
    """What a grant lets run, as Markdown; `where` if it is for a conversation."""
    tool, agent = text.code(grant.tool), text.label(grant.agent)
    match grant.scope:
        case "call":
            return f"{tool} of {agent} with exactly these arguments"
        case "conversation":
            return f"{tool} of {agent} with any arguments, in {where}"
        case "agent":
            return f"{tool} with any arguments, whenever {agent} asks for it"


def draw_grant(request: ToolRequest) -> None:
    """Beside a call that nobody was asked about: whose grant allowed it."""
    grant = desk().grant_of(request)
    if grant is not None:
        by = _name(grant.granted_by)
        what = in_words(grant, "this conversation")
        st.caption(f":material/key: Allowed by a grant of {by}: {what}.")
        st.page_link(GRANTS, label="All grants", icon=":material/arrow_forward:")


def draw_grants() -> None:
    """All grants: those that hold, then those that have ended."""
    live.area("grants", lambda: tuple(map(repr, desk().grants())), _draw_all)
    live.listen()


def _draw_all() -> None:
    uses = desk().grants()
    holding = [use for use in uses if use.grant.holds]
    ended = [use for use in uses if not use.grant.holds]
    if holding:
        st.caption("These run without asking, until you press Revoke or the tool changes.")
    else:
        st.markdown("No grant holds: every request that its agent's rules ask about waits for you.")
        st.caption("Grants are given with “Always allow…” on a request's card.")
    for use in holding:
        _draw_use(use)
    if ended:
        st.header("Ended", anchor=False)
        for use in ended[:PER_PAGE]:
            _draw_use(use)
        if len(ended) > PER_PAGE:
            st.caption(f"and {len(ended) - PER_PAGE} that ended before")


def _draw_use(use: GrantUse) -> None:
    grant = use.grant
    with st.container(border=True, gap="small", key=f"grant-card-{grant.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(in_words(grant), width="stretch")
            if grant.holds:
                st.button(
                    "Revoke",
                    key=f"revoke-{grant.id}",
                    icon=":material/block:",
                    on_click=_revoke,
                    args=(grant.id,),
                )
            else:
                st.badge("Ended", icon=":material/block:", color="gray")
        if grant.scope == "call":
            _draw_arguments(grant)
        st.caption(_story(use))
        if grant.scope == "conversation":
            where = {"chat": grant.conversation_id}
            st.page_link(CHAT, label="Open conversation", query_params=where)


def _draw_arguments(grant: Grant) -> None:
    given_with = desk().request(grant.request_id)
    secret = given_with.secret if given_with else [*(grant.arguments or {})]
    public = masked(grant.arguments or {}, secret, MASK)
    shown = {name: text.value(value) for name, value in public.items()}
    short = [name for name in shown if text.is_short(shown[name])]
    if short:
        rows = [{"argument": text.label(each), "value": text.code(shown[each])} for each in short]
        st.table(rows, border="horizontal", width="content", hide_index=True, hide_header=True)
    for name in shown:
        if name not in short:
            st.caption(text.label(name))
            draw_literal(shown[name])


def _story(use: GrantUse) -> str:
    """Who gave it and when, how often it was used, and how it ended."""
    grant = use.grant
    parts = [f"Given by {_name(grant.granted_by)} at {clock(grant.granted_at)}"]
    times = {0: "not used yet", 1: "used once"}.get(use.times, f"used {use.times} times")
    parts.append(times + (f", last at {clock(use.last_at)}" if use.last_at else ""))
    if grant.ended_at is not None:
        by = f" by {_name(grant.ended_by)}" if grant.ended_by else ""
        parts.append(f"ended at {clock(grant.ended_at)}: {text.label(grant.ended_why or '')}{by}")
    return " · ".join(parts)


def _name(by: str) -> str:
    if by == NOBODY:
        return "a visitor without a name"
    return text.label(by, keep=text.IN_PROSE)


@click
def _revoke(grant_id: str) -> None:
    if not desk().revoke(grant_id, by=who()):
        say("It had ended already.")
    live.redraw_what_changed("grants")
