-- What the attempts of :ids (an array) need, in order, as an array of `Claimed`.
SELECT json_group_array(json_array(
    job.id, job.kind, job.queue, job.priority, job.fence, job.arguments, job.attempt_started_at,
    job.failures, job.losses, job.retries,
    job.losses_allowed, job.warnings, job.heartbeat_us, job.grace_us,
    job.timeout_us, job.checkpoint, job.labels, job.headers, job.parent_id, job.batch_id,
    job.attachments
))
FROM json_each(:ids) AS entry
CROSS JOIN job ON job.id = entry.value
