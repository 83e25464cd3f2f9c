-- The events of a kind or batch among the next :window rows of the ledger after a seq.
SELECT json_group_array(json_array(
    seq, at, type, job_id, kind, queue, batch_id, status, fence, reason, cause, data
)) FROM (
    SELECT
        found.seq, found.at, found.type, found.job_id, job.kind,
        coalesce(found.queue, job.queue) AS queue,
        coalesce(found.batch_id, job.batch_id) AS batch_id,
        found.status, found.fence, found.reason, found.cause, found.data
    FROM (
        SELECT * FROM ledger WHERE seq > :after AND seq <= :up_to ORDER BY seq LIMIT :window
    ) AS found
    LEFT JOIN job ON job.id = found.job_id
    WHERE
        (:kind IS NULL OR job.kind = :kind)
        AND (:batch_id IS NULL OR coalesce(found.batch_id, job.batch_id) = :batch_id)
    ORDER BY found.seq LIMIT :limit
)
