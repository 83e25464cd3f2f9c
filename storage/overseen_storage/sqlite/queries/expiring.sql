-- Pending jobs that have waited past their limit, earliest first.
SELECT json_group_array(id) FROM (
    SELECT id FROM job INDEXED BY job_expiring
    WHERE expires_at IS NOT NULL AND expires_at <= :now AND status = 4
    ORDER BY expires_at LIMIT :limit
)
