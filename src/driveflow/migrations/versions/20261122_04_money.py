"""Payments, refunds, payouts, the ledger and messages (seed steps 8 and 9)."""

import sqlalchemy as sa
from alembic import op

from driveflow.migrations.security import secure_tenant_table

revision = "20261122_04_money"
down_revision = "20261122_03_bookings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "payments",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="intent_created", nullable=False),
        sa.Column("currency", sa.Text(), server_default="AUD", nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("platform_fee_cents", sa.Integer(), nullable=False),
        sa.Column("instructor_share_cents", sa.Integer(), nullable=False),
        sa.Column("refunded_cents", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stripe_payment_intent_id", sa.Text(), nullable=True),
        sa.Column("stripe_charge_id", sa.Text(), nullable=True),
        sa.Column("stripe_refund_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('intent_created', 'processing', 'requires_action', 'succeeded', 'failed', 'canceled', 'partially_refunded', 'refunded', 'disputed')",
            name=op.f("payments_status_check"),
        ),
        sa.CheckConstraint("amount_cents >= 0", name=op.f("payments_amount_cents_check")),
        sa.CheckConstraint(
            "platform_fee_cents + instructor_share_cents = amount_cents", name=op.f("payments_split_check")
        ),
        sa.CheckConstraint(
            "platform_fee_cents >= 0 AND instructor_share_cents >= 0",
            name=op.f("payments_split_positive_check"),
        ),
        sa.CheckConstraint(
            "refunded_cents BETWEEN 0 AND amount_cents", name=op.f("payments_refunded_cents_check")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "booking_id"],
            ["bookings.org_id", "bookings.id"],
            name=op.f("payments_org_id_booking_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("payments_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stripe_payment_intent_id"],
            ["stripe_objects.stripe_id"],
            name=op.f("payments_stripe_payment_intent_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("payments_pkey")),
        sa.UniqueConstraint("org_id", "booking_id", name=op.f("payments_org_id_booking_id_key")),
        sa.UniqueConstraint(
            "org_id", "stripe_payment_intent_id", name=op.f("payments_org_id_stripe_payment_intent_id_key")
        ),
    )
    op.create_index(op.f("payments_org_id_status_idx"), "payments", ["org_id", "status"], unique=False)
    op.create_table(
        "refunds",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("currency", sa.Text(), server_default="AUD", nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("stripe_refund_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'requires_action', 'succeeded', 'failed', 'canceled')",
            name=op.f("refunds_status_check"),
        ),
        sa.CheckConstraint("amount_cents > 0", name=op.f("refunds_amount_cents_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "payment_id"],
            ["payments.org_id", "payments.id"],
            name=op.f("refunds_org_id_payment_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("refunds_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stripe_refund_id"], ["stripe_objects.stripe_id"], name=op.f("refunds_stripe_refund_id_fkey")
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("refunds_pkey")),
        sa.UniqueConstraint("org_id", "stripe_refund_id", name=op.f("refunds_org_id_stripe_refund_id_key")),
    )
    op.create_index(op.f("refunds_org_id_payment_id_idx"), "refunds", ["org_id", "payment_id"], unique=False)
    op.create_table(
        "payouts",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instructor_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.Text(), server_default="AUD", nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("stripe_transfer_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'in_transit', 'paid', 'frozen', 'failed', 'canceled', 'reversed')",
            name=op.f("payouts_status_check"),
        ),
        sa.CheckConstraint("amount_cents >= 0", name=op.f("payouts_amount_cents_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "booking_id"],
            ["bookings.org_id", "bookings.id"],
            name=op.f("payouts_org_id_booking_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "instructor_id"],
            ["instructors.org_id", "instructors.id"],
            name=op.f("payouts_org_id_instructor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("payouts_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stripe_transfer_id"], ["stripe_objects.stripe_id"], name=op.f("payouts_stripe_transfer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("payouts_pkey")),
        sa.UniqueConstraint(
            "org_id", "stripe_transfer_id", name=op.f("payouts_org_id_stripe_transfer_id_key")
        ),
    )
    op.create_index(op.f("payouts_org_id_booking_id_idx"), "payouts", ["org_id", "booking_id"], unique=False)
    op.create_index(
        op.f("payouts_org_id_instructor_id_idx"), "payouts", ["org_id", "instructor_id"], unique=False
    )
    op.create_table(
        "payout_reversals",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payout_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("stripe_reversal_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("payout_reversals_amount_cents_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "payout_id"],
            ["payouts.org_id", "payouts.id"],
            name=op.f("payout_reversals_org_id_payout_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "refund_id"],
            ["refunds.org_id", "refunds.id"],
            name=op.f("payout_reversals_org_id_refund_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("payout_reversals_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stripe_reversal_id"],
            ["stripe_objects.stripe_id"],
            name=op.f("payout_reversals_stripe_reversal_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("payout_reversals_pkey")),
        sa.UniqueConstraint(
            "org_id", "payout_id", "refund_id", name=op.f("payout_reversals_org_id_payout_id_refund_id_key")
        ),
        sa.UniqueConstraint(
            "org_id", "stripe_reversal_id", name=op.f("payout_reversals_org_id_stripe_reversal_id_key")
        ),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("debit_account", sa.Text(), nullable=False),
        sa.Column("credit_account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="AUD", nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("memo", sa.Text(), nullable=True),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("entity_type", sa.Text(), nullable=True),
        sa.Column("entity_id", sa.Uuid(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ledger_entries_amount_cents_check")),
        sa.CheckConstraint("debit_account <> credit_account", name=op.f("ledger_entries_accounts_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "booking_id"],
            ["bookings.org_id", "bookings.id"],
            name=op.f("ledger_entries_org_id_booking_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("ledger_entries_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("ledger_entries_pkey")),
        sa.UniqueConstraint("org_id", "dedupe_key", name=op.f("ledger_entries_org_id_dedupe_key_key")),
    )
    op.create_index(
        op.f("ledger_entries_org_id_booking_id_idx"), "ledger_entries", ["org_id", "booking_id"], unique=False
    )
    op.create_index(
        op.f("ledger_entries_org_id_created_at_idx"), "ledger_entries", ["org_id", "created_at"], unique=False
    )
    op.create_table(
        "messages",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("to_address", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("template_key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("related_type", sa.Text(), nullable=True),
        sa.Column("related_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("channel IN ('email', 'sms', 'whatsapp')", name=op.f("messages_channel_check")),
        sa.CheckConstraint(
            "status IN ('queued', 'sending', 'sent', 'delivered', 'undelivered', 'unknown', 'failed')",
            name=op.f("messages_status_check"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("messages_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("messages_pkey")),
    )
    op.create_index(
        op.f("messages_org_id_channel_status_idx"), "messages", ["org_id", "channel", "status"], unique=False
    )
    op.create_index(
        op.f("messages_org_id_related_type_related_id_idx"),
        "messages",
        ["org_id", "related_type", "related_id"],
        unique=False,
    )
    secure_tenant_table("payments")
    secure_tenant_table("refunds")
    secure_tenant_table("payouts")
    secure_tenant_table("payout_reversals")
    secure_tenant_table("ledger_entries", append_only=True)
    secure_tenant_table("messages")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("messages")
    op.drop_table("ledger_entries")
    op.drop_table("payout_reversals")
    op.drop_table("payouts")
    op.drop_table("refunds")
    op.drop_table("payments")
