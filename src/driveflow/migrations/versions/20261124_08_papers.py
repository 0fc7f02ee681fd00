"""Invoices without gaps in their numbers, and calendar feeds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from driveflow.migrations.security import secure_tenant_table

revision = "20261124_08_papers"
down_revision = "20261124_07_messaging"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "invoice_numbers",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name=op.f("invoice_numbers_kind_check")),
        sa.CheckConstraint("last_number >= 0", name=op.f("invoice_numbers_last_number_check")),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("invoice_numbers_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "kind", name=op.f("invoice_numbers_pkey")),
    )
    op.create_table(
        "calendar_feeds",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("instructor_id", sa.Uuid(), nullable=True),
        sa.Column("student_id", sa.Uuid(), nullable=True),
        sa.Column("guardian_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(reader = 'guardian') = (guardian_id IS NOT NULL)", name=op.f("calendar_feeds_guardian_check")
        ),
        sa.CheckConstraint(
            "(reader = 'instructor') = (instructor_id IS NOT NULL)",
            name=op.f("calendar_feeds_instructor_check"),
        ),
        sa.CheckConstraint(
            "(reader IN ('student', 'guardian')) = (student_id IS NOT NULL)",
            name=op.f("calendar_feeds_student_check"),
        ),
        sa.CheckConstraint(
            "reader IN ('instructor', 'student', 'guardian', 'school')",
            name=op.f("calendar_feeds_reader_check"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "guardian_id"],
            ["guardians.org_id", "guardians.id"],
            name=op.f("calendar_feeds_org_id_guardian_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "instructor_id"],
            ["instructors.org_id", "instructors.id"],
            name=op.f("calendar_feeds_org_id_instructor_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "student_id"],
            ["students.org_id", "students.id"],
            name=op.f("calendar_feeds_org_id_student_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("calendar_feeds_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("calendar_feeds_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("calendar_feeds_pkey")),
        sa.UniqueConstraint("org_id", "token_hash", name=op.f("calendar_feeds_org_id_token_hash_key")),
    )
    op.create_index(
        op.f("calendar_feeds_org_id_instructor_id_idx"),
        "calendar_feeds",
        ["org_id", "instructor_id"],
        unique=False,
    )
    op.create_index(
        op.f("calendar_feeds_org_id_student_id_idx"), "calendar_feeds", ["org_id", "student_id"], unique=False
    )
    op.create_table(
        "invoices",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total_cents", sa.Integer(), nullable=False),
        sa.Column("tax_cents", sa.Integer(), nullable=False),
        sa.Column("paper", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'credit_note') = (refund_id IS NOT NULL)", name=op.f("invoices_refund_check")
        ),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name=op.f("invoices_kind_check")),
        sa.CheckConstraint("number > 0", name=op.f("invoices_number_check")),
        sa.CheckConstraint(
            "total_cents >= 0 AND tax_cents BETWEEN 0 AND total_cents", name=op.f("invoices_amounts_check")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "booking_id"],
            ["bookings.org_id", "bookings.id"],
            name=op.f("invoices_org_id_booking_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "payment_id"],
            ["payments.org_id", "payments.id"],
            name=op.f("invoices_org_id_payment_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "refund_id"],
            ["refunds.org_id", "refunds.id"],
            name=op.f("invoices_org_id_refund_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "student_id"],
            ["students.org_id", "students.id"],
            name=op.f("invoices_org_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("invoices_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("invoices_pkey")),
        sa.UniqueConstraint("org_id", "kind", "number", name=op.f("invoices_org_id_kind_number_key")),
        sa.UniqueConstraint("org_id", "refund_id", name=op.f("invoices_org_id_refund_id_key")),
    )
    op.create_index(
        "invoices_one_per_payment_idx",
        "invoices",
        ["org_id", "payment_id"],
        unique=True,
        postgresql_where=sa.text("refund_id IS NULL"),
    )
    op.create_index(op.f("invoices_org_id_issued_at_idx"), "invoices", ["org_id", "issued_at"], unique=False)
    op.create_index(
        op.f("invoices_org_id_payment_id_idx"), "invoices", ["org_id", "payment_id"], unique=False
    )
    op.create_index(
        op.f("invoices_org_id_student_id_issued_at_idx"),
        "invoices",
        ["org_id", "student_id", "issued_at"],
        unique=False,
    )
    secure_tenant_table("invoice_numbers")
    secure_tenant_table("invoices", append_only=True)
    secure_tenant_table("calendar_feeds")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("invoices")
    op.drop_table("invoice_numbers")
    op.drop_table("calendar_feeds")
