-- The job that was submitted with an idempotency key.
SELECT id, status, kind, arguments, batch_id FROM job
WHERE idempotency_key = :key AND idempotency_key IS NOT NULL
