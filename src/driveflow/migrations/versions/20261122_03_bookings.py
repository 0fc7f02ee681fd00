"""Bookings that cannot overlap, lessons, trips and their points by month (seed steps 6 and 7)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from driveflow.migrations.security import OWN_ROWS, secure_partition, secure_tenant_table

revision = "20261122_03_bookings"
down_revision = "20261122_02_catalog"
branch_labels = None
depends_on = None

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
    """Bring the schema to this revision."""
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
        sa.CheckConstraint(
            "start_at < end_at AND end_at <= start_at + interval '12 hours'",
            name=op.f("bookings_times_check"),
        ),
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
        sa.PrimaryKeyConstraint("org_id", "trip_id", "ts", name=op.f("trip_points_pkey")),
        postgresql_partition_by="RANGE (ts)",
    )
    _partition_trip_points()
    secure_tenant_table("bookings")
    secure_tenant_table("lessons")
    secure_tenant_table("trips")
    secure_tenant_table("trip_points")


def _partition_trip_points() -> None:
    op.execute("CREATE TABLE trip_points_default PARTITION OF trip_points DEFAULT")
    secure_partition("trip_points_default")
    op.execute(MAKE_PARTITIONS)
    op.execute(DROP_PARTITIONS)
    for function in ("make_trip_point_partitions(date, integer)", "drop_trip_point_partitions(date)"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO driveflow_worker")


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.execute("DROP FUNCTION make_trip_point_partitions(date, integer)")
    op.execute("DROP FUNCTION drop_trip_point_partitions(date)")
    op.drop_table("trip_points")
    op.drop_table("trips")
    op.drop_table("lessons")
    op.drop_table("bookings")
