"""The tables of the approval chat."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ACTIVE = sa.text("status IN ('working', 'waiting', 'ready')")


def upgrade() -> None:
    _conversations()
    _runs()
    _messages()
    _tool_requests()
    _model_calls()


def _conversations() -> None:
    op.create_table(
        "conversation",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("continues", sa.String()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    op.create_index("ix_conversation_updated_at", "conversation", ["updated_at"])


def _runs() -> None:
    op.create_table(
        "run",
        sa.Column("position", counter, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("conversation_id", sa.String(), sa.ForeignKey("conversation.id"), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float()),
        sa.Column("ended_at", sa.Float()),
        sa.Column("error", sa.Text()),
        sa.Column("owner", sa.String()),
        sa.Column("lease", sa.Float()),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    op.create_index("run_of_conversation", "run", ["conversation_id", "position"])
    op.create_index("run_by_status", "run", ["status"])
    op.create_index(
        "one_active_run",
        "run",
        ["conversation_id"],
        unique=True,
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )


def _messages() -> None:
    op.create_table(
        "message",
        sa.Column("id", counter, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.UniqueConstraint("run_id", "turn"),
    )


def _tool_requests() -> None:
    op.create_table(
        "tool_request",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("run_id", sa.String(), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("conversation_id", sa.String(), sa.ForeignKey("conversation.id"), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("edited", sa.JSON()),
        sa.Column("asks", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("decided_at", sa.Float()),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decision", sa.String()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float()),
        sa.Column("ended_at", sa.Float()),
        sa.Column("result", sa.Text()),
        sa.Column("owner", sa.String()),
    )
    op.create_index("request_of_run", "tool_request", ["run_id", "turn", "place"])
    op.create_index("request_by_status", "tool_request", ["status", "asked_at"])


def _model_calls() -> None:
    op.create_table(
        "model_call",
        sa.Column("id", counter, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ms", sa.Float(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("tools", sa.JSON(), nullable=False),
        sa.Column("reply", sa.JSON()),
        sa.Column("error", sa.Text()),
        sa.Column("tokens_in", sa.Integer()),
        sa.Column("tokens_out", sa.Integer()),
    )
    op.create_index("ix_model_call_run_id", "model_call", ["run_id"])
