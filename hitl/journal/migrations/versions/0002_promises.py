"""Receipts, rules, secrets, expiry, what became of unknown outcomes; and the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

RANDOM = {
    "sqlite": "lower(hex(randomblob(16)))",
    "postgresql": "replace(gen_random_uuid()::text, '-', '')",
}
WAITS = sa.text("status IN ('pending', 'unknown') AND resolved_at IS NULL")
FILLED = ("fingerprint", "rule", "secret", "salt")


def upgrade() -> None:
    op.add_column("run", sa.Column("stopped_by", sa.Text()))
    _add_to_requests()
    _fill()
    with op.batch_alter_table("tool_request") as requests:
        for name in FILLED:
            requests.alter_column(name, nullable=False)
    _index_requests()
    _make_audit()


def _add_to_requests() -> None:
    for column in (
        sa.Column("fingerprint", sa.String()),
        sa.Column("policy", sa.JSON()),
        sa.Column("rule", sa.Text()),
        sa.Column("secret", sa.JSON()),
        sa.Column("salt", sa.String()),
        sa.Column("expires_at", sa.Float()),
        sa.Column("earlier", sa.String()),
        sa.Column("replaces", sa.String()),
        sa.Column("receipt", sa.Text()),
        sa.Column("receipt_sha256", sa.String()),
        sa.Column("claim", sa.String()),
        sa.Column("resolved_by", sa.Text()),
        sa.Column("resolved_at", sa.Float()),
    ):
        op.add_column("tool_request", column)


def _fill() -> None:
    """What the first version did not know; and nobody is asked about runs that are over."""
    random = RANDOM[op.get_bind().dialect.name]
    op.execute(
        "UPDATE tool_request SET fingerprint = '', secret = '[]', "
        f"rule = CASE WHEN asks THEN 'ask' ELSE 'allow' END, salt = {random}"
    )
    op.execute(
        "UPDATE tool_request SET resolved_at = coalesce(ended_at, "
        "(SELECT run.ended_at FROM run WHERE run.id = run_id), asked_at) "
        "WHERE status = 'unknown' AND run_id IN "
        "(SELECT id FROM run WHERE status IN ('answered', 'failed', 'cancelled', 'superseded'))"
    )


def _index_requests() -> None:
    op.create_index("request_by_expiry", "tool_request", ["expires_at"])
    op.create_index("request_of_conversation", "tool_request", ["conversation_id", "status"])
    op.create_index(
        "request_that_waits",
        "tool_request",
        ["asked_at", "id"],
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
    )
    op.create_index("ix_audit_request_id", "audit", ["request_id"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": ""}])
