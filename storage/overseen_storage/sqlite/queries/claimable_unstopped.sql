-- As `claimable`, without the members of stopped batches.
SELECT
    json_group_array(id),
    count(*),
    count(*) FILTER (
        WHERE :kinds IS NOT NULL AND kind NOT IN (SELECT value FROM json_each(:kinds))
    )
FROM (
    SELECT id, kind FROM job INDEXED BY job_claimable
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
