-- Members of a batch that no body runs, in order.
SELECT json_group_array(id) FROM (
    SELECT id FROM job INDEXED BY job_batch_open
    WHERE
        batch_id = :id AND batch_id IS NOT NULL AND completed_at IS NULL
        AND status IN (1 /* draft */, 3 /* scheduled */, 4 /* pending */, 7 /* retrying */)
    ORDER BY id LIMIT :limit
)
