"""Who is at the page, and when it is there. Neither is proven; both are only shown."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

NOBODY = "someone in another tab"


def who() -> str:
    """The visitor's e-mail or name if signed in, else "Your name" from the sidebar."""
    user = st.user.to_dict() if hasattr(st.user, "to_dict") else {}
    named = user.get("email") or user.get("name") or st.session_state.get("your-name", "").strip()
    return str(named) if named else NOBODY


def clock(moment: float) -> str:
    """A time of day where the visitor is; with the date unless it is today."""
    try:
        zone = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    then, today = datetime.fromtimestamp(moment, zone), datetime.now(zone).date()
    return f"{then:%H:%M:%S}" if then.date() == today else f"{then:%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """A time span in two glances: 850 ms, 12.4 s, 3 min, 5 h, 2 days."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    return f"{seconds // 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds // 86400:.0f} days"
