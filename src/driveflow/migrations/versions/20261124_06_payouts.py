"""Explain payouts line by line: lines, debts, disputes, reversals under way."""

import sqlalchemy as sa
from alembic import op

from driveflow.migrations.security import secure_tenant_table

revision = "20261124_06_payouts"
down_revision = "20261124_05_money_flow"
branch_labels = None
depends_on = None

_CHECKS = (
    ("instructors", "kyc_status", "kyc_status IN ('none', 'pending', 'active', 'restricted', 'disabled')"),
    ("payout_reversals", "status", "status IN ('pending', 'succeeded', 'refused')"),
    ("payouts", "kind", "kind IN ('lesson', 'fee')"),
    ("payouts", "method", "method IN ('stripe', 'manual')"),
    ("payouts", "earned", "earned_cents >= 0 AND school_cents >= 0"),
    ("payouts", "reversed_cents", "reversed_cents BETWEEN 0 AND amount_cents"),
)


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "payout_disputes",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('open', 'won', 'lost')", name=op.f("payout_disputes_status_check")),
        sa.CheckConstraint("amount_cents >= 0", name=op.f("payout_disputes_amount_cents_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "booking_id"],
            ["bookings.org_id", "bookings.id"],
            name=op.f("payout_disputes_org_id_booking_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("payout_disputes_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("payout_disputes_pkey")),
        sa.UniqueConstraint("org_id", "booking_id", name=op.f("payout_disputes_org_id_booking_id_key")),
    )
    op.create_table(
        "payout_debts",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instructor_id", sa.Uuid(), nullable=False),
        sa.Column("payout_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="AUD", nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("settled_cents", sa.Integer(), server_default="0", nullable=False),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("payout_debts_amount_cents_check")),
        sa.CheckConstraint(
            "settled_cents BETWEEN 0 AND amount_cents", name=op.f("payout_debts_settled_cents_check")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "instructor_id"],
            ["instructors.org_id", "instructors.id"],
            name=op.f("payout_debts_org_id_instructor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "payout_id"],
            ["payouts.org_id", "payouts.id"],
            name=op.f("payout_debts_org_id_payout_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("payout_debts_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("payout_debts_pkey")),
    )
    op.create_index(
        op.f("payout_debts_org_id_instructor_id_idx"),
        "payout_debts",
        ["org_id", "instructor_id"],
        unique=False,
    )
    op.create_table(
        "payout_lines",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payout_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("debt_id", sa.Uuid(), nullable=True),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('lesson', 'fee', 'refund', 'dispute', 'fee_waived', 'debt')",
            name=op.f("payout_lines_kind_check"),
        ),
        sa.CheckConstraint("amount_cents <> 0", name=op.f("payout_lines_amount_cents_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "booking_id"],
            ["bookings.org_id", "bookings.id"],
            name=op.f("payout_lines_org_id_booking_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "debt_id"],
            ["payout_debts.org_id", "payout_debts.id"],
            name=op.f("payout_lines_org_id_debt_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "payout_id"],
            ["payouts.org_id", "payouts.id"],
            name=op.f("payout_lines_org_id_payout_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("payout_lines_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("payout_lines_pkey")),
    )
    op.create_index(
        op.f("payout_lines_org_id_payout_id_idx"), "payout_lines", ["org_id", "payout_id"], unique=False
    )
    op.add_column(
        "payout_reversals", sa.Column("status", sa.Text(), server_default="pending", nullable=False)
    )
    op.add_column("payout_reversals", sa.Column("memo", sa.Text(), nullable=True))
    op.add_column(
        "payout_reversals",
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("payouts", sa.Column("kind", sa.Text(), server_default="lesson", nullable=False))
    op.add_column("payouts", sa.Column("method", sa.Text(), server_default="stripe", nullable=False))
    op.add_column("payouts", sa.Column("earned_cents", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payouts", sa.Column("school_cents", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payouts", sa.Column("reversed_cents", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payouts", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payouts", sa.Column("waiting_reason", sa.Text(), nullable=True))
    op.add_column("payouts", sa.Column("attempt", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payouts", sa.Column("revision", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payouts", sa.Column("failure_code", sa.Text(), nullable=True))
    op.add_column("payouts", sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("payouts", sa.Column("marked_by", sa.Uuid(), nullable=True))
    op.add_column("payouts", sa.Column("reference", sa.Text(), nullable=True))
    op.create_unique_constraint(
        op.f("payouts_org_id_booking_id_kind_key"), "payouts", ["org_id", "booking_id", "kind"]
    )
    op.create_index(op.f("payouts_org_id_status_idx"), "payouts", ["org_id", "status"], unique=False)
    op.create_foreign_key(
        op.f("payouts_marked_by_fkey"), "payouts", "users", ["marked_by"], ["id"], ondelete="SET NULL"
    )
    for table, name, condition in _CHECKS:
        op.create_check_constraint(op.f(f"{table}_{name}_check"), table, condition)
    secure_tenant_table("payout_disputes")
    secure_tenant_table("payout_debts")
    secure_tenant_table("payout_lines")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    for table, name, _ in reversed(_CHECKS):
        op.drop_constraint(op.f(f"{table}_{name}_check"), table, type_="check")
    op.drop_constraint(op.f("payouts_marked_by_fkey"), "payouts", type_="foreignkey")
    op.drop_index(op.f("payouts_org_id_status_idx"), table_name="payouts")
    op.drop_constraint(op.f("payouts_org_id_booking_id_kind_key"), "payouts", type_="unique")
    op.drop_column("payouts", "reference")
    op.drop_column("payouts", "marked_by")
    op.drop_column("payouts", "paid_at")
    op.drop_column("payouts", "failure_code")
    op.drop_column("payouts", "revision")
    op.drop_column("payouts", "attempt")
    op.drop_column("payouts", "waiting_reason")
    op.drop_column("payouts", "due_at")
    op.drop_column("payouts", "reversed_cents")
    op.drop_column("payouts", "school_cents")
    op.drop_column("payouts", "earned_cents")
    op.drop_column("payouts", "method")
    op.drop_column("payouts", "kind")
    op.drop_column("payout_reversals", "updated_at")
    op.drop_column("payout_reversals", "memo")
    op.drop_column("payout_reversals", "status")
    op.drop_index(op.f("payout_lines_org_id_payout_id_idx"), table_name="payout_lines")
    op.drop_table("payout_lines")
    op.drop_index(op.f("payout_debts_org_id_instructor_id_idx"), table_name="payout_debts")
    op.drop_table("payout_debts")
    op.drop_table("payout_disputes")
