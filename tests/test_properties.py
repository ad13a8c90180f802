"""Whatever a model asks for and however people decide: the promises hold, in every order."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hitl.journal import Approve, Reject, Run, RunRecord, ToolRequest
from hitl.journal.values import OPEN, RequestStatus, RunStatus
from hitl.outcomes import chat_of
from hitl.segment import End, Leave, Speak, Start, WaitForPeople, WaitForTools, next_move
from tests.openai_rules import violations_of_chat
from tests.openai_server import Call
from tests.scripted import ScriptedModel, asks
from tests.stage import BY, Stage, agent

# Whole runs


@dataclass(frozen=True)
class Planned:
    """A call that the model makes, and what a person says to it if asked."""

    kind: str
    id: str
    decision: str
    haste: int

    def call(self, number: int) -> Call:
        good = json.dumps({"number": number})
        name, arguments = {
            "asks": ("pay", good),
            "free": ("note", good),
            "asks and raises": ("boom", good),
            "unknown tool": ("no such tool!", good),
            "cut off": ("pay", good[:-1]),
            "not an object": ("pay", "[1]"),
            "another type": ("pay", '{"number": "many"}'),
            "extra argument": ("note", f'{{"number": {number}, "to": "me"}}'),
        }[self.kind]
        return Call(name, arguments, self.id)


KINDS = (
    *("asks", "asks", "asks", "free", "asks and raises", "unknown tool"),
    *("cut off", "not an object", "another type", "extra argument"),
)
calls = st.builds(
    Planned,
    st.sampled_from(KINDS),
    st.sampled_from(("", "same", "p1", "p2", "call_1_0", "call_1_1", "x" * 41)),
    st.sampled_from(("approve", "reject", "edit")),
    st.integers(0, 99),
)
plans = st.lists(st.lists(calls, min_size=1, max_size=5), min_size=1, max_size=3)


class Casino:
    """A stage where every conversation follows a plan of its own, named in its message."""

    def __init__(self) -> None:
        self.plans: dict[str, list[list[Planned]]] = {}
        self.numbers = itertools.count(1)
        self.ran: list[tuple[str, int]] = []
        self.on = Stage("sqlite://", self._agent(), ScriptedModel(script=self._reply))

    def _agent(self) -> Any:
        def pay(number: int) -> str:
            """Pay."""
            self.ran.append(("pay", number))
            return f"paid {number}"

        def note(number: int) -> str:
            """Note."""
            self.ran.append(("note", number))
            return f"noted {number}"

        def boom(number: int) -> str:
            """Break."""
            self.ran.append(("boom", number))
            raise RuntimeError(f"broke {number}")

        return agent(pay, note, boom, free="note")

    def _reply(self, messages: list[Any]) -> Any:
        last_said = max(n for n, message in enumerate(messages) if message.role == "user")
        turn = sum(message.role == "assistant" for message in messages[last_said:])
        plan = self.plans[str(messages[last_said].content)]
        if turn == len(plan):
            return "Done."
        return asks(*(planned.call(next(self.numbers)) for planned in plan[turn]))

    def start(self, plan: list[list[Planned]]) -> str:
        name = f"plan {len(self.plans)}"
        self.plans[name] = plan
        return self.on.send(name)[1]

    def settled(self, run_id: str) -> RunRecord:
        """Wait until people must decide, or the run has ended."""
        return self.on.until(
            lambda: (
                (record := self.on.run(run_id)).run.status in ("waiting", "answered", "failed")
                and record
            )
        )

    def play(self, plan: list[list[Planned]]) -> RunRecord:
        """Run a plan to its end, checking the history after every step."""
        run_id = self.start(plan)
        while (record := self.settled(run_id)).run.status == "waiting":
            self.check_history(record)
            batch = plan[record.run.turn - 1]
            pending = [each for each in record.requests if each.status == "pending"]
            for request in sorted(pending, key=lambda each: batch[each.place].haste):
                self.decide(request, batch[request.place].decision)
                self.check_history(self.on.run(run_id))
        self.check_history(record)
        return record

    def decide(self, request: ToolRequest, decision: str) -> None:
        made = {
            "approve": Approve(),
            "reject": Reject(f"No to {request.place}."),
            "edit": Approve({"number": -request.arguments["number"]}),
        }[decision]
        assert self.on.desk.decide(request.id, made, by=BY).accepted
        assert not self.on.desk.decide(request.id, Approve(), by="somebody else").accepted

    def check_history(self, record: RunRecord) -> None:
        assert violations_of_chat(chat_of(record)) == []
        history = self.on.desk.history(record.run.conversation_id)
        assert not history or violations_of_chat(history) == []


@pytest.fixture(scope="module")
def casino() -> Iterator[Casino]:
    casino = Casino()
    yield casino
    casino.on.close()
    casino.on.model.check()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans)
def test_every_call_is_answered_once_in_order_and_only_the_approved_ran_once_as_shown(
    plan: list[list[Planned]], casino: Casino
):
    del casino.ran[:]
    record = casino.play(plan)
    assert record.run.status == "answered", record.run.error

    answers = [message for message in chat_of(record) if message.role == "tool"]
    assert len(answers) == len(record.requests) == sum(map(len, plan))
    told = {}
    for request, answer in zip(record.requests, answers, strict=True):
        assert answer.additional_kwargs["tool_call_id"] == request.provider_id
        told[request.turn, request.place] = (request, str(answer.content))

    expected = []
    for turn, batch in enumerate(plan, 1):
        for place, planned in enumerate(batch):
            request, said = told[turn, place]
            if planned.kind == "free":
                expected.append((request.tool, request.arguments["number"]))
                assert said == f"noted {request.arguments['number']}"
            elif not planned.kind.startswith("asks"):
                assert request.status == "failed"
                assert request.started_at is None
            elif planned.decision == "reject":
                assert said.endswith(f"Reason: No to {place}.")
            else:
                number = request.arguments["number"] * (-1 if planned.decision == "edit" else 1)
                expected.append((request.tool, number))
                assert said.endswith(f"{'paid' if request.tool == 'pay' else 'broke'} {number}")
                assert said.startswith("A person changed") == (planned.decision == "edit")
    assert sorted(casino.ran) == sorted(expected)


# The next move, as a pure function


def request(place: int, status: RequestStatus, turn: int = 1) -> ToolRequest:
    nothing: dict[str, Any] = dict.fromkeys(
        (
            *("edited", "decided_at", "decided_by", "decision", "started_at", "ended_at"),
            *("result", "policy", "expires_at", "earlier", "replaces", "receipt"),
            *("receipt_sha256", "claim", "resolved_by", "resolved_at"),
        )
    )
    return ToolRequest(
        id=f"r-{turn}-{place}",
        run_id="r",
        conversation_id="c",
        turn=turn,
        place=place,
        provider_id=f"p{place}",
        tool="pay",
        arguments={},
        asks=True,
        status=status,
        asked_at=0.0,
        reason="",
        owner=None,
        fingerprint="",
        rule="ask",
        secret=[],
        salt="",
        **nothing,
    )


def record(
    status: RunStatus, requests: list[ToolRequest], turn: int = 1, superseded: bool = False
) -> RunRecord:
    run = Run(
        position=1,
        id="r",
        conversation_id="c",
        agent="a",
        status=status,
        text="Hi",
        by=BY,
        config={},
        created_at=0.0,
        started_at=0.0,
        ended_at=None,
        error=None,
        owner="me",
        lease=0.0,
        turn=turn,
        superseded=superseded,
        stopped_by=None,
        version=1,
    )
    return RunRecord(run, {}, tuple(requests))


batches = st.lists(st.sampled_from(get_args(RequestStatus)), max_size=6).map(
    lambda statuses: [request(place, status) for place, status in enumerate(statuses)]
)


@given(requests=batches, superseded=st.booleans(), speaks=st.booleans())
def test_only_what_is_approved_may_start_and_nobody_speaks_while_something_is_open(
    requests: list[ToolRequest], superseded: bool, speaks: bool
):
    statuses = {each.status for each in requests}
    waiting = {"pending", "decided", "unknown"}
    match next_move(record("working", requests, superseded=superseded), speaks=speaks):
        case Start(started):
            assert started == [each for each in requests if each.status == "approved"] != []
        case WaitForTools():
            assert "approved" not in statuses
            assert "running" in statuses
        case WaitForPeople():
            assert statuses & {*OPEN, "unknown"} <= waiting
            assert statuses & waiting
        case Speak(turn):
            assert not statuses & {*OPEN, "unknown"}
            assert turn == 2
            assert speaks
            assert not superseded
        case End():
            assert not statuses & {*OPEN, "unknown"}
            assert superseded or not speaks
        case Leave():
            pytest.fail("a run that is worked on has more to do")


@pytest.mark.parametrize("status", ["answered", "failed", "cancelled", "superseded"])
@given(requests=batches)
def test_a_run_that_has_ended_has_no_next_move(status: RunStatus, requests: list[ToolRequest]):
    assert next_move(record(status, requests)) == Leave()


def test_the_model_speaks_first_and_what_earlier_turns_left_open_is_not_started():
    assert next_move(record("working", [], turn=0)) == Speak(1)
    earlier = request(0, "approved", turn=1)
    assert next_move(record("working", [earlier, request(0, "succeeded", turn=2)], turn=2)) == (
        Speak(3)
    )
