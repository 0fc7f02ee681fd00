"""The seed's whole schema with row-level security, no-overlap constraints and partitions.

Source: seed steps 2 to 11 and 13; each decision is in docs/decisions/0003-database.md.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_first_schema"
down_revision = None
branch_labels = None
depends_on = None

TENANT_TABLES = (
    "api_keys",
    "audit_logs",
    "availability_exceptions",
    "bookings",
    "guardians",
    "idempotency_keys",
    "instructor_availabilities",
    "instructors",
    "ledger_entries",
    "lessons",
    "messages",
    "outbox",
    "payments",
    "payout_reversals",
    "payouts",
    "rate_card_items",
    "rate_cards",
    "refunds",
    "services",
    "student_guardians",
    "students",
    "trip_points",
    "trips",
)
CONTROL_PLANE = ("orgs", "users", "user_orgs", "webhook_events", "stripe_objects")
APPEND_ONLY = ("audit_logs", "ledger_entries")
ROLES = "driveflow_app, driveflow_worker"
OWN_ROWS = "org_id = nullif(current_setting('app.org_id', true), '')::uuid"

# Runs with the owner's rights, because the worker owns nothing and partitions must be made ahead of time.
# A month whose points already lie in the default partition stays there: correct, only slower.
MAKE_PARTITIONS = f"""
CREATE FUNCTION make_trip_point_partitions(first_month date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    month date;
    partition text;
    own_rows text := $policy${OWN_ROWS}$policy$;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(7305119);
    FOR number IN 0 .. months - 1 LOOP
        month := (date_trunc('month', first_month) + make_interval(months => number))::date;
        partition := 'trip_points_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        CONTINUE WHEN EXISTS (
            SELECT FROM trip_points_default
            WHERE ts >= month::timestamp AT TIME ZONE 'UTC'
                AND ts < (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
        );
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF trip_points FOR VALUES FROM (%L) TO (%L)',
            partition, month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
        );
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', partition);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', partition);
        EXECUTE format('CREATE POLICY own_school ON %I USING (%s) WITH CHECK (%s)', partition, own_rows, own_rows);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$
"""

DROP_PARTITIONS = """
CREATE FUNCTION drop_trip_point_partitions(before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    partition regclass;
    dropped integer := 0;
BEGIN
    FOR partition IN
        SELECT inhrelid::regclass FROM pg_inherits
        WHERE inhparent = 'trip_points'::regclass
            AND inhrelid::regclass::text ~ '^trip_points_[0-9]{4}_[0-9]{2}$'
            AND to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM') + interval '1 month' <= before
    LOOP
        EXECUTE format('DROP TABLE %s', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$
"""


def upgrade() -> None:
    """Make everything."""
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    _create_tables()
    _partition_trip_points()
    _secure()


def _partition_trip_points() -> None:
    op.execute("CREATE TABLE trip_points_default PARTITION OF trip_points DEFAULT")
    op.execute(MAKE_PARTITIONS)
    op.execute(DROP_PARTITIONS)
    for function in ("make_trip_point_partitions(date, integer)", "drop_trip_point_partitions(date)"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO driveflow_worker")


def _secure() -> None:
    for table in (*TENANT_TABLES, "trip_points_default"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_school ON {table} USING ({OWN_ROWS}) WITH CHECK ({OWN_ROWS})")
    # The worker sees which schools have work; to change a row it must set the school like anybody.
    op.execute("CREATE POLICY worker_sees_all ON outbox FOR SELECT TO driveflow_worker USING (true)")
    for table in (*TENANT_TABLES, *CONTROL_PLANE):
        rights = "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        op.execute(f"GRANT {rights} ON {table} TO {ROLES}")
    op.execute(f"GRANT SELECT ON alembic_version TO {ROLES}")
    op.execute(f"DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO {ROLES}', current_schema()); END $$")


def _create_tables() -> None:
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
    op.create_table(
        "bookings",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("instructor_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="requested", nullable=False),
        sa.Column("pickup_address", sa.Text(), nullable=True),
        sa.Column("pickup_lat", sa.Numeric(precision=9, scale=6), nullable=True),
        sa.Column("pickup_lng", sa.Numeric(precision=9, scale=6), nullable=True),
        sa.Column("dropoff_address", sa.Text(), nullable=True),
        sa.Column("dropoff_lat", sa.Numeric(precision=9, scale=6), nullable=True),
        sa.Column("dropoff_lng", sa.Numeric(precision=9, scale=6), nullable=True),
        sa.Column("currency", sa.Text(), server_default="AUD", nullable=False),
        sa.Column("price_cents", sa.Integer(), nullable=False),
        sa.Column("platform_fee_cents", sa.Integer(), nullable=False),
        sa.Column("instructor_share_cents", sa.Integer(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("cancellation_tiers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("hold_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("series_id", sa.Uuid(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("fee_cents", sa.Integer(), nullable=True),
        sa.Column("fee_waived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fee_waived_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("org_id"), "="),
            (sa.column("instructor_id"), "="),
            (sa.text("tstzrange(start_at, end_at)"), "&&"),
            where=sa.text("status IN ('requested', 'confirmed', 'in_progress', 'completed')"),
            using="gist",
            name="bookings_instructor_no_overlap",
        ),
        postgresql.ExcludeConstraint(
            (sa.column("org_id"), "="),
            (sa.column("student_id"), "="),
            (sa.text("tstzrange(start_at, end_at)"), "&&"),
            where=sa.text("status IN ('requested', 'confirmed', 'in_progress', 'completed')"),
            using="gist",
            name="bookings_student_no_overlap",
        ),
        sa.CheckConstraint(
            "status IN ('requested', 'confirmed', 'in_progress', 'completed', 'cancelled', 'no_show')",
            name=op.f("bookings_status_check"),
        ),
        sa.CheckConstraint("fee_cents BETWEEN 0 AND price_cents", name=op.f("bookings_fee_cents_check")),
        sa.CheckConstraint(
            "pickup_lat BETWEEN -90 AND 90 AND dropoff_lat BETWEEN -90 AND 90",
            name=op.f("bookings_lat_check"),
        ),
        sa.CheckConstraint(
            "pickup_lng BETWEEN -180 AND 180 AND dropoff_lng BETWEEN -180 AND 180",
            name=op.f("bookings_lng_check"),
        ),
        sa.CheckConstraint(
            "platform_fee_cents + instructor_share_cents = price_cents", name=op.f("bookings_split_check")
        ),
        sa.CheckConstraint(
            "platform_fee_cents >= 0 AND instructor_share_cents >= 0",
            name=op.f("bookings_split_positive_check"),
        ),
        sa.CheckConstraint("price_cents >= 0", name=op.f("bookings_price_cents_check")),
        sa.CheckConstraint("start_at < end_at AND end_at <= start_at + interval '12 hours'", name=op.f("bookings_times_check")),
        sa.ForeignKeyConstraint(
            ["fee_waived_by"], ["users.id"], name=op.f("bookings_fee_waived_by_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "instructor_id"],
            ["instructors.org_id", "instructors.id"],
            name=op.f("bookings_org_id_instructor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "service_id"],
            ["services.org_id", "services.id"],
            name=op.f("bookings_org_id_service_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "student_id"],
            ["students.org_id", "students.id"],
            name=op.f("bookings_org_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("bookings_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("bookings_pkey")),
    )
    op.create_index(
        op.f("bookings_org_id_instructor_id_start_at_idx"),
        "bookings",
        ["org_id", "instructor_id", "start_at"],
        unique=False,
    )
    op.create_index(op.f("bookings_org_id_start_at_idx"), "bookings", ["org_id", "start_at"], unique=False)
    op.create_index(
        op.f("bookings_org_id_student_id_start_at_idx"),
        "bookings",
        ["org_id", "student_id", "start_at"],
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
        "lessons",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("instructor_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("distance_meters", sa.Integer(), nullable=True),
        sa.Column("duration_sec", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("lessons_times_check")),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("lessons_rating_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "booking_id"],
            ["bookings.org_id", "bookings.id"],
            name=op.f("lessons_org_id_booking_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "instructor_id"],
            ["instructors.org_id", "instructors.id"],
            name=op.f("lessons_org_id_instructor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id", "student_id"],
            ["students.org_id", "students.id"],
            name=op.f("lessons_org_id_student_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("lessons_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("lessons_pkey")),
        sa.UniqueConstraint("org_id", "booking_id", name=op.f("lessons_org_id_booking_id_key")),
    )
    op.create_index(
        op.f("lessons_org_id_instructor_id_started_at_idx"),
        "lessons",
        ["org_id", "instructor_id", "started_at"],
        unique=False,
    )
    op.create_index(op.f("lessons_org_id_started_at_idx"), "lessons", ["org_id", "started_at"], unique=False)
    op.create_index(
        op.f("lessons_org_id_student_id_started_at_idx"),
        "lessons",
        ["org_id", "student_id", "started_at"],
        unique=False,
    )
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
        "trips",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lesson_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("device_token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("distance_meters", sa.Integer(), nullable=True),
        sa.Column("duration_sec", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("trips_times_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "lesson_id"],
            ["lessons.org_id", "lessons.id"],
            name=op.f("trips_org_id_lesson_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["org_id"], ["orgs.id"], name=op.f("trips_org_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("org_id", "id", name=op.f("trips_pkey")),
        sa.UniqueConstraint("org_id", "device_token_hash", name=op.f("trips_org_id_device_token_hash_key")),
    )
    op.create_index(
        "trips_one_open_key",
        "trips",
        ["org_id", "lesson_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(op.f("trips_org_id_lesson_id_idx"), "trips", ["org_id", "lesson_id"], unique=False)
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
        "trip_points",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("trip_id", sa.Uuid(), nullable=False),
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lat", sa.Numeric(precision=9, scale=6), nullable=False),
        sa.Column("lng", sa.Numeric(precision=9, scale=6), nullable=False),
        sa.Column("speed_kph", sa.Numeric(precision=6, scale=2), nullable=True),
        sa.Column("accuracy_m", sa.REAL(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("lat BETWEEN -90 AND 90", name=op.f("trip_points_lat_check")),
        sa.CheckConstraint("lng BETWEEN -180 AND 180", name=op.f("trip_points_lng_check")),
        sa.CheckConstraint("speed_kph >= 0", name=op.f("trip_points_speed_kph_check")),
        sa.ForeignKeyConstraint(
            ["org_id", "trip_id"],
            ["trips.org_id", "trips.id"],
            name=op.f("trip_points_org_id_trip_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_id"], ["orgs.id"], name=op.f("trip_points_org_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "trip_id", "ts", name=op.f("trip_points_pkey")),
        postgresql_partition_by="RANGE (ts)",
    )


def downgrade() -> None:
    """Remove everything but the extension and the roles, which other databases may share."""
    op.execute("DROP FUNCTION make_trip_point_partitions(date, integer)")
    op.execute("DROP FUNCTION drop_trip_point_partitions(date)")
    for table in (
        "trip_points",
        "payout_reversals",
        "trips",
        "refunds",
        "payouts",
        "payments",
        "lessons",
        "ledger_entries",
        "instructor_availabilities",
        "bookings",
        "availability_exceptions",
        "api_keys",
        "student_guardians",
        "rate_card_items",
        "instructors",
        "user_orgs",
        "students",
        "stripe_objects",
        "services",
        "rate_cards",
        "outbox",
        "messages",
        "idempotency_keys",
        "guardians",
        "audit_logs",
        "webhook_events",
        "users",
        "orgs",
    ):
        op.execute(f"DROP TABLE {table}")
