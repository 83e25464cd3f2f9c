-- What one walk over the members of a batch tells.
SELECT json_array(
    count(*),
    count(*) FILTER (WHERE status = 8 /* completed */),
    count(*) FILTER (WHERE status = 8 /* completed */ AND warnings > 0),
    count(*) FILTER (WHERE status = 9 /* failed */),
    count(*) FILTER (WHERE status = 10 /* cancelled */),
    coalesce(sum(warnings), 0),
    coalesce(sum(fence), 0),
    count(*) FILTER (WHERE fence > 1),
    count(started_at),
    min(started_at),
    max(completed_at)
)
FROM job INDEXED BY job_batch WHERE batch_id = :id AND batch_id IS NOT NULL
