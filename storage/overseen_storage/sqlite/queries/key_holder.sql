-- The job that holds a key.
SELECT id, status, kind, batch_id FROM job
WHERE key = :key AND key IS NOT NULL AND completed_at IS NULL
