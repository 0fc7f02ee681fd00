-- A diary of :orgs schools, each with 10 instructors who have 5 lessons on each of :days days from 2026-03-02 on.
-- Deterministic; needs the superuser of a migrated database without schools. Indexes and exclusion constraints of
-- the bookings are made after the rows: the same in the end, and many times faster.
\set ON_ERROR_STOP on
SET timezone = 'UTC';
SET synchronous_commit = off;
SET client_min_messages = warning;
SET maintenance_work_mem = '1GB';
SET session_replication_role = replica; -- foreign keys: every row below refers to one written above it

CREATE FUNCTION pg_temp.named(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5(name)::uuid $$;

INSERT INTO orgs (id, name, slug, time_zone, fee_bps, min_notice_minutes, horizon_days, slot_step_minutes,
    cancellation_tiers)
SELECT pg_temp.named('org' || o), 'School ' || o, 'school-' || o, 'Australia/Brisbane', 500, 0, 36500, 30,
    '[{"hours_before": 24, "fee_percent": 0}, {"hours_before": 0, "fee_percent": 100}]'
FROM generate_series(0, :orgs - 1) o;

INSERT INTO instructors (org_id, id, display_name)
SELECT pg_temp.named('org' || o), pg_temp.named('ins' || o || '-' || i), 'Instructor ' || i
FROM generate_series(0, :orgs - 1) o, generate_series(0, 9) i;

INSERT INTO students (org_id, id, full_name, search_text)
SELECT pg_temp.named('org' || o), pg_temp.named('stu' || o || '-' || i), 'Student ' || i, 'student ' || i
FROM generate_series(0, :orgs - 1) o, generate_series(0, 29) i;

INSERT INTO services (org_id, id, name, duration_min)
SELECT pg_temp.named('org' || o), pg_temp.named('svc' || o || '-1'), '60-min Lesson', 60
FROM generate_series(0, :orgs - 1) o;

INSERT INTO rate_cards (org_id, id, name, is_default)
SELECT pg_temp.named('org' || o), pg_temp.named('rc' || o), 'Default', true FROM generate_series(0, :orgs - 1) o;

INSERT INTO rate_card_items (org_id, rate_card_id, service_id, id, price_cents)
SELECT pg_temp.named('org' || o), pg_temp.named('rc' || o), pg_temp.named('svc' || o || '-1'),
    pg_temp.named('rci' || o), 9500
FROM generate_series(0, :orgs - 1) o;

INSERT INTO instructor_availabilities (org_id, id, instructor_id, day_of_week, start_minute, end_minute)
SELECT pg_temp.named('org' || o), pg_temp.named('av' || o || '-' || i || '-' || d),
    pg_temp.named('ins' || o || '-' || i), d, 480, 1080
FROM generate_series(0, :orgs - 1) o, generate_series(0, 9) i, generate_series(0, 6) d;

CREATE TEMP TABLE later AS
SELECT indexrelid::regclass::text AS name, conname, coalesce(
    'ALTER TABLE bookings ADD CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(c.oid),
    pg_get_indexdef(indexrelid)) AS statement
FROM pg_index LEFT JOIN pg_constraint c ON c.conindid = indexrelid AND c.contype = 'x'
WHERE indrelid = 'bookings'::regclass AND NOT indisprimary;
SELECT CASE WHEN conname IS NULL THEN 'DROP INDEX ' || name
    ELSE 'ALTER TABLE bookings DROP CONSTRAINT ' || quote_ident(conname) END
FROM later \gexec

-- 10 instructors teach at the same time: ten students of 30 in turn.
INSERT INTO bookings (org_id, id, student_id, instructor_id, service_id, start_at, end_at, status, price_cents,
    platform_fee_cents, instructor_share_cents, time_zone, cancellation_tiers)
SELECT school, pg_temp.named('b' || o || '-' || i || '-' || d || '-' || s),
    pg_temp.named('stu' || o || '-' || i + (d + s) % 3 * 10), instructor, service,
    start_at, start_at + interval '60 min', 'confirmed', 9500, 475, 9025, 'Australia/Brisbane', '[]'
FROM generate_series(0, :orgs - 1) o,
    LATERAL (SELECT pg_temp.named('org' || o) AS school, pg_temp.named('svc' || o || '-1') AS service) school,
    generate_series(0, 9) i,
    LATERAL (SELECT pg_temp.named('ins' || o || '-' || i) AS instructor) teacher,
    generate_series(0, :days - 1) d, generate_series(0, 4) s,
    LATERAL (SELECT (timestamp '2026-03-02 08:00' + d * interval '1 day' + s * interval '2 hours')
        AT TIME ZONE 'Australia/Brisbane' AS start_at) times;

SELECT statement FROM later \gexec
