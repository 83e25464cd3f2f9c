-- Ended jobs of one status that ended before a stamp, oldest first; never a member of a batch
-- that is not finalized.
SELECT id, completed_at FROM job INDEXED BY job_ended
WHERE
    status = :status AND completed_at IS NOT NULL AND completed_at < :before
    AND NOT EXISTS (
        SELECT 1 FROM batch WHERE batch.id = job.batch_id AND batch.finalized_at IS NULL
    )
ORDER BY completed_at LIMIT :limit
