-- All that a slot search must read, for 7 local days of one school, in the fewest statements.
\set o random(0, 99)
\set day random(0, 49)
\set v random(0, 3)
SELECT o.time_zone, o.slot_step_minutes, o.buffer_minutes, s.duration_min
FROM orgs o JOIN services s ON s.org_id = o.id AND s.id = md5('svc' || :o || '-' || :v)::uuid AND s.active
WHERE o.id = md5('org' || :o)::uuid;
SELECT i.id, a.day_of_week, a.start_minute, a.end_minute, a.effective_from, a.effective_to
FROM instructors i JOIN instructor_availabilities a ON a.org_id = i.org_id AND a.instructor_id = i.id
WHERE i.org_id = md5('org' || :o)::uuid AND i.active;
SELECT instructor_id, date, is_available, start_minute, end_minute FROM availability_exceptions
WHERE org_id = md5('org' || :o)::uuid AND date BETWEEN date '2026-03-02' + :day::int AND date '2026-03-02' + :day::int + 7;
SELECT instructor_id, array_agg((extract(epoch FROM start_at) / 60)::int), array_agg((extract(epoch FROM end_at) / 60)::int)
FROM bookings
WHERE org_id = md5('org' || :o)::uuid AND start_at >= timestamptz '2026-03-01 00:00Z' + :day * interval '1 day'
    AND start_at < timestamptz '2026-03-10 00:00Z' + :day * interval '1 day'
    AND status IN ('requested', 'confirmed', 'in_progress', 'completed')
GROUP BY instructor_id;
