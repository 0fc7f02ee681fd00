"""The control plane, people, keys, and what every change writes (seed steps 2, 3, 10, 11)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from driveflow.migrations.security import grant_control_plane, secure_tenant_table

revision = "20261122_01_people"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "orgs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("abn", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), server_default="Australia/Sydney", nullable=False),
        sa.Column("currency", sa.Text(), server_default="AUD", nullable=False),
        sa.Column("fee_bps", sa.Integer(), server_default="500", nullable=False),
        sa.Column("cancellation_tiers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("hold_minutes", sa.Integer(), server_default="30", nullable=False),
        sa.Column("buffer_minutes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("min_notice_minutes", sa.Integer(), server_default="60", nullable=False),
        sa.Column("horizon_days", sa.Integer(), server_default="90", nullable=False),
        sa.Column("slot_step_minutes", sa.Integer(), server_default="15", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("buffer_minutes BETWEEN 0 AND 480", name=op.f("orgs_buffer_minutes_check")),
        sa.CheckConstraint("fee_bps BETWEEN 0 AND 10000", name=op.f("orgs_fee_bps_check")),
        sa.CheckConstraint("hold_minutes BETWEEN 1 AND 10080", name=op.f("orgs_hold_minutes_check")),
        sa.CheckConstraint("horizon_days BETWEEN 1 AND 36500", name=op.f("orgs_horizon_days_check")),
        sa.CheckConstraint(
            "min_notice_minutes BETWEEN 0 AND 43200", name=op.f("orgs_min_notice_minutes_check")
        ),
        sa.CheckConstraint("slot_step_minutes BETWEEN 5 AND 240", name=op.f("orgs_slot_step_minutes_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("orgs_pkey")),
        sa.UniqueConstraint("slug", name=op.f("orgs_slug_key")),
    )
    op.create_index(op.f("orgs_name_idx"), "orgs", ["name"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        sa.UniqueConstraint("email", name=op.f("users_email_key")),
        sa.UniqueConstraint("external_id", name=op.f("users_external_id_key")),
    )
    op.create_table(
        "user_orgs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'instructor', 'student')", name=op.f("user_orgs_role_check")
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("user_orgs_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("user_orgs_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("user_orgs_pkey")),
        sa.UniqueConstraint("user_id", "org_id", "role", name=op.f("user_orgs_user_id_org_id_role_key")),
    )
    op.create_index(op.f("user_orgs_org_id_role_idx"), "user_orgs", ["org_id", "role"], unique=False)
    op.create_table(
        "stripe_objects",
        sa.Column("stripe_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("stripe_objects_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("stripe_id", name=op.f("stripe_objects_pkey")),
    )
    op.create_index(
        op.f("stripe_objects_org_id_entity_id_idx"), "stripe_objects", ["org_id", "entity_id"], unique=False
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_events_pkey")),
        sa.UniqueConstraint("provider", "event_id", name=op.f("webhook_events_provider_event_id_key")),
    )
    op.create_index(
        op.f("webhook_events_provider_processed_at_idx"),
        "webhook_events",
        ["provider", "processed_at"],
        unique=False,
    )
    op.create_table(
        "instructors",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("license_id", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("stripe_account_id", sa.Text(), nullable=True),
        sa.Column("kyc_status", sa.Text(), nullable=True),
        sa.Column("fee_bps", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("fee_bps BETWEEN 0 AND 10000", name=op.f("instructors_fee_bps_check")),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("instructors_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stripe_account_id"],
            ["stripe_objects.stripe_id"],
            name=op.f("instructors_stripe_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("instructors_user_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("instructors_pkey")),
        sa.UniqueConstraint(
            "org_id", "stripe_account_id", name=op.f("instructors_org_id_stripe_account_id_key")
        ),
    )
    op.create_index(op.f("instructors_org_id_active_idx"), "instructors", ["org_id", "active"], unique=False)
    op.create_table(
        "students",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("dob", sa.Date(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("students_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("students_user_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("students_pkey")),
    )
    op.create_index(op.f("students_org_id_full_name_idx"), "students", ["org_id", "full_name"], unique=False)
    op.create_table(
        "guardians",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("guardians_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("guardians_user_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("guardians_pkey")),
    )
    op.create_index(
        op.f("guardians_org_id_full_name_idx"), "guardians", ["org_id", "full_name"], unique=False
    )
    op.create_table(
        "student_guardians",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("guardian_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=True),
        sa.Column("can_book", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("can_pay", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("is_primary", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "guardian_id"],
            ["guardians.org_id", "guardians.id"],
            name=op.f("student_guardians_org_id_guardian_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "student_id"],
            ["students.org_id", "students.id"],
            name=op.f("student_guardians_org_id_student_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("student_guardians_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "student_id", "guardian_id", name=op.f("student_guardians_pkey")),
        sa.UniqueConstraint("org_id", "id", name=op.f("student_guardians_org_id_id_key")),
    )
    op.create_index(
        op.f("student_guardians_org_id_guardian_id_idx"),
        "student_guardians",
        ["org_id", "guardian_id"],
        unique=False,
    )
    op.create_table(
        "api_keys",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("instructor_id", sa.Uuid(), nullable=True),
        sa.Column("student_id", sa.Uuid(), nullable=True),
        sa.Column("guardian_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(role = 'guardian') = (guardian_id IS NOT NULL)", name=op.f("api_keys_guardian_check")
        ),
        sa.CheckConstraint(
            "(role = 'instructor') = (instructor_id IS NOT NULL)", name=op.f("api_keys_instructor_check")
        ),
        sa.CheckConstraint(
            "(role = 'student') = (student_id IS NOT NULL)", name=op.f("api_keys_student_check")
        ),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'instructor', 'student', 'guardian')",
            name=op.f("api_keys_role_check"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "guardian_id"],
            ["guardians.org_id", "guardians.id"],
            name=op.f("api_keys_org_id_guardian_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "instructor_id"],
            ["instructors.org_id", "instructors.id"],
            name=op.f("api_keys_org_id_instructor_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "student_id"],
            ["students.org_id", "students.id"],
            name=op.f("api_keys_org_id_student_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("api_keys_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("api_keys_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("api_keys_pkey")),
        sa.UniqueConstraint("org_id", "key_hash", name=op.f("api_keys_org_id_key_hash_key")),
    )
    op.create_table(
        "audit_logs",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor_user_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_user_id"], ["users.id"], name=op.f("audit_logs_actor_user_id_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("audit_logs_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("audit_logs_pkey")),
    )
    op.create_index(op.f("audit_logs_actor_user_id_idx"), "audit_logs", ["actor_user_id"], unique=False)
    op.create_index(
        op.f("audit_logs_org_id_created_at_idx"), "audit_logs", ["org_id", "created_at"], unique=False
    )
    op.create_index(
        op.f("audit_logs_org_id_entity_type_entity_id_idx"),
        "audit_logs",
        ["org_id", "entity_type", "entity_id"],
        unique=False,
    )
    op.create_table(
        "outbox",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("dead_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("outbox_org_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("outbox_pkey")),
        sa.UniqueConstraint("org_id", "dedupe_key", name=op.f("outbox_org_id_dedupe_key_key")),
    )
    op.create_index(
        "outbox_due_idx",
        "outbox",
        ["available_at", "org_id"],
        unique=False,
        postgresql_where=sa.text("processed_at IS NULL AND dead_at IS NULL"),
    )
    op.create_index(
        op.f("outbox_org_id_topic_processed_at_idx"),
        "outbox",
        ["org_id", "topic", "processed_at"],
        unique=False,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("idempotency_keys_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "scope", "key", name=op.f("idempotency_keys_pkey")),
    )
    op.create_index(
        op.f("idempotency_keys_org_id_created_at_idx"),
        "idempotency_keys",
        ["org_id", "created_at"],
        unique=False,
    )
    grant_control_plane("orgs")
    grant_control_plane("users")
    grant_control_plane("user_orgs")
    grant_control_plane("stripe_objects")
    grant_control_plane("webhook_events")
    secure_tenant_table("instructors")
    secure_tenant_table("students")
    secure_tenant_table("guardians")
    secure_tenant_table("student_guardians")
    secure_tenant_table("api_keys")
    secure_tenant_table("audit_logs", append_only=True)
    secure_tenant_table("outbox")
    secure_tenant_table("idempotency_keys")
    # The worker sees which schools have work; to change a row it must set the school like anybody.
    op.execute("CREATE POLICY worker_sees_all ON outbox FOR SELECT TO driveflow_worker USING (true)")
    op.execute("GRANT SELECT ON alembic_version TO driveflow_app, driveflow_worker")
    op.execute(
        "DO $$ BEGIN EXECUTE format("
        "'GRANT USAGE ON SCHEMA %I TO driveflow_app, driveflow_worker', current_schema()); END $$"
    )


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("idempotency_keys")
    op.drop_table("outbox")
    op.drop_table("audit_logs")
    op.drop_table("api_keys")
    op.drop_table("student_guardians")
    op.drop_table("guardians")
    op.drop_table("students")
    op.drop_table("instructors")
    op.drop_table("webhook_events")
    op.drop_table("stripe_objects")
    op.drop_table("user_orgs")
    op.drop_table("users")
    op.drop_table("orgs")
