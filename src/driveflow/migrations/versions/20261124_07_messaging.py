"""Let messages go out: recipients, letters and dedupe keys; preferences of people; opt-outs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from driveflow.migrations.security import grant_control_plane, secure_tenant_table

revision = "20261124_07_messaging"
down_revision = "20261124_06_payouts"
branch_labels = None
depends_on = None

_CHECKS = (
    ("students", "preferred_channel", "preferred_channel IN ('email', 'sms', 'whatsapp', 'none')"),
    ("guardians", "preferred_channel", "preferred_channel IN ('email', 'sms', 'whatsapp', 'none')"),
    ("messages", "recipient_kind", "recipient_kind IN ('student', 'guardian', 'instructor', 'school')"),
)
_MESSAGE_COLUMNS = (
    "recipient_kind",
    "recipient_id",
    "letter",
    "dedupe_key",
    "resend_of",
    "reminds_of",
    "send_at",
    "sent_at",
    "tries",
    "unsubscribe_token",
)


def upgrade() -> None:
    """Bring the schema to this revision."""
    for table in ("students", "guardians"):
        op.add_column(
            table, sa.Column("preferred_channel", sa.Text(), server_default="email", nullable=False)
        )
        op.add_column(table, sa.Column("locale", sa.Text(), nullable=True))
    op.add_column(
        "student_guardians", sa.Column("notify", sa.Boolean(), server_default="true", nullable=False)
    )
    op.add_column("messages", sa.Column("recipient_kind", sa.Text(), nullable=True))
    op.add_column("messages", sa.Column("recipient_id", sa.Uuid(), nullable=True))
    op.add_column(
        "messages",
        sa.Column("letter", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    )
    op.add_column("messages", sa.Column("dedupe_key", sa.Text(), nullable=True))
    op.add_column("messages", sa.Column("resend_of", sa.Uuid(), nullable=True))
    op.add_column("messages", sa.Column("reminds_of", sa.DateTime(timezone=True), nullable=True))
    op.add_column("messages", sa.Column("send_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("messages", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("messages", sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("messages", sa.Column("unsubscribe_token", sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("messages_org_id_dedupe_key_key"), "messages", ["org_id", "dedupe_key"])
    op.create_foreign_key(
        op.f("messages_org_id_resend_of_fkey"),
        "messages",
        "messages",
        ["org_id", "resend_of"],
        ["org_id", "id"],
    )
    op.create_index(
        op.f("messages_org_id_created_at_idx"), "messages", ["org_id", "created_at"], unique=False
    )
    op.create_table(
        "mail_opt_outs",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("mail_opt_outs_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("mail_opt_outs_pkey")),
        sa.UniqueConstraint("org_id", "address", name=op.f("mail_opt_outs_org_id_address_key")),
    )
    op.create_table(
        "phone_contacts",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("last_inbound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opted_out_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "channel IN ('email', 'sms', 'whatsapp')", name=op.f("phone_contacts_channel_check")
        ),
        sa.PrimaryKeyConstraint("channel", "address", name=op.f("phone_contacts_pkey")),
    )
    for table, name, condition in _CHECKS:
        op.create_check_constraint(op.f(f"{table}_{name}_check"), table, condition)
    secure_tenant_table("mail_opt_outs")
    grant_control_plane("phone_contacts")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("phone_contacts")
    op.drop_table("mail_opt_outs")
    for table, name, _ in reversed(_CHECKS):
        op.drop_constraint(op.f(f"{table}_{name}_check"), table, type_="check")
    op.drop_index(op.f("messages_org_id_created_at_idx"), table_name="messages")
    op.drop_constraint(op.f("messages_org_id_resend_of_fkey"), "messages", type_="foreignkey")
    op.drop_constraint(op.f("messages_org_id_dedupe_key_key"), "messages", type_="unique")
    for column in reversed(_MESSAGE_COLUMNS):
        op.drop_column("messages", column)
    op.drop_column("student_guardians", "notify")
    for table in ("guardians", "students"):
        op.drop_column(table, "locale")
        op.drop_column(table, "preferred_channel")
