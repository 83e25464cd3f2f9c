-- The job that holds a key.
SELECT id, status, kind FROM job
WHERE key = :key AND key IS NOT NULL AND completed_at IS NULL
