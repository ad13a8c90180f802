"""What a browser asks for is done, to its end and all of it, whatever it asks for meanwhile.

Streamlit loses some of that, in four ways, and offers no setting against them; so four of its
methods are replaced here:

- **Broken off.** As soon as the next click is there, Streamlit stops a script where it uses
  `st.session_state` or the address. In a callback that may be between what was stored and the note
  of where the page is to go: a chat has begun and its page never shows it. Now callbacks come to
  their end.
- **Left out.** What changes in the same instant comes as one message, which names one part of the
  page: a click beside news would be drawn as if it were in the news' part, and do nothing. Now each
  part is drawn of which something has changed. What a late message says of fields that are not
  there any more is no change: a page that has been left chooses no agent.
- **Led back.** What asks for a part names the page that the part is on. Behind a click on a link it
  would lead back to the page that is being left. Now only links and the browser's Back do that.
- **Misplaced.** A page that is asked for just when a part has been drawn is drawn by the same
  thread, and inside of that part: the browser can make nothing of it and stays blank. Now each
  drawing begins at the top.

It needs `runner.fastReruns = false` in .streamlit/config.toml: else the next click is worked on at
the same time, on the same state.
"""

from dataclasses import replace
from functools import wraps
from typing import Any

from streamlit.delta_generator_singletons import context_dg_stack, get_default_dg_stack_value
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests, ScriptRequestType
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.runtime.state import SafeSessionState, SessionState

CLICKS = ("trigger_value", "chat_input_value")


def do_all_that_is_asked() -> None:
    """Replace the methods. Once per process, before the first visit."""
    if not hasattr(SafeSessionState.on_script_will_rerun, "__wrapped__"):
        _let_callbacks_end()
        _draw_what_was_left_out()
        _never_lead_back()
        _begin_at_the_top()


def _let_callbacks_end() -> None:
    begin = SafeSessionState.on_script_will_rerun

    @wraps(begin)
    def unbroken(state: SafeSessionState, *args: Any, **kwargs: Any) -> None:
        runner = state._yield_callback.__self__  # type: ignore[attr-defined]
        before, runner._execing = runner._execing, False  # it only breaks off what it executes
        try:
            begin(state, *args, **kwargs)
        finally:
            runner._execing = before

    SafeSessionState.on_script_will_rerun = unbroken  # type: ignore[assignment, method-assign]


def _draw_what_was_left_out() -> None:
    call = SessionState._call_callbacks

    @wraps(call)
    def complete(state: SessionState, **replayed: Any) -> None:
        run, message = get_script_run_ctx(), state._current_interaction_widget_states
        _forget_what_is_gone(state)
        left_out = _left_out(state, run) if run else set()
        call(state, **replayed)
        if not run or not run.script_requests or not left_out:
            return
        here = run.fragment_ids_this_run or []
        parts = [] if None in left_out else [*here, *(part for part in left_out if part)]
        run.script_requests.request_rerun(
            RerunData(
                query_string=run.query_string,
                page_script_hash=run.page_script_hash,
                fragment_id_queue=parts,
                is_fragment_scoped_rerun=bool(parts),  # instead of what would be drawn now
                replay_trigger_states=message,  # so that it still sees its clicks
                cached_message_hashes=run.cached_message_hashes,
                context_info=run.context_info,
            )
        )

    SessionState._call_callbacks = complete  # type: ignore[assignment, method-assign]


def _forget_what_is_gone(state: SessionState) -> None:
    """Fields that were drawn once, but not last; a click on such a one counts."""
    told, known = state._new_widget_state, state._new_widget_state.widget_metadata
    for widget in [each for each in told if each in known and each not in state._old_state]:
        if not known[widget].value_type.endswith(CLICKS):
            del told[widget]


def _left_out(state: SessionState, run: ScriptRunContext) -> set[str | None]:
    """The parts in which something has changed and which this run would not draw.

    None for what is in no part; a run of the whole page leaves nothing out.
    """
    drawn = run.fragment_ids_this_run
    if not drawn:
        return set()
    known = state._new_widget_state.widget_metadata
    changed = [each for each in state._new_widget_state if state._widget_changed(each)]
    parts = {known[each].fragment_id for each in changed if each in known}
    inside = run.fragment_storage.has_ancestor_in
    return {part for part in parts if not part or not (part in drawn or inside(part, drawn))}


def _never_lead_back() -> None:
    request = ScriptRequests._request_rerun_locked

    @wraps(request)
    def on_the_way(requests: ScriptRequests, new: RerunData) -> bool:
        last = requests._rerun_data  # what waits to be run, or runs
        page = last.page_script_hash
        waits = requests._state is ScriptRequestType.RERUN
        goes_back = waits and last.is_history_navigation
        if page and (page != new.page_script_hash or goes_back) and _stays(new):
            new = replace(
                new,
                page_script_hash=page,
                page_name=last.page_name,
                query_string=last.query_string,
                is_history_navigation=goes_back,
            )
        return request(requests, new)

    ScriptRequests._request_rerun_locked = on_the_way  # type: ignore[assignment, method-assign]


def _stays(new: RerunData) -> bool:
    """Whether it asks for a part of the page that is there, or for this page once more."""
    if new.fragment_id or new.fragment_id_queue:
        return True
    run = get_script_run_ctx(suppress_warning=True)  # None in the thread that hears the browser
    return run is not None and new.page_script_hash == run.page_script_hash


def _begin_at_the_top() -> None:
    reset = ScriptRunContext.reset

    @wraps(reset)
    def at_the_top(run: ScriptRunContext, *args: Any, **kwargs: Any) -> None:
        context_dg_stack.set(get_default_dg_stack_value())  # a part brings its own place
        reset(run, *args, **kwargs)

    ScriptRunContext.reset = at_the_top  # type: ignore[assignment, method-assign]
