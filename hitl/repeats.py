"""A model that asks again for what was rejected: answered as before, or asked anew with a word."""

from collections import Counter
from dataclasses import replace

from hitl.journal.values import RunRecord, ToolCall, ToolRequest, same


def marked(record: RunRecord, calls: list[ToolCall]) -> list[ToolCall]:
    """The calls; those that were rejected before in this run say so.

    Where nothing else was executed since, the rejection still holds and nobody is asked again.
    """
    return [_marked(record, call) for call in calls]


def _marked(record: RunRecord, call: ToolCall) -> ToolCall:
    earlier = rejection_of(record, call)
    if earlier is None or call.problem or call.denied:
        return call
    if _something_ran_since(record, earlier):
        return replace(call, earlier=earlier.id, asks=True, grantable=False)
    return replace(call, earlier=earlier.id, rejected_again=earlier.reason)


def rejection_of(record: RunRecord, call: ToolCall) -> ToolRequest | None:
    """A person's newest rejection of this very call in this run."""
    rejected = [
        request
        for request in record.requests
        if request.decision == "reject" and _is_same(request, call)
    ]
    return max(rejected, key=lambda request: request.decided_at or 0, default=None)


def _is_same(request: ToolRequest, call: ToolCall) -> bool:
    return request.tool == call.tool and same(request.arguments, call.arguments)


def _something_ran_since(record: RunRecord, rejection: ToolRequest) -> bool:
    """Whether the agent did, or learned, something since: then the call is worth a new look."""
    since = rejection.decided_at or 0
    return any(
        (request.started_at or 0) > since
        or (request.status == "answered" and (request.decided_at or 0) > since)
        for request in record.requests
    )


def most_repeats(record: RunRecord) -> int:
    """How often the model has come back with a rejected call that this turn asks for again."""
    repeated = [each for each in record.requests if _is_answered_as_before(each)]
    times = Counter(each.earlier for each in repeated)
    now = [each.earlier for each in repeated if each.turn == record.run.turn]
    return max((times[earlier] for earlier in now), default=0)


def _is_answered_as_before(request: ToolRequest) -> bool:
    return request.status == "rejected" and request.decision is None
