-- What becomes due or expires next.
SELECT
    (SELECT due_at FROM job INDEXED BY job_due
        WHERE due_at IS NOT NULL AND status IN (3, 7) ORDER BY due_at LIMIT 1),
    (SELECT due_wall_at FROM job INDEXED BY job_due_wall
        WHERE due_wall_at IS NOT NULL AND status IN (3, 7) ORDER BY due_wall_at LIMIT 1),
    (SELECT expires_at FROM job INDEXED BY job_expiring
        WHERE expires_at IS NOT NULL AND status IN (1, 4) ORDER BY expires_at LIMIT 1)
