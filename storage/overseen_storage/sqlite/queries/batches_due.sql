-- Batches that can be finalized, by their members' rows: sealed, and none is open.
SELECT json_group_array(id) FROM (
    SELECT batch.id AS id FROM batch INDEXED BY batch_unfinalized
    WHERE
        batch.finalized_at IS NULL
        AND batch.status = 2 /* processing */
        AND NOT EXISTS (
            SELECT 1 FROM job INDEXED BY job_batch_open
            WHERE
                job.batch_id = batch.id AND job.batch_id IS NOT NULL
                AND job.completed_at IS NULL
        )
    ORDER BY batch.id LIMIT :limit
)
