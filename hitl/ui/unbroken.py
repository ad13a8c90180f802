"""What a click sets off is done to its end, whatever is clicked next.

As soon as the next click is there, Streamlit breaks a script off where it uses `st.session_state`.
In a callback that may be between what was stored and the note of where the page is to go: a chat
has begun and its page never shows it. So the next click waits until the last one's callbacks end.

It needs `runner.fastReruns = false` in .streamlit/config.toml: else the next click is worked on at
the same time, on the same state.
"""

from functools import wraps
from typing import Any

from streamlit.runtime.state import SafeSessionState


def let_callbacks_end() -> None:
    """Once per process, before the first visit."""
    begin = SafeSessionState.on_script_will_rerun
    if hasattr(begin, "__wrapped__"):
        return

    @wraps(begin)
    def unbroken(state: SafeSessionState, *args: Any, **kwargs: Any) -> None:
        look = state._yield_callback
        # Not by its own way to set attributes, which are those of the session.
        object.__setattr__(state, "_yield_callback", lambda: None)
        try:
            begin(state, *args, **kwargs)
        finally:
            object.__setattr__(state, "_yield_callback", look)

    SafeSessionState.on_script_will_rerun = unbroken  # type: ignore[assignment, method-assign]
