-- Whether a member of a batch has not ended.
SELECT EXISTS (
    SELECT 1 FROM job INDEXED BY job_batch_open
    WHERE batch_id = :id AND batch_id IS NOT NULL AND completed_at IS NULL
)
