-- Ended jobs of one status that ended between two stamps, oldest first; never a member of a batch
-- that is not finalized, or whose callbacks have not all ended: they may read their values.
SELECT id, completed_at FROM job INDEXED BY job_ended
WHERE
    status = :status AND completed_at IS NOT NULL
    AND completed_at > :after AND completed_at < :before
    AND (
        batch_id IS NULL
        OR NOT EXISTS (
            SELECT 1 FROM batch WHERE batch.id = job.batch_id AND batch.finalized_at IS NULL
        )
        AND NOT EXISTS (
            SELECT 1 FROM job AS callback INDEXED BY job_callback
            WHERE callback.callback_of = job.batch_id AND callback.completed_at IS NULL
        )
    )
ORDER BY completed_at LIMIT :limit
