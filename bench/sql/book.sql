-- A booking with its price, audit row and event in one statement, the least that PostgreSQL can be asked; the
-- constraints refuse a taken time.
-- k counts through instructors and 2-h slots as the load does, each client taking every 16th.
\set k :n * :clients + :client_id
\set n :n + 1
\set i :k % 1000
\set o :i / 10
\set slot :k / 1000
\set s (:slot * 10 + :i % 10) % 300
WITH priced AS (
    SELECT p.org_id, p.service_id, p.price_cents, p.price_cents * o.fee_bps / 10000 AS fee, o.time_zone,
        o.cancellation_tiers, timestamptz '2031-01-01 00:00Z' + :slot * interval '2 hours' AS start_at,
        s.duration_min * interval '1 min' AS length
    FROM orgs o
        JOIN services s ON s.org_id = o.id AND s.id = md5('svc' || :o || '-1')::uuid
        JOIN rate_cards c ON c.org_id = o.id AND c.is_default
        JOIN rate_card_items p ON p.org_id = o.id AND p.rate_card_id = c.id AND p.service_id = s.id
    WHERE o.id = md5('org' || :o)::uuid
), booked AS (
    INSERT INTO bookings (org_id, id, student_id, instructor_id, service_id, start_at, end_at, status, price_cents,
        platform_fee_cents, instructor_share_cents, time_zone, cancellation_tiers)
    SELECT org_id, gen_random_uuid(), md5('stu' || :o || '-' || :s)::uuid, md5('ins' || :o || '-' || :i % 10)::uuid,
        service_id, start_at, start_at + length, 'confirmed', price_cents, fee, price_cents - fee, time_zone,
        cancellation_tiers
    FROM priced RETURNING *
), audited AS (
    INSERT INTO audit_logs (org_id, id, actor, action, entity_type, entity_id, after)
    SELECT org_id, gen_random_uuid(), 'bench', 'BOOKING_CREATED', 'Booking', id, to_jsonb(booked) FROM booked
)
INSERT INTO outbox (org_id, id, topic, payload)
SELECT org_id, gen_random_uuid(), 'booking.created', jsonb_build_object('booking_id', id) FROM booked;
