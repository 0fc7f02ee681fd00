-- The bookings of a school's week with the three names.
\set o random(0, 99)
\set day random(0, 49)
SELECT b.id, b.start_at, b.end_at, b.status, s.full_name, i.display_name, v.name, b.price_cents, b.pickup_address
FROM bookings b
    JOIN students s ON s.org_id = b.org_id AND s.id = b.student_id
    JOIN instructors i ON i.org_id = b.org_id AND i.id = b.instructor_id
    JOIN services v ON v.org_id = b.org_id AND v.id = b.service_id
WHERE b.org_id = md5('org' || :o)::uuid AND b.start_at >= timestamptz '2026-03-02 00:00Z' + :day * interval '1 day'
    AND b.start_at < timestamptz '2026-03-09 00:00Z' + :day * interval '1 day'
ORDER BY b.start_at, b.id;
