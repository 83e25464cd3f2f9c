-- Stopped batches with members that have not ended, as an array of [id, why].
SELECT json_group_array(json_array(id, stopped)) FROM (
    SELECT batch.id AS id, batch.stopped AS stopped FROM batch INDEXED BY batch_stopped
    WHERE
        batch.stopped IS NOT NULL AND batch.finalized_at IS NULL
        AND EXISTS (
            SELECT 1 FROM job INDEXED BY job_batch_open
            WHERE
                job.batch_id = batch.id AND job.batch_id IS NOT NULL
                AND job.completed_at IS NULL
        )
    ORDER BY batch.id LIMIT :limit
)
