-- RELEASE of a draft that can run at once; RELEASE_LATER of one whose time is to come.
UPDATE job SET
    status = :status,
    changed_at = :at,
    ready_at = CASE :status WHEN 4 /* pending */ THEN :at END,
    expires_at = CASE :status WHEN 4 /* pending */ THEN :at + queue_timeout_us END,
    due_at = CASE :status WHEN 3 /* scheduled */ THEN due_at END,
    due_wall_at = CASE :status WHEN 3 /* scheduled */ THEN due_wall_at END,
    reason = :reason,
    cause = :cause
WHERE id = :id AND status = 1 /* draft */
