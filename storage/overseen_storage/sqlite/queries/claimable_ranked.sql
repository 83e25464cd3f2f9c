-- The jobs of one queue that go first, with what they are compared by and their kinds.
SELECT json_group_array(json_array(-priority, ready_at, id, kind)) FROM (
    SELECT id, kind, priority, ready_at FROM job INDEXED BY job_claimable
    WHERE queue = :queue AND status = 4 AND held IS NULL
    ORDER BY priority DESC, ready_at, id LIMIT :limit
)
