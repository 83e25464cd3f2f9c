-- Every epoch, oldest first.
SELECT id, pid, host, version, started_at, stopped_at FROM epoch ORDER BY id
