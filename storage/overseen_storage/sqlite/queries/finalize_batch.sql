-- FINALIZE of a batch that is sealed and has no open member.
UPDATE batch SET status = :status, finalized_at = :at, summary = :summary, due = 0
WHERE
    id = :id
    AND status = 2 /* processing */
    AND NOT EXISTS (
        SELECT 1 FROM job INDEXED BY job_batch_open
        WHERE job.batch_id = :id AND job.batch_id IS NOT NULL AND job.completed_at IS NULL
    )
