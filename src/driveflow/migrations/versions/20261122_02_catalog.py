"""Services, prices and working hours (seed steps 4 and 5)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from driveflow.migrations.security import secure_tenant_table

revision = "20261122_02_catalog"
down_revision = "20261122_01_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "services",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("duration_min", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("duration_min BETWEEN 5 AND 720", name=op.f("services_duration_min_check")),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("services_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("services_pkey")),
        sa.UniqueConstraint("org_id", "name", name=op.f("services_org_id_name_key")),
    )
    op.create_index(op.f("services_org_id_active_idx"), "services", ["org_id", "active"], unique=False)
    op.create_table(
        "rate_cards",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="AUD", nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("org_id"), "="),
            (sa.text("daterange(valid_from, valid_to, '[]')"), "&&"),
            where=sa.text("is_default"),
            using="gist",
            name="rate_cards_default_no_overlap",
        ),
        sa.CheckConstraint("valid_from <= valid_to", name=op.f("rate_cards_validity_check")),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("rate_cards_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("rate_cards_pkey")),
        sa.UniqueConstraint("org_id", "name", name=op.f("rate_cards_org_id_name_key")),
    )
    op.create_index(
        op.f("rate_cards_org_id_is_default_idx"), "rate_cards", ["org_id", "is_default"], unique=False
    )
    op.create_table(
        "rate_card_items",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("rate_card_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("price_cents", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("price_cents >= 0", name=op.f("rate_card_items_price_cents_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "rate_card_id"],
            ["rate_cards.org_id", "rate_cards.id"],
            name=op.f("rate_card_items_org_id_rate_card_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "service_id"],
            ["services.org_id", "services.id"],
            name=op.f("rate_card_items_org_id_service_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("rate_card_items_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "rate_card_id", "service_id", name=op.f("rate_card_items_pkey")),
        sa.UniqueConstraint("org_id", "id", name=op.f("rate_card_items_org_id_id_key")),
    )
    op.create_index(
        op.f("rate_card_items_org_id_service_id_idx"),
        "rate_card_items",
        ["org_id", "service_id"],
        unique=False,
    )
    op.create_table(
        "instructor_availabilities",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instructor_id", sa.Uuid(), nullable=False),
        sa.Column("day_of_week", sa.Integer(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=False),
        sa.Column("end_minute", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=True),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "0 <= start_minute AND start_minute < end_minute AND end_minute <= 1440",
            name=op.f("instructor_availabilities_window_check"),
        ),
        sa.CheckConstraint(
            "day_of_week BETWEEN 0 AND 6", name=op.f("instructor_availabilities_day_of_week_check")
        ),
        sa.CheckConstraint(
            "effective_from <= effective_to", name=op.f("instructor_availabilities_effective_check")
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "instructor_id"],
            ["instructors.org_id", "instructors.id"],
            name=op.f("instructor_availabilities_org_id_instructor_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("instructor_availabilities_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("instructor_availabilities_pkey")),
    )
    op.create_index(
        op.f("instructor_availabilities_org_id_instructor_id_day_of_week_idx"),
        "instructor_availabilities",
        ["org_id", "instructor_id", "day_of_week"],
        unique=False,
    )
    op.create_table(
        "availability_exceptions",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instructor_id", sa.Uuid(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("is_available", sa.Boolean(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=True),
        sa.Column("end_minute", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(start_minute IS NULL) = (end_minute IS NULL)",
            name=op.f("availability_exceptions_both_minutes_check"),
        ),
        sa.CheckConstraint(
            "0 <= start_minute AND start_minute < end_minute AND end_minute <= 1440",
            name=op.f("availability_exceptions_window_check"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "instructor_id"],
            ["instructors.org_id", "instructors.id"],
            name=op.f("availability_exceptions_org_id_instructor_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("availability_exceptions_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("availability_exceptions_pkey")),
        sa.UniqueConstraint(
            "org_id",
            "instructor_id",
            "date",
            name=op.f("availability_exceptions_org_id_instructor_id_date_key"),
        ),
    )
    secure_tenant_table("services")
    secure_tenant_table("rate_cards")
    secure_tenant_table("rate_card_items")
    secure_tenant_table("instructor_availabilities")
    secure_tenant_table("availability_exceptions")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("availability_exceptions")
    op.drop_table("instructor_availabilities")
    op.drop_table("rate_card_items")
    op.drop_table("rate_cards")
    op.drop_table("services")
