-- SEAL of a batch: as many members as it has now it will always have.
UPDATE batch SET
    status = 2 /* processing */,
    sealed_at = :at,
    total = (
        SELECT count(*) FROM job INDEXED BY job_batch
        WHERE batch_id = :id AND batch_id IS NOT NULL
    )
WHERE id = :id AND status = 1 /* open */
