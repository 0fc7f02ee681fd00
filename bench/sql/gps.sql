-- A batch of 100 points of one of 1,000 trips; the trip must be there and running.
\set k :n * :clients + :client_id
\set n :n + 1
\set i :k * 37 % 1000
\set o :i / 10
\set d :i % 10
-- Slot 0 has a lesson unless this is 0; then slot 1 has one (data.sql).
\set s CASE WHEN (:o * 5 + :d * 3) % 6 = 0 THEN 1 ELSE 0 END
INSERT INTO trip_points (org_id, trip_id, ts, lat, lng, speed_kph)
SELECT t.org_id, t.id, timestamptz '2031-01-01 00:00Z' + (:k * 200 + p.seconds) * interval '1 second', p.lat, p.lng,
    p.speed_kph
FROM trips t, unnest(:seconds::integer[], :lat::numeric[], :lng::numeric[], :speed_kph::numeric[])
    AS p (seconds, lat, lng, speed_kph)
WHERE t.org_id = md5('org' || :o)::uuid AND t.ended_at IS NULL
    AND t.id = md5('t' || md5('l' || md5('b' || :o || '-' || :d || '-0-' || :s)::uuid)::uuid)::uuid
ON CONFLICT DO NOTHING;
