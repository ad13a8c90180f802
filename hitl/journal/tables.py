"""The tables. A few of them are the only truth; everything else can be thrown away."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy import Text as PlainText


def readable(text: str) -> str:
    """Text that every database, client and page takes: what they can't is written as an escape."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


class Text(TypeDecorator[str]):
    """A column of readable text."""

    impl = PlainText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else readable(value)


metadata = MetaData()
counter = BigInteger().with_variant(Integer, "sqlite")

conversation = Table(
    "conversation",
    metadata,
    Column("id", String, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("kind", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("changes", JSON, nullable=False),
    Column("continues", String),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False, index=True),
    Column("version", Integer, nullable=False, default=0),
)

run = Table(
    "run",
    metadata,
    Column("position", counter, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("conversation_id", ForeignKey(conversation.c.id), nullable=False),
    Column("agent", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("config", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("error", Text),
    Column("owner", String),
    Column("lease", Float),
    Column("turn", Integer, nullable=False, default=0),
    Column("superseded", Boolean, nullable=False, default=False),
    Column("stopped_by", Text),
    Column("version", Integer, nullable=False, default=0),
    Index("run_of_conversation", "conversation_id", "position"),
    Index("run_by_status", "status"),
)

# One run at a time: the database itself refuses a second active run of a conversation.
_active = text("status IN ('working', 'waiting', 'ready')")
Index(
    "one_active_run",
    run.c.conversation_id,
    unique=True,
    sqlite_where=_active,
    postgresql_where=_active,
)

message = Table(
    "message",
    metadata,
    Column("id", counter, primary_key=True, autoincrement=True),
    Column("run_id", ForeignKey(run.c.id), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    Column("at", Float, nullable=False),
    UniqueConstraint("run_id", "turn"),
)

tool_request = Table(
    "tool_request",
    metadata,
    Column("id", String, primary_key=True),
    Column("run_id", ForeignKey(run.c.id), nullable=False),
    Column("conversation_id", ForeignKey(conversation.c.id), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("edited", JSON(none_as_null=True)),
    Column("asks", Boolean, nullable=False),
    Column("status", String, nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("decided_at", Float),
    Column("decided_by", Text),
    Column("decision", String),
    Column("reason", Text, nullable=False, default=""),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("result", Text),
    Column("owner", String),
    Column("fingerprint", String, nullable=False, default=""),
    Column("policy", JSON(none_as_null=True)),
    Column("rule", Text, nullable=False, default=""),
    Column("secret", JSON, nullable=False, default=list),
    Column("salt", String, nullable=False, default=""),
    Column("expires_at", Float),
    Column("earlier", String),
    Column("replaces", String),
    Column("receipt", Text),
    Column("receipt_sha256", String),
    Column("claim", String),
    Column("resolved_by", Text),
    Column("resolved_at", Float),
    Column("origins", JSON(none_as_null=True)),
    Column("grant_id", String),
    Column("effective_at", Float),
    Column("edited_before", JSON(none_as_null=True)),
    Index("request_of_run", "run_id", "turn", "place"),
    Index("request_by_status", "status", "asked_at"),
    Index("request_by_expiry", "expires_at"),
    Index("request_of_grant", "grant_id"),
    Index("request_of_conversation", "conversation_id", "status"),
)

# What waits for a person, found and counted without looking at what does not.
WAITS = text("status IN ('pending', 'unknown') AND resolved_at IS NULL")
Index(
    "request_that_waits",
    tool_request.c.asked_at,
    tool_request.c.id,
    sqlite_where=WAITS,
    postgresql_where=WAITS,
)

tool_grant = Table(
    "tool_grant",
    metadata,
    Column("id", String, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("scope", String, nullable=False),
    Column("arguments", JSON(none_as_null=True)),
    Column("conversation_id", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("granted_at", Float, nullable=False),
    Column("ended_by", Text),
    Column("ended_at", Float),
    Column("ended_why", Text),
    Index("grant_of_tool", "agent", "tool"),
)

# Append-only: each row's hash covers the row before it, so that none can be changed or left out.
audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("request_id", String, nullable=False, index=True),
    Column("body", PlainText, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
)

# One row: whoever appends to the chain takes it first.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String, nullable=False),
)

model_call = Table(
    "model_call",
    metadata,
    Column("id", counter, primary_key=True, autoincrement=True),
    Column("run_id", ForeignKey(run.c.id), nullable=False, index=True),
    Column("turn", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ms", Float, nullable=False),
    Column("config", JSON, nullable=False),
    Column("messages", JSON, nullable=False),
    Column("tools", JSON, nullable=False),
    Column("reply", JSON(none_as_null=True)),
    Column("error", Text),
    Column("tokens_in", Integer),
    Column("tokens_out", Integer),
)
