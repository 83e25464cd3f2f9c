-- How far a batch is, from indexes: members, open ones, running ones, failed ones, cancelled ones.
SELECT
    coalesce(
        (SELECT total FROM batch WHERE id = :id),
        (
            SELECT count(*) FROM job INDEXED BY job_batch
            WHERE batch_id = :id AND batch_id IS NOT NULL
        )
    ),
    (
        SELECT count(*) FROM job INDEXED BY job_batch_open
        WHERE batch_id = :id AND batch_id IS NOT NULL AND completed_at IS NULL
    ),
    (SELECT count(*) FROM job INDEXED BY job_live WHERE status IN (5, 6) AND batch_id = :id),
    (
        SELECT count(*) FROM job INDEXED BY job_batch_spoiled
        WHERE
            batch_id = :id AND batch_id IS NOT NULL
            AND status IN (9, 10) AND status = 9 /* failed */
    ),
    (
        SELECT count(*) FROM job INDEXED BY job_batch_spoiled
        WHERE
            batch_id = :id AND batch_id IS NOT NULL
            AND status IN (9, 10) AND status = 10 /* cancelled */
    )
