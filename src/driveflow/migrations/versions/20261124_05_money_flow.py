"""Let money move: payment settings of schools, calls to Stripe, causes of refunds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from driveflow.migrations.security import secure_tenant_table

revision = "20261124_05_money_flow"
down_revision = "20261122_04_money"
branch_labels = None
depends_on = None

_CHECKS = (
    ("orgs", "payment_minutes", "payment_minutes BETWEEN 30 AND 1440"),
    ("orgs", "payout_hold_minutes", "payout_hold_minutes BETWEEN 0 AND 129600"),
    ("orgs", "tax_bps", "tax_bps BETWEEN 0 AND 10000"),
    ("orgs", "quiet_from_minute", "quiet_from_minute BETWEEN 0 AND 1439"),
    ("orgs", "quiet_to_minute", "quiet_to_minute BETWEEN 0 AND 1439"),
    ("payments", "method", "method IN ('stripe', 'cash', 'bank_transfer', 'elsewhere')"),
    ("payments", "stripe_fee_cents", "stripe_fee_cents >= 0"),
    ("payments", "dispute_status", "dispute_status IN ('open', 'won', 'lost')"),
    ("refunds", "method", "method IN ('stripe', 'cash', 'bank_transfer', 'elsewhere')"),
    ("refunds", "cause", "cause IN ('staff', 'cancellation', 'fee_waived', 'slot_lost', 'paid_twice')"),
)


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "stripe_requests",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stripe_id", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "operation IN ('create_checkout_session', 'expire_checkout_session', 'create_payment_intent', 'cancel_payment_intent', 'create_refund', 'create_account', 'create_transfer', 'reverse_transfer')",
            name=op.f("stripe_requests_operation_check"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'succeeded', 'refused')", name=op.f("stripe_requests_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("stripe_requests_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("stripe_requests_pkey")),
        sa.UniqueConstraint(
            "org_id", "idempotency_key", name=op.f("stripe_requests_org_id_idempotency_key_key")
        ),
    )
    op.create_index(
        op.f("stripe_requests_org_id_entity_id_idx"), "stripe_requests", ["org_id", "entity_id"], unique=False
    )
    op.add_column("orgs", sa.Column("email", sa.Text(), nullable=True))
    op.add_column("orgs", sa.Column("phone", sa.Text(), nullable=True))
    op.add_column("orgs", sa.Column("address", sa.Text(), nullable=True))
    op.add_column("orgs", sa.Column("locale", sa.Text(), server_default="en_AU", nullable=False))
    op.add_column(
        "orgs", sa.Column("confirm_on_payment", sa.Boolean(), server_default="true", nullable=False)
    )
    op.add_column("orgs", sa.Column("payment_minutes", sa.Integer(), server_default="30", nullable=False))
    op.add_column(
        "orgs", sa.Column("payout_hold_minutes", sa.Integer(), server_default="4320", nullable=False)
    )
    op.add_column("orgs", sa.Column("tax_registered", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("orgs", sa.Column("tax_name", sa.Text(), server_default="GST", nullable=False))
    op.add_column("orgs", sa.Column("tax_bps", sa.Integer(), server_default="1000", nullable=False))
    op.add_column(
        "orgs",
        sa.Column(
            "reminder_minutes",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[1440, 120]'"),
            nullable=False,
        ),
    )
    op.add_column("orgs", sa.Column("quiet_from_minute", sa.Integer(), server_default="1260", nullable=False))
    op.add_column("orgs", sa.Column("quiet_to_minute", sa.Integer(), server_default="480", nullable=False))
    op.add_column("payments", sa.Column("method", sa.Text(), server_default="stripe", nullable=False))
    op.add_column("payments", sa.Column("attempt", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payments", sa.Column("stripe_checkout_session_id", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("checkout_url", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("checkout_expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payments", sa.Column("stripe_fee_cents", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payments", sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payments", sa.Column("payer_guardian_id", sa.Uuid(), nullable=True))
    op.add_column("payments", sa.Column("recorded_by", sa.Uuid(), nullable=True))
    op.add_column("payments", sa.Column("reference", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("failure_code", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("failure_message", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("dispute_status", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("student_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("payments_org_id_student_id_fkey"),
        "payments",
        "students",
        ["org_id", "student_id"],
        ["org_id", "id"],
    )
    op.create_index(
        op.f("payments_org_id_student_id_idx"), "payments", ["org_id", "student_id"], unique=False
    )
    op.create_index(
        op.f("payments_org_id_created_at_idx"), "payments", ["org_id", "created_at"], unique=False
    )
    op.create_unique_constraint(
        op.f("payments_org_id_stripe_checkout_session_id_key"),
        "payments",
        ["org_id", "stripe_checkout_session_id"],
    )
    op.create_foreign_key(
        op.f("payments_org_id_payer_guardian_id_fkey"),
        "payments",
        "guardians",
        ["org_id", "payer_guardian_id"],
        ["org_id", "id"],
    )
    op.create_foreign_key(
        op.f("payments_stripe_checkout_session_id_fkey"),
        "payments",
        "stripe_objects",
        ["stripe_checkout_session_id"],
        ["stripe_id"],
    )
    op.create_foreign_key(
        op.f("payments_recorded_by_fkey"), "payments", "users", ["recorded_by"], ["id"], ondelete="SET NULL"
    )
    op.add_column("refunds", sa.Column("cause", sa.Text(), server_default="staff", nullable=False))
    op.add_column("refunds", sa.Column("method", sa.Text(), server_default="stripe", nullable=False))
    op.add_column("refunds", sa.Column("stripe_payment_intent_id", sa.Text(), nullable=True))
    op.add_column("refunds", sa.Column("attempt", sa.Integer(), server_default="1", nullable=False))
    op.add_column("refunds", sa.Column("requested_by", sa.Uuid(), nullable=True))
    op.add_column("refunds", sa.Column("failure_reason", sa.Text(), nullable=True))
    op.add_column("refunds", sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        op.f("refunds_requested_by_fkey"), "refunds", "users", ["requested_by"], ["id"], ondelete="SET NULL"
    )
    op.add_column("webhook_events", sa.Column("org_id", sa.Uuid(), nullable=True))
    op.add_column("webhook_events", sa.Column("account", sa.Text(), nullable=True))
    op.add_column("webhook_events", sa.Column("outcome", sa.Text(), nullable=True))
    op.create_index(
        op.f("webhook_events_org_id_received_at_idx"),
        "webhook_events",
        ["org_id", "received_at"],
        unique=False,
    )
    op.create_foreign_key(
        op.f("webhook_events_org_id_fkey"), "webhook_events", "orgs", ["org_id"], ["id"], ondelete="CASCADE"
    )
    for table, name, condition in _CHECKS:
        op.create_check_constraint(op.f(f"{table}_{name}_check"), table, condition)
    secure_tenant_table("stripe_requests")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    for table, name, _ in reversed(_CHECKS):
        op.drop_constraint(op.f(f"{table}_{name}_check"), table, type_="check")
    op.drop_constraint(op.f("webhook_events_org_id_fkey"), "webhook_events", type_="foreignkey")
    op.drop_index(op.f("webhook_events_org_id_received_at_idx"), table_name="webhook_events")
    op.drop_column("webhook_events", "outcome")
    op.drop_column("webhook_events", "account")
    op.drop_column("webhook_events", "org_id")
    op.drop_constraint(op.f("refunds_requested_by_fkey"), "refunds", type_="foreignkey")
    op.drop_column("refunds", "settled_at")
    op.drop_column("refunds", "failure_reason")
    op.drop_column("refunds", "requested_by")
    op.drop_column("refunds", "attempt")
    op.drop_column("refunds", "stripe_payment_intent_id")
    op.drop_column("refunds", "method")
    op.drop_column("refunds", "cause")
    op.drop_constraint(op.f("payments_recorded_by_fkey"), "payments", type_="foreignkey")
    op.drop_constraint(op.f("payments_stripe_checkout_session_id_fkey"), "payments", type_="foreignkey")
    op.drop_constraint(op.f("payments_org_id_payer_guardian_id_fkey"), "payments", type_="foreignkey")
    op.drop_constraint(op.f("payments_org_id_stripe_checkout_session_id_key"), "payments", type_="unique")
    op.drop_index(op.f("payments_org_id_created_at_idx"), table_name="payments")
    op.drop_index(op.f("payments_org_id_student_id_idx"), table_name="payments")
    op.drop_constraint(op.f("payments_org_id_student_id_fkey"), "payments", type_="foreignkey")
    op.drop_column("payments", "student_id")
    op.drop_column("payments", "dispute_status")
    op.drop_column("payments", "failure_message")
    op.drop_column("payments", "failure_code")
    op.drop_column("payments", "reference")
    op.drop_column("payments", "recorded_by")
    op.drop_column("payments", "payer_guardian_id")
    op.drop_column("payments", "paid_at")
    op.drop_column("payments", "stripe_fee_cents")
    op.drop_column("payments", "checkout_expires_at")
    op.drop_column("payments", "checkout_url")
    op.drop_column("payments", "stripe_checkout_session_id")
    op.drop_column("payments", "attempt")
    op.drop_column("payments", "method")
    op.drop_column("orgs", "quiet_to_minute")
    op.drop_column("orgs", "quiet_from_minute")
    op.drop_column("orgs", "reminder_minutes")
    op.drop_column("orgs", "tax_bps")
    op.drop_column("orgs", "tax_name")
    op.drop_column("orgs", "tax_registered")
    op.drop_column("orgs", "payout_hold_minutes")
    op.drop_column("orgs", "payment_minutes")
    op.drop_column("orgs", "confirm_on_payment")
    op.drop_column("orgs", "locale")
    op.drop_column("orgs", "address")
    op.drop_column("orgs", "phone")
    op.drop_column("orgs", "email")
    op.drop_index(op.f("stripe_requests_org_id_entity_id_idx"), table_name="stripe_requests")
    op.drop_table("stripe_requests")
