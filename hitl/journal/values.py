"""What the journal holds, as frozen values."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from llama_index.core.llms import ChatMessage

RunStatus = Literal[
    "held",  # typed while requests wait; sent only if its author says so
    "queued",  # will start when the conversation is free
    "working",  # a segment works on it
    "waiting",  # parked: only people can move it on
    "ready",  # a decision arrived; the next segment may start
    "answered",
    "failed",
    "cancelled",
    "superseded",
    "discarded",
]
ACTIVE: tuple[RunStatus, ...] = ("working", "waiting", "ready")
ENDED: tuple[RunStatus, ...] = ("answered", "failed", "cancelled", "superseded")

RequestStatus = Literal[
    "pending",
    "decided",  # by a person, who can still take it back; then it takes effect
    "approved",
    "running",
    "succeeded",
    "failed",
    "unknown",  # it had started when its process was cut off; open until somebody says what came
    "worked",  # it was unknown, and a person says that it worked
    "not_done",  # it was unknown, and a person says that it did not happen
    "repeated",  # it was unknown, and another request, which replaces it, runs it again
    "void",  # approved, but its tool or rule had changed; another request replaces it
    "rejected",
    "answered",  # a person gave the answer in the tool's place; nothing was executed
    "denied",  # by a rule; nobody was asked
    "expired",
    "cancelled",
]
OPEN: tuple[RequestStatus, ...] = ("pending", "decided", "approved", "running")
UNSTARTED: tuple[RequestStatus, ...] = ("pending", "decided", "approved")
REPLACED: tuple[RequestStatus, ...] = ("repeated", "void")


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two sets of arguments are the same to the letter: 1, 1.0 and true are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@dataclass(frozen=True)
class ToolCall:
    """A tool call as the model asked for it, checked.

    Args:
        tool: the tool's name as the model wrote it.
        arguments: the validated arguments with defaults filled in; of a bad call, what came.
        provider_id: the provider's id; lives in the messages alone.
        asks: whether a person must decide.
        problem: what is wrong with the call, told to the model; None if it can run.
        denied: whether a rule forbids it.
        rule: which rule asked, allowed or denied it.
        policy: the rules of the tool, those that hold and those of the agent's file.
        fingerprint: of the tool that was asked for.
        secret: names of the arguments that are masked.
        expires_after: seconds until an unanswered request ends; None waits for ever.
        earlier: the id of a request of the same run for the same, which was rejected.
        rejected_again: the reason of that rejection, where it still counts; None asks.
        origins: where each argument came from, by name; None if that is not known.
        grantable: whether a grant may answer in a person's place.
    """

    tool: str
    arguments: dict[str, Any]
    provider_id: str
    asks: bool = True
    problem: str | None = None
    denied: bool = False
    rule: str = ""
    policy: Any = None
    fingerprint: str = ""
    secret: tuple[str, ...] = ()
    expires_after: float | None = None
    earlier: str | None = None
    rejected_again: str | None = None
    origins: dict[str, Any] | None = None
    grantable: bool = False


@dataclass(frozen=True)
class ToolRequest:
    """A tool call in the journal: what was asked, what was decided, what came of it.

    Args:
        turn: the model's how-manieth message in the run, from 1.
        place: the call's place in that message, from 0.
        arguments: as asked; `edited` replaces them where a person changed them.
        result: what the tool returned, why it failed or did not run, or what a person says of it.
        fingerprint: of the tool as it was when this was asked.
        policy: the tool's rules as they were then; `rule` is the one that counted.
        secret: names of the arguments that are masked; `salt` goes into their commitments.
        earlier: a request for the same that was rejected before in this run.
        replaces: the void or repeated request that this one stands for.
        receipt: the canonical form of what was decided about; `receipt_sha256` is its digest.
        claim: who took it for execution.
        resolved_by: who said what came of it, where that was unknown.
        origins: where each argument came from, by name; None if that is not known.
        grant_id: the grant that answered in a person's place.
        effective_at: until when a decision could, or can, be taken back.
        edited_before: what `edited` was before that decision.
        times: seconds since the epoch.
    """

    id: str
    run_id: str
    conversation_id: str
    turn: int
    place: int
    provider_id: str
    tool: str
    arguments: dict[str, Any]
    asks: bool
    status: RequestStatus
    asked_at: float
    fingerprint: str
    policy: Any
    rule: str
    secret: list[str]
    salt: str
    edited: dict[str, Any] | None = None
    decided_at: float | None = None
    decided_by: str | None = None
    decision: Literal["approve", "reject", "answer"] | None = None
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    result: str | None = None
    owner: str | None = None
    expires_at: float | None = None
    earlier: str | None = None
    replaces: str | None = None
    receipt: str | None = None
    receipt_sha256: str | None = None
    claim: str | None = None
    resolved_by: str | None = None
    resolved_at: float | None = None
    origins: dict[str, Any] | None = None
    grant_id: str | None = None
    effective_at: float | None = None
    edited_before: dict[str, Any] | None = None

    @property
    def final_arguments(self) -> dict[str, Any]:
        """What runs, or ran."""
        return self.arguments if self.edited is None else self.edited

    @property
    def is_open(self) -> bool:
        """Whether its outcome, or a person's word in place of it, is still to come."""
        return self.status in OPEN or self.is_in_doubt

    @property
    def is_in_doubt(self) -> bool:
        """Whether a person is to say what came of it."""
        return self.status == "unknown" and self.resolved_at is None

    @property
    def waits(self) -> bool:
        """Whether it waits for a person."""
        return self.status == "pending" or self.is_in_doubt


Scope = Literal["call", "conversation", "agent"]


@dataclass(frozen=True)
class Grant:
    """A person's word that some requests needn't be asked any more.

    Args:
        scope: the tool with exactly `arguments`; the tool in one conversation; or the tool
            always; each for one agent alone.
        fingerprint: of the tool as it was; the grant ends when the tool changes.
        request_id: where it was given.
        ended_why: "revoked", or what changed; None while it holds.
        times: seconds since the epoch.
    """

    id: str
    agent: str
    tool: str
    scope: Scope
    arguments: dict[str, Any] | None
    conversation_id: str
    fingerprint: str
    request_id: str
    granted_by: str
    granted_at: float
    ended_by: str | None = None
    ended_at: float | None = None
    ended_why: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it still answers in a person's place."""
        return self.ended_at is None


@dataclass(frozen=True)
class GrantUse:
    """A grant, and how often it answered in a person's place."""

    grant: Grant
    times: int
    last_at: float | None


@dataclass(frozen=True)
class Verdict:
    """What became of a decision.

    Args:
        accepted: whether this decision counts; only one ever does.
        request: the request as it stands now; None if the id names nothing.
    """

    accepted: bool
    request: ToolRequest | None


@dataclass(frozen=True)
class Conversation:
    """One chat with one agent.

    Args:
        kind: "chat", "try" for one call put through the gate by hand, "library" for runs of
            agents that only the process that started them knows.
        changes: what differs from the agent's file from the next message on.
        continues: the id of the last run of another conversation that this one starts from.
    """

    id: str
    agent: str
    kind: str
    title: str
    changes: dict[str, Any]
    continues: str | None
    created_at: float
    updated_at: float
    version: int


@dataclass(frozen=True)
class Run:
    """The work on one user message.

    Args:
        position: orders the runs, also across conversations.
        config: the agent's configuration when the message was sent (`AgentConfig.snapshot()`);
            tools that asked a person by the time the run started ask in it too.
        turn: how many messages the model has spoken.
        superseded: it ends instead of speaking again.
        stopped_by: who stopped it; it ends once nothing of it is in doubt.
        version: counts its changes.
    """

    position: int
    id: str
    conversation_id: str
    agent: str
    status: RunStatus
    text: str
    by: str
    config: dict[str, Any]
    created_at: float
    started_at: float | None
    ended_at: float | None
    error: str | None
    owner: str | None
    lease: float | None
    turn: int
    superseded: bool
    stopped_by: str | None
    version: int

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True)
class ModelCall:
    """One call of the model: what was sent, what came back, what it took.

    Args:
        config: the configuration as it was.
        messages: the messages sent.
        tools: the tool schemas sent.
        reply: the raw reply; None if there was none.
        ms: milliseconds from sending to the last byte.
    """

    run_id: str
    turn: int
    started_at: float
    ms: float
    config: dict[str, Any]
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    reply: dict[str, Any] | None
    error: str | None
    tokens_in: int | None
    tokens_out: int | None


@dataclass(frozen=True)
class RunRecord:
    """A run with all that was said and asked in it.

    Args:
        messages: the user's message at turn 0, then the model's, by turn.
    """

    run: Run
    messages: dict[int, ChatMessage]
    requests: tuple[ToolRequest, ...]

    def requests_of(self, turn: int) -> list[ToolRequest]:
        """The requests of one of the model's messages, in its order; those that count."""
        return [
            request
            for request in self.requests
            if request.turn == turn and request.status not in REPLACED
        ]
