-- As `claimable_ranked`, without the members of stopped batches.
SELECT json_group_array(json_array(-priority, ready_at, id, kind)) FROM (
    SELECT id, kind, priority, ready_at FROM job INDEXED BY job_claimable
    WHERE
        queue = :queue AND status = 4 AND held IS NULL
        AND (
            batch_id IS NULL
            OR batch_id NOT IN (
                SELECT id FROM batch INDEXED BY batch_stopped
                WHERE stopped IS NOT NULL AND finalized_at IS NULL
            )
        )
    ORDER BY priority DESC, ready_at, id LIMIT :limit
)
