-- One job: the columns of `JobRecord`, in its order.
SELECT
    id, kind, queue, priority, status, reason, cause, held, stop_reason, arguments, result, error,
    progress, checkpoint, warnings, created_at, ready_at, due_at, due_wall_at, expires_at,
    started_at, attempt_started_at, deadline_at, completed_at, fence, failures, losses,
    interruptions, snoozes, retries, losses_allowed, epoch, timeout_us, heartbeat_us, grace_us,
    queue_timeout_us, key, idempotency_key, labels, headers, parent_id, retried_from, batch_id,
    callback_of, callback_event, attachments
FROM job WHERE id = :id
