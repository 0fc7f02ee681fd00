"""The statements of the hot jobs: book, search slots, list a week.

Each reads all it needs in one round trip. The parts that belong to other packages are written there, in
their `booking_sql.py`; this file only puts them together. Overlaps say `start_at < to AND end_at > from` and
bound the start by the longest lesson, so that the index on (org_id, start_at) serves them under row-level
security, where range operators may not (schema decision 5).
"""

from driveflow.availability import booking_sql as availability
from driveflow.bookings.lifecycle import HOLDS_TIME, BookingStatus
from driveflow.catalog import booking_sql as catalog
from driveflow.core.audit import INSERT_AUDIT
from driveflow.core.outbox import INSERT_EVENTS
from driveflow.orgs import booking_sql as orgs
from driveflow.people import booking_sql as people

LONGEST_LESSON_HOURS = 12

_HOLDING = ", ".join(f"'{status}'" for status in BookingStatus if status in HOLDS_TIME)

_STARTS = "array_agg((date_part('epoch', b.start_at) / 60)::int)"
_ENDS = "array_agg((date_part('epoch', b.end_at) / 60)::int)"

_BUSY = f"""
SELECT {_STARTS} AS starts, {_ENDS} AS ends
FROM bookings b
WHERE b.org_id = {{org}} AND {{whose}} AND b.status IN ({_HOLDING})
    AND b.start_at < {{to}} AND b.start_at > {{since}}::timestamptz - interval '{LONGEST_LESSON_HOURS} hours'
    AND b.end_at > {{since}} AND b.id <> {{except_id}}
"""
"""Starts and ends in epoch minutes, in the same order."""

_NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"

SITUATION = f"""
SELECT {orgs.COLUMNS},
    s.duration_min, s.active AS service_active,
    i.active AS instructor_active, i.fee_bps AS instructor_fee_bps, st.id AS student_id,
    ({catalog.DEFAULT_CARDS.format(org="$1", service="$4")}) AS cards,
    ({availability.WINDOWS.format(org="$1", instructor="$2")}) AS windows,
    ({availability.EXCEPTIONS.format(org="$1", instructor="$2", first_day="$7::date", last_day="$8::date")})
        AS exceptions,
    busy.starts, busy.ends, student_busy.starts AS student_starts, student_busy.ends AS student_ends
FROM orgs o
CROSS JOIN ({_BUSY.format(org="$1", whose="b.instructor_id = $2", since="$5", to="$6", except_id="$9::uuid")})
    busy
CROSS JOIN ({_BUSY.format(org="$1", whose="b.student_id = $3", since="$5", to="$6", except_id="$9::uuid")})
    student_busy
LEFT JOIN services s ON s.org_id = $1 AND s.id = $4
LEFT JOIN instructors i ON i.org_id = $1 AND i.id = $2
LEFT JOIN students st ON st.org_id = $1 AND st.id = $3
WHERE o.id = $1
"""
"""All that decides about one booking: school, instructor, student, service, from, to, days, except."""

_SEARCH_BUSY = f"""
SELECT b.instructor_id, {_STARTS} AS starts, {_ENDS} AS ends
FROM bookings b
WHERE b.org_id = $1 AND b.status IN ({_HOLDING})
    AND b.start_at < $5 AND b.start_at > $4::timestamptz - interval '{LONGEST_LESSON_HOURS} hours'
    AND b.end_at > $4
GROUP BY b.instructor_id
"""

# Materialized: the planner expects one row of each and would aggregate all of it again per instructor.
SEARCH = f"""
WITH hours AS MATERIALIZED ({availability.WINDOWS_OF_ALL.format(org="$1")}),
days AS MATERIALIZED (
    {availability.EXCEPTIONS_OF_ALL.format(org="$1", first_day="$6::date", last_day="$7::date")}
),
taken AS MATERIALIZED ({_SEARCH_BUSY})
SELECT {orgs.COLUMNS}, s.duration_min, s.active AS service_active,
    student_busy.starts AS student_starts, student_busy.ends AS student_ends,
    i.id::text AS instructor_id, hours.windows, days.exceptions, taken.starts, taken.ends
FROM orgs o
CROSS JOIN ({_BUSY.format(org="$1", whose="b.student_id = $8::uuid", since="$4", to="$5", except_id=_NOBODY)})
    student_busy
LEFT JOIN services s ON s.org_id = $1 AND s.id = $2
LEFT JOIN instructors i ON i.org_id = $1 AND i.active AND ($3::uuid IS NULL OR i.id = $3)
LEFT JOIN hours ON hours.instructor_id = i.id
LEFT JOIN days ON days.instructor_id = i.id
LEFT JOIN taken ON taken.instructor_id = i.id
WHERE o.id = $1
ORDER BY i.display_name, i.id
"""
"""One row an instructor: school, service, instructor or null, from, to, first and last day, student."""

INSERT_BOOKING = f"""
WITH booking AS (
    INSERT INTO bookings (
        org_id, id, student_id, instructor_id, service_id, start_at, end_at, status,
        pickup_address, pickup_lat, pickup_lng, dropoff_address, dropoff_lat, dropoff_lng,
        currency, price_cents, platform_fee_cents, instructor_share_cents, notes, time_zone,
        cancellation_tiers, hold_expires_at, series_id, created_at, updated_at
    ) VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
        $23, $24, $24
    )
), audit AS (
    {INSERT_AUDIT.format(*(f"${number}" for number in range(25, 37)))}
)
{INSERT_EVENTS.format(*(f"${number}" for number in range(37, 44)))}
"""
"""Booking, audit row and events, all or nothing, in one round trip."""

LIST = f"""
WITH page AS MATERIALIZED (
    SELECT b.id, b.start_at, b.end_at, b.status, b.student_id, b.instructor_id, b.service_id, b.currency,
        b.price_cents, b.fee_cents, b.pickup_address, b.hold_expires_at, b.series_id, b.version
    FROM bookings b
    WHERE b.org_id = $1 {{conditions}}
    ORDER BY b.start_at, b.id
    LIMIT $2
)
SELECT {_STARTS}, {_ENDS}, array_agg(b.price_cents),
    string_agg(b.id::text, ','), string_agg(b.status, ','), string_agg(b.student_id::text, ','),
    string_agg(b.instructor_id::text, ','), string_agg(b.service_id::text, ','),
    string_agg(b.currency, ','), string_agg(coalesce(b.fee_cents::text, 'null'), ','),
    json_agg(b.pickup_address)::text, string_agg(coalesce(to_json(b.hold_expires_at)::text, 'null'), ','),
    string_agg(coalesce(to_json(b.series_id)::text, 'null'), ','), string_agg(b.version::text, ','),
    ({people.STUDENT_NAMES.format(ids="SELECT student_id FROM page")}),
    ({people.INSTRUCTOR_NAMES.format(ids="SELECT instructor_id FROM page")}),
    ({catalog.NAMES.format(ids="SELECT service_id FROM page")})
FROM page b
"""
"""A page of bookings by columns, $2 the most rows, and the names of today of all whom it names.

One value a column: taking a row of this apart costs our process more than PostgreSQL needs to find it.
"""

NAMES = f"""
SELECT ({people.STUDENT_NAMES.format(ids="SELECT unnest($2::uuid[])")}) AS students,
    ({people.INSTRUCTOR_NAMES.format(ids="SELECT unnest($3::uuid[])")}) AS instructors,
    ({catalog.NAMES.format(ids="SELECT unnest($4::uuid[])")}) AS services
"""
"""Names of students $2, instructors $3 and services $4 of school $1, as JSON by id."""

CALENDAR = """
SELECT b.id, b.version, b.status, b.start_at, b.end_at, b.time_zone, b.updated_at, b.student_id,
    b.instructor_id, b.service_id, b.pickup_address, b.dropoff_address, b.notes
FROM bookings b
WHERE b.org_id = $1 AND b.start_at >= $2 AND b.start_at < $3 AND b.status = ANY($4::text[])
    AND ($5::uuid IS NULL OR b.instructor_id = $5) AND ($6::uuid IS NULL OR b.student_id = $6)
ORDER BY abs(date_part('epoch', b.start_at - $7::timestamptz)), b.id
LIMIT {limit}
"""
"""Lessons of a span of time, nearest to an instant first: school, from, to, statuses, instructor or null,
student or null, instant."""
