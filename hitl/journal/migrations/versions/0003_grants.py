"""Grants, where arguments came from, and decisions that can be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("tool_request", sa.Column("origins", sa.JSON()))
    op.add_column("tool_request", sa.Column("grant_id", sa.String()))
    op.add_column("tool_request", sa.Column("effective_at", sa.Float()))
    op.add_column("tool_request", sa.Column("edited_before", sa.JSON()))
    op.create_index("request_of_grant", "tool_request", ["grant_id"])
    op.create_table(
        "tool_grant",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("arguments", sa.JSON()),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.Float(), nullable=False),
        sa.Column("ended_by", sa.Text()),
        sa.Column("ended_at", sa.Float()),
        sa.Column("ended_why", sa.Text()),
    )
    op.create_index("grant_of_tool", "tool_grant", ["agent", "tool"])
