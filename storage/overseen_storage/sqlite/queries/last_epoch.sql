-- The last epoch, and when it was stopped on purpose.
SELECT id, stopped_at FROM epoch ORDER BY id DESC LIMIT 1
