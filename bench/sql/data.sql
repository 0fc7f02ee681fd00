-- The bench's data: the rows of the peer's data set, in DriveFlow's schema. Deterministic; needs the owner of a
-- migrated database without schools. What the peer's schema has no place for (currency, policy, fee split) has
-- the defaults of a new school.
\set ON_ERROR_STOP on
\set orgs 100
SET timezone = 'UTC';
SET synchronous_commit = off;
SET client_min_messages = warning;

CREATE FUNCTION pg_temp.named(name text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5(name)::uuid $$;
CREATE FUNCTION pg_temp.zone(o integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['Australia/Sydney', 'Australia/Perth', 'Australia/Adelaide', 'Australia/Brisbane',
        'Australia/Melbourne'])[1 + o % 5]
$$;

INSERT INTO orgs (id, name, slug, time_zone, fee_bps, min_notice_minutes, horizon_days, slot_step_minutes,
    cancellation_tiers)
SELECT pg_temp.named('org' || o), 'School ' || o, 'school-' || o, pg_temp.zone(o), 500, 0, 36500, 30,
    '[{"hours_before": 24, "fee_percent": 0}, {"hours_before": 2, "fee_percent": 50},
      {"hours_before": 0, "fee_percent": 100}]'
FROM generate_series(0, :orgs - 1) o;

INSERT INTO instructors (org_id, id, display_name)
SELECT pg_temp.named('org' || o), pg_temp.named('ins' || o || '-' || i), 'Instructor ' || i
FROM generate_series(0, :orgs - 1) o, generate_series(0, 9) i;

INSERT INTO students (org_id, id, full_name, phone, email, search_text)
SELECT pg_temp.named('org' || o), pg_temp.named('stu' || o || '-' || i), full_name, phone, email,
    lower(full_name) || ' ' || email || ' ' || phone
FROM generate_series(0, :orgs - 1) o, generate_series(0, 299) i,
    LATERAL (SELECT 'Student ' || i || ' Surname' || i * 7919 % 1000 AS full_name,
        '+6140000' || lpad(i::text, 4, '0') AS phone, 's' || i || '@o' || o || '.example' AS email) contact;

INSERT INTO services (org_id, id, name, duration_min)
SELECT pg_temp.named('org' || o), pg_temp.named('svc' || o || '-' || v), minutes || '-min Lesson', minutes
FROM generate_series(0, :orgs - 1) o, generate_series(0, 3) v,
    LATERAL (SELECT (ARRAY[45, 60, 90, 120])[v + 1] AS minutes) length;

INSERT INTO rate_cards (org_id, id, name, is_default)
SELECT pg_temp.named('org' || o), pg_temp.named('rc' || o), 'Default', true FROM generate_series(0, :orgs - 1) o;

INSERT INTO rate_card_items (org_id, rate_card_id, service_id, id, price_cents)
SELECT pg_temp.named('org' || o), pg_temp.named('rc' || o), pg_temp.named('svc' || o || '-' || v),
    pg_temp.named('rci' || o || '-' || v), (ARRAY[7500, 9500, 13500, 17500])[v + 1]
FROM generate_series(0, :orgs - 1) o, generate_series(0, 3) v;

-- Monday to Saturday: 0..5 here, 1..6 at the peer.
INSERT INTO instructor_availabilities (org_id, id, instructor_id, day_of_week, start_minute, end_minute)
SELECT pg_temp.named('org' || o), pg_temp.named('av' || o || '-' || i || '-' || d || '-' || w),
    pg_temp.named('ins' || o || '-' || i), d - 1, (ARRAY[480, 780])[w + 1], (ARRAY[720, 1080])[w + 1]
FROM generate_series(0, :orgs - 1) o, generate_series(0, 9) i, generate_series(1, 6) d, generate_series(0, 1) w;

-- An "available" exception without minutes changes no weekly hours at the peer; here it would open the whole
-- day. So it adds the weekday's own first window again, and on Sundays, which have none, it closes the day: the
-- same rows, and the same hours.
INSERT INTO availability_exceptions (org_id, id, instructor_id, date, is_available, start_minute, end_minute, note)
SELECT pg_temp.named('org' || o), pg_temp.named('ex' || o || '-' || i || '-' || d),
    pg_temp.named('ins' || o || '-' || i), date '2026-03-02' + d, opens,
    CASE WHEN opens THEN 480 END, CASE WHEN opens THEN 720 END, 'leave'
FROM generate_series(0, :orgs - 1) o, generate_series(0, 9) i, generate_series(0, 59) d,
    LATERAL (SELECT (o + i + d) % 5 = 0 AND d % 7 <> 6 AS opens) exception
WHERE (o * 31 + i * 17 + d * 7) % 13 = 0;

INSERT INTO bookings (org_id, id, student_id, instructor_id, service_id, start_at, end_at, status, pickup_address,
    pickup_lat, pickup_lng, price_cents, platform_fee_cents, instructor_share_cents, time_zone, cancellation_tiers)
SELECT pg_temp.named('org' || o), pg_temp.named('b' || o || '-' || i || '-' || d || '-' || s),
    pg_temp.named('stu' || o || '-' || (i * 29 + d * 13 + s * 7) % 300), pg_temp.named('ins' || o || '-' || i),
    pg_temp.named('svc' || o || '-' || CASE WHEN minutes = 60 THEN 1 ELSE 2 END),
    start_at, start_at + minutes * interval '1 min',
    CASE WHEN (o + i * 3 + d * 5 + s * 7) % 10 = 0 THEN 'cancelled' ELSE 'confirmed' END,
    (s + 1) || ' Example St', -33.8 + i * 0.001, 151.2 + d * 0.001,
    price, price / 20, price - price / 20, pg_temp.zone(o), orgs.cancellation_tiers
FROM generate_series(0, :orgs - 1) o
    JOIN orgs ON orgs.id = pg_temp.named('org' || o),
    generate_series(0, 9) i, generate_series(0, 59) d, generate_series(0, 5) s,
    LATERAL (SELECT CASE WHEN s = 2 OR s IN (0, 1, 5) AND (o + i + d + s) % 2 = 0 THEN 60 ELSE 90 END AS minutes,
        (timestamp '2026-03-02' + d * interval '1 day' + (ARRAY[480, 570, 660, 780, 870, 990])[s + 1]
            * interval '1 min') AT TIME ZONE pg_temp.zone(o) AS start_at) times,
    LATERAL (SELECT CASE WHEN minutes = 60 THEN 9500 ELSE 13500 END AS price) prices
WHERE d % 7 <> 6 AND (o * 5 + i * 3 + d * 11 + s * 2) % 6 <> 0;

INSERT INTO lessons (org_id, id, booking_id, instructor_id, student_id, started_at)
SELECT org_id, pg_temp.named('l' || id), id, instructor_id, student_id, start_at FROM bookings
WHERE id IN (SELECT pg_temp.named('b' || o || '-' || i || '-0-' || s)
    FROM generate_series(0, :orgs - 1) o, generate_series(0, 9) i, generate_series(0, 5) s);

-- All trips run, and began when the load's points begin: a phone sends points of the hour, which lie in one
-- partition. The million points stored before them are ballast of the same trips.
INSERT INTO trips (org_id, id, lesson_id, started_at)
SELECT org_id, pg_temp.named('t' || id), id, '2031-01-01' FROM lessons;

SELECT make_trip_point_partitions('2026-03-01', 1);
SELECT make_trip_point_partitions('2031-01-01', 2);

INSERT INTO trip_points (org_id, trip_id, ts, lat, lng, speed_kph)
SELECT t.org_id, t.id, l.started_at + g * interval '2 s', -33.8 + g * 0.0001, 151.2 + g * 0.0001, 40 + g % 20
FROM (SELECT * FROM trips ORDER BY id LIMIT 1000) t
    JOIN lessons l ON l.org_id = t.org_id AND l.id = t.lesson_id, generate_series(1, 1000) g;
