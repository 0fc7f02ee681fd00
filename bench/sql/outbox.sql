-- Claims and acknowledges 100 due events of one school in one statement.
\set o random(0, 99)
WITH claimed AS (
    SELECT org_id, id FROM outbox
    WHERE org_id = md5('org' || :o)::uuid AND processed_at IS NULL AND dead_at IS NULL AND available_at <= now()
    ORDER BY available_at LIMIT 100 FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET processed_at = now(), attempts = attempts + 1 FROM claimed
WHERE outbox.org_id = claimed.org_id AND outbox.id = claimed.id;
