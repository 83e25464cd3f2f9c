-- Pending jobs that have waited past their limit and drafts that nobody released in time, earliest
-- first: who, whether it is a draft, whether it has files.
SELECT json_group_array(json_array(id, status = 1 /* draft */, attachments > 0)) FROM (
    SELECT id, status, attachments FROM job INDEXED BY job_expiring
    WHERE expires_at IS NOT NULL AND expires_at <= :now AND status IN (1 /* draft */, 4 /* pending */)
    ORDER BY expires_at LIMIT :limit
)
